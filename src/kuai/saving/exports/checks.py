"""What an exported program has to be before it is used: verified, and of known parts only.

A StableHLO program computes, with one exception: a *custom call* runs compiled code of the process
by its name, Python callbacks among it, and that code believes the shapes the file tells it. So
there is a list of names, and on it is only what no shapes can lead astray.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from jax import core, export

from kuai.engine.tensor import dtypes
from kuai.errors import printable
from kuai.saving.refusals import Damaged, Refused

__all__ = ["CUSTOM_CALLS", "read_program"]

#: What a program may call by name: XLA takes these apart itself, and nothing compiled is run.
CUSTOM_CALLS = frozenset(
    {
        "shape_assertion",
        "stablehlo.dynamic_reduce_window",
        "stablehlo.dynamic_rng_bit_generator",
        "stablehlo.dynamic_top_k",
    }
)
_DIALECTS = ("chlo.", "func.", "stablehlo.")
_OTHER_MACHINES = frozenset(  # and the outside: they wait for somebody who is not there
    f"stablehlo.{name}"
    for name in (
        *("all_gather", "all_reduce", "all_to_all", "collective_broadcast", "collective_permute"),
        *("infeed", "outfeed", "partition_id", "recv", "reduce_scatter", "replica_id", "send"),
    )
)
_LARGEST = 1_000_000  # operations, with every call replaced by what it calls
_WAIT = 600  # seconds; its time of computing is limited below that
_SURVEYOR = pathlib.Path(__file__).with_name("surveying.py")
_TYPES = {
    dtypes.bool_: "i1",
    dtypes.uint8: "ui8",
    dtypes.uint16: "ui16",
    dtypes.uint32: "ui32",
    dtypes.uint64: "ui64",
    dtypes.int8: "i8",
    dtypes.int16: "i16",
    dtypes.int32: "i32",
    dtypes.int64: "i64",
    dtypes.float16: "f16",
    dtypes.bfloat16: "bf16",
    dtypes.float32: "f32",
    dtypes.float64: "f64",
    dtypes.complex64: "complex<f32>",
    dtypes.complex128: "complex<f64>",
    dtypes.float8_e4m3fn: "f8E4M3FN",
    dtypes.float8_e5m2: "f8E5M2",
    dtypes.float8_e4m3fnuz: "f8E4M3FNUZ",
    dtypes.float8_e5m2fnuz: "f8E5M2FNUZ",
    dtypes.float8_e8m0fnu: "f8E8M0FNU",
}
_TYPE_OF = {np.dtype(kind.jax): name for kind, name in _TYPES.items()}


def read_program(content: bytes, custom_calls: Collection[str] = ()) -> export.Exported:
    """The program of a file, once it is checked.

    Args:
        custom_calls: names of compiled code that it may call besides.
    """
    found = _surveyed(content)
    if found["extras"]:
        raise Refused(f"the program has {', '.join(found['extras'])}")
    _check_operations(found["operations"], {*CUSTOM_CALLS, *custom_calls}, found["custom_calls"])
    if found["size"] > _LARGEST:
        raise Refused(f"the program comes to more than {_LARGEST} operations")
    program = export.deserialize(bytearray(content))
    _check_types(program, found["arguments"], found["results"])
    return program


def _surveyed(content: bytes) -> dict[str, Any]:
    if not sys.executable:
        raise Refused("there is no Python interpreter here that could verify it")
    command = [sys.executable, "-P", str(_SURVEYOR)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, env=environment, timeout=_WAIT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"its program could not be verified: {error}") from error
    if done.returncode:
        raise Damaged(f"its program cannot be verified: {_reason(done)}")
    return json.loads(done.stdout)


def _reason(done: subprocess.CompletedProcess) -> str:
    lines = done.stderr.decode("utf-8", "replace").split("\n")
    said = [line for line in lines if line and not line.startswith(" ")]
    if done.returncode < 0 or not said:
        return "reading it ends the process, or takes too long"
    return printable(said[-1], 300)


def _check_operations(
    operations: Sequence[str], allowed: Collection[str], called: Sequence[str]
) -> None:
    for target in called:
        if target not in allowed:
            raise Refused(
                f"the program calls {printable(target)!r}, compiled code to which it could give "
                "anything. If you made the file yourself: "
                f"kuai.load_exported(path, custom_calls=[{printable(target)!r}])"
            )
    for name in operations:
        if not name.startswith(_DIALECTS) or name in _OTHER_MACHINES:
            raise Refused(f"the program has the operation {printable(name)}")


# What goes in and comes out -----------------------------------------------------------------------


def _check_types(program: export.Exported, arguments: list[str], results: list[str]) -> None:
    """Compare what the file tells JAX with what the program itself says."""
    given = [program.in_avals[place] for place in program.module_kept_var_idx]
    leading = len(arguments) - len(given)
    if leading != (len(program.platforms) > 1):
        raise Damaged("its program has another number of arguments than it says")
    told = [*map(_type_of, given)], [*map(_type_of, program.out_avals)]
    if told != (arguments[leading:], results):
        raise Damaged("its program has arguments or results of other types than it says")


def _type_of(aval: core.ShapedArray) -> str:
    sizes = [f"{size if isinstance(size, int) else '?'}x" for size in aval.shape]
    return f"tensor<{''.join(sizes)}{_TYPE_OF[aval.dtype]}>"
