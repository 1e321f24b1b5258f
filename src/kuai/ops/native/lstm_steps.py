"""All steps of one direction of an LSTM layer, on a CPU in one call: three primitives.

They mean what the functions of the same names in `kuai.ops.native.lstm_scan` mean, and those are
what they are derived from: whoever differentiates them, or maps them over a batch of layers, gets
XLA's loop. That is only the case for second derivatives and forward mode, as `kuai.ops.nn.lstm` has
a backward pass.

Invariants: only the lowering for CPUs knows the kernels; not so a program that is partitioned over
several devices, where XLA could not look into them.
"""

import functools

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from kuai.ops.native import library, lstm_scan

__all__ = ["backward", "forward", "inference", "is_possible", "is_worthwhile"]


# Fewer steps, rows or columns than these are sooner done by XLA: a call of a kernel wakes other
# threads, and a product with one row is no work for oneDNN.
_FEWEST = (8, 2, 64)


def is_possible(*arrays) -> bool:
    """Whether the kernels can compute a layer with these: what it reads, states and weights."""
    return (
        library.is_usable()
        and jax.default_backend() == "cpu"
        and all(array.dtype == jnp.float32 and array.size > 0 for array in arrays)
    )


def is_worthwhile(outputs_shape) -> bool:
    """Whether the kernels are faster than XLA's loop for outputs (T, B, H)."""
    return all(size >= fewest for size, fewest in zip(outputs_shape, _FEWEST, strict=True))


def _primitive(name, on_xla, **options):
    """A primitive for `on_xla`, which is its meaning, computed by the kernel of this name."""
    primitive = Primitive(f"kuai_lstm_{name}")
    primitive.multiple_results = True

    def meaning(reverse):
        return functools.partial(on_xla, reverse=reverse)

    def shapes(*avals, reverse):
        made = jax.eval_shape(meaning(reverse), *avals)
        return [ShapedArray(result.shape, result.dtype) for result in made]

    def derivative(arrays, tangents, *, reverse):
        return jax.jvp(meaning(reverse), arrays, tuple(map(ad.instantiate_zeros, tangents)))

    def batched(arrays, dims, *, reverse):
        made = jax.vmap(meaning(reverse), dims)(*arrays)
        return made, [0] * len(made)

    primitive.def_abstract_eval(shapes)
    primitive.def_impl(lambda *arrays, reverse: _compiled(primitive, reverse)(*arrays))
    ad.primitive_jvps[primitive] = derivative
    batching.primitive_batchers[primitive] = batched
    anywhere = mlir.lower_fun(on_xla, multiple_results=True)
    mlir.register_lowering(primitive, anywhere)
    on_cpu = _lowering(jax.ffi.ffi_lowering(primitive.name, **options), anywhere)
    mlir.register_lowering(primitive, on_cpu, platform="cpu")
    return primitive.bind


@functools.cache
def _compiled(primitive, reverse):
    return jax.jit(functools.partial(primitive.bind, reverse=reverse))


def _lowering(kernel, anywhere):
    def lower(context, *operands, reverse):
        axes = context.module_context.axis_context
        if isinstance(axes, mlir.ShardingContext) and (axes.num_devices or 1) > 1:
            return anywhere(context, *operands, reverse=reverse)
        return kernel(context, *operands, reverse=reverse)

    return lower


inference = _primitive("inference", lstm_scan.inference)
forward = _primitive("forward", lstm_scan.forward)

# The gradients of the gates are written over the gates.
backward = _primitive("backward", lstm_scan.backward, operand_output_aliases={0: 0, 6: 2})
