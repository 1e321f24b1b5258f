"""What compiled programs on a CPU do about memory, where the native library is there.

*Large pages.* XLA takes the memory for all intermediate results from the system at every call, in
one piece, and gives it back at the end. Handed out in pages of 4 KiB that costs a quarter of the
time of a training step of ResNet-18. A call at the beginning of a program asks for pages of 2 MiB;
where the system has none, or is told never to use them, nothing changes.

*Kept values.* XLA would rather compute a cheap value twice than write it down, whatever it is
computed from. In a residual network each block's input is the sum of all blocks before it, and is
computed anew in each block: with 50 blocks that takes as long as the convolutions. What a
convolution reads is written down for it anyway; so if anyone else needs the same value, it goes
through a call that does nothing, and XLA has to take what is written.
"""

import jax
import jax.core
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Literal, Primitive
from jax.interpreters import mlir

from kuai.engine.op import REGISTRY
from kuai.ops.native import channels_last, library
from kuai.ops.native.channels_last import is_partitioned

__all__ = ["begin", "keep", "kept"]


def begin(arrays, largest):
    """Ask for large pages at the beginning of a program; the traced inputs to go on with.

    The result of the call is never used: it only has to lie among the intermediate results. XLA
    would put it where a result will be, if it fitted there.
    """
    if not arrays or jax.default_backend() != "cpu" or not library.is_usable():
        return arrays
    first, _ = lax.optimization_barrier((arrays[0], _large_pages.bind(size=largest + 64)))
    return first, *arrays[1:]


def kept(equations):
    """What operations read that have it written down: convolutions."""
    found = [e.invars[0] for e in equations if e.params.get("name") in REGISTRY.materializing]
    return frozenset([variable for variable in found if not isinstance(variable, Literal)])


def keep(array):
    """An array (N, *sizes, C), written down as convolutions read it."""
    return _written.bind(array) if channels_last.is_possible(array) else array


# The calls ----------------------------------------------------------------------------------------

# A program that is partitioned over several devices has neither: XLA could not look into them.

_written = Primitive("kuai_keep")
_written.def_abstract_eval(lambda x: x)
_lower_written = jax.ffi.ffi_lowering("kuai_keep", operand_output_aliases={0: 0})


def _written_on_cpu(context, x):
    return [x] if is_partitioned(context) else _lower_written(context, x)


mlir.register_lowering(_written, _written_on_cpu, platform="cpu")

# To JAX a function like any other: its quick way of calling programs is only for those without side
# effects. XLA must know that there is one, or it would drop the call.
_large_pages = Primitive("kuai_large_pages")
_large_pages.def_abstract_eval(lambda *, size: jax.core.ShapedArray((size,), jnp.uint8))
_lower_large_pages = jax.ffi.ffi_lowering("kuai_large_pages", has_side_effect=True)
_nothing = mlir.lower_fun(lambda *, size: jnp.zeros(size, jnp.uint8), multiple_results=False)


def _large_pages_on_cpu(context, *, size):
    return _nothing(context, size=size) if is_partitioned(context) else _lower_large_pages(context)


mlir.register_lowering(_large_pages, _large_pages_on_cpu, platform="cpu")
