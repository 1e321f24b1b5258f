"""What is done about the memory of programs on a CPU, where the native library is there.

*Kept memory.* XLA takes the memory for all intermediate results from the system at every call, in
one piece, and gives it back at the end; the system then has to find, clear and map each page anew,
which costs up to a fifth of a training step. So large pieces are kept for the next request, in
pages of 2 MiB where the system has them. `allocations.cc` says how, and how much at most.

*Kept values.* XLA would rather compute a cheap value twice than write it down, whatever it is
computed from. In a residual network each block's input is the sum of all blocks before it, and is
computed anew in each block: with 50 blocks that takes as long as the convolutions. What a
convolution reads is written down for it anyway; so if anyone else needs the same value, it goes
through a call that does nothing, and XLA has to take what is written.
"""

import jax
from jax.extend.core import Literal, Primitive
from jax.interpreters import mlir

from kuai.engine.op import REGISTRY
from kuai.ops.native import channels_last, library
from kuai.ops.native.channels_last import is_partitioned

__all__ = ["keep", "kept", "prepare"]


def prepare() -> None:
    """Keep memory from now on."""
    if jax.default_backend() == "cpu":
        library.is_available()  # which loads the library


def kept(equations):
    """What operations read that have it written down: convolutions."""
    found = [e.invars[0] for e in equations if e.params.get("name") in REGISTRY.materializing]
    return frozenset([variable for variable in found if not isinstance(variable, Literal)])


def keep(array):
    """An array (N, *sizes, C), written down as convolutions read it."""
    return _written.bind(array) if channels_last.is_possible(array) else array


# A program that is partitioned over several devices has no such call: XLA could not look into it.
_written = Primitive("kuai_keep")
_written.def_abstract_eval(lambda x: x)
_lower_written = jax.ffi.ffi_lowering("kuai_keep", operand_output_aliases={0: 0})


def _written_on_cpu(context, x):
    return [x] if is_partitioned(context) else _lower_written(context, x)


mlir.register_lowering(_written, _written_on_cpu, platform="cpu")
