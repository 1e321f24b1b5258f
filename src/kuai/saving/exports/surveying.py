"""A process that reads an exported program before anyone else does, and says what is in it.

JAX's readers, and those of MLIR below them, trust what they read: wrong bytes may end the process
or keep it busy for ever. So they are tried here first, with little time and memory. This file is
run by its path and imports nothing of Kuai, because Kuai takes long to load. The program comes in
on the standard input; what is found goes out as JSON, and decides nothing: see `checks`.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from typing import Any

from jax import export
from jax.interpreters import mlir

try:
    import resource
except ImportError:  # Windows
    resource = None

__all__ = ["survey"]

_SECONDS = 5  # of computing, and
_SECONDS_PER_MB = 5
_MEMORY = 1 << 30  # beyond what is taken at the start, and
_MEMORY_PER_BYTE = 64
_DEEPEST = 100  # blocks within blocks, calls within calls
_LARGEST = 1 << 48  # elements of a tensor
_CALLED = ("callee", "decomposition", "called_computations")


def survey(content: bytes) -> dict[str, Any]:
    """What is in a program: its operations, the code it calls, its types, and its full size."""
    program = export.deserialize(bytearray(content))
    with mlir.make_ir_context():
        module = mlir.ir.Module.parse(program.mlir_module())
        module.operation.verify()
        functions = list(module.body.operations)
        surveyed = [_Function(function) for function in functions]
        main: list[Any] = [
            f for f, known in zip(functions, surveyed, strict=True) if known.name == "main"
        ]
        if len(main) != 1:
            raise ValueError("it has no function main")
        return {
            "operations": sorted(set().union(*(each.operations for each in surveyed))),
            "custom_calls": sorted(set().union(*(each.custom_calls for each in surveyed))),
            "size": _full_size({each.name: each for each in surveyed}),
            "arguments": [str(kind) for kind in main[0].type.inputs],
            "results": [str(kind) for kind in main[0].type.results],
            "extras": _extras(program),
        }


def _extras(program: export.Exported) -> list[str]:
    """What a program may have beside its operations."""
    found = {
        "several devices": program.nr_devices != 1,
        "effects": bool(program.ordered_effects or program.unordered_effects),
        "switched-off checks": bool(program.disabled_safety_checks),
        "a gradient": program.has_vjp(),
        "a division over devices": any((*program.in_shardings_hlo, *program.out_shardings_hlo)),
    }
    return [name for name, there in found.items() if there]


class _Function:
    """What one function consists of."""

    def __init__(self, function: Any):
        self.name = mlir.ir.StringAttr(function.operation.attributes["sym_name"]).value
        self.operations = {function.operation.name}
        self.custom_calls: set[str] = set()
        self.calls: list[str] = []
        self.size = 0
        for operation in _inner(function.operation, 0):
            self._add(operation)

    def _add(self, operation: Any) -> None:
        self.size += 1
        self.operations.add(operation.name)
        for value in operation.results:
            _check_type(value.type)
        if operation.name == "stablehlo.custom_call":
            target = mlir.ir.StringAttr(operation.attributes["call_target_name"])
            self.custom_calls.add(target.value)
        for name in _CALLED:
            if name in operation.attributes:
                self.calls += _symbols(operation.attributes[name])


def _inner(operation: Any, depth: int) -> Iterator[Any]:
    """The operations within one, at every depth."""
    if depth > _DEEPEST:
        raise ValueError("its blocks are nested too deep")
    for region in operation.regions:
        for block in region.blocks:
            for argument in block.arguments:
                _check_type(argument.type)
            for inner in block.operations:
                yield inner.operation
                yield from _inner(inner.operation, depth + 1)


def _check_type(kind: Any) -> None:
    tensor = mlir.ir.RankedTensorType(kind)  # a ValueError for any other type
    sizes = [tensor.get_dim_size(d) for d in range(tensor.rank) if not tensor.is_dynamic_dim(d)]
    if tensor.rank > 64 or math.prod(size for size in sizes if size) > _LARGEST:
        raise ValueError(f"it has a tensor of type {kind}")


def _symbols(attribute: Any) -> list[str]:
    if isinstance(attribute, mlir.ir.FlatSymbolRefAttr):
        return [attribute.value]
    return [name for part in mlir.ir.ArrayAttr(attribute) for name in _symbols(part)]


def _full_size(functions: dict[str, _Function]) -> int:
    """The number of operations of `main` with every call replaced by what it calls."""
    sizes: dict[str, int] = {}

    def size_of(name: str, depth: int) -> int:
        if depth > _DEEPEST:
            raise ValueError("its functions call themselves, or each other too deep")
        if name not in sizes:
            inner = sum(size_of(callee, depth + 1) for callee in functions[name].calls)
            sizes[name] = functions[name].size + inner
        return sizes[name]

    return size_of("main", 0)


def _limit(size: int) -> None:
    if resource is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)  # loading JAX is slow on slow machines
    seconds = math.ceil(used.ru_utime + used.ru_stime) + _SECONDS + _SECONDS_PER_MB * (size >> 20)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return  # not Linux: only there is it known what is taken already
    limit = taken + _MEMORY + _MEMORY_PER_BYTE * size
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    given = sys.stdin.buffer.read()
    _limit(len(given))
    sys.stdout.write(json.dumps(survey(given)))
