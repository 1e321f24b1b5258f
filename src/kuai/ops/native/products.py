"""Matrix products of bfloat16 inside compiled programs, on a CPU by oneDNN.

XLA multiplies bfloat16 on a CPU more slowly than float32. Where the processor has instructions for
it, oneDNN takes 0.2 to 0.5 of XLA's time (two AVX-512 cores, jax 0.10, from 2¹⁹ multiplications
on; below, handing the work over costs more than it saves). Sums are float32 in both.
"""

import math

import jax
import jax.core
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import mlir

from kuai.ops.native import library
from kuai.ops.native.channels_last import is_partitioned

__all__ = ["computes", "product"]

_FEWEST = 2**19  # multiplications


def computes(equation) -> bool:
    """Whether an equation is a product that oneDNN computes faster."""
    if equation.primitive is not lax.dot_general_p:
        return False
    avals = [variable.aval for variable in (*equation.invars, *equation.outvars)]
    if {aval.dtype for aval in avals[:2]} != {jnp.dtype(jnp.bfloat16)} or (
        avals[2].dtype not in (jnp.bfloat16, jnp.float32)
    ):
        return False
    (contracted, _), _ = equation.params["dimension_numbers"]
    inner = math.prod([avals[0].shape[axis] for axis in contracted])
    enough = avals[2].size * inner >= _FEWEST
    on_cpu = enough and jax.default_backend() == "cpu"
    return on_cpu and library.is_usable() and library.multiplies_bfloat16()


def product(equation, left, right):
    """The result of an equation that is one of them."""
    (inner_left, inner_right), (batch_left, batch_right) = equation.params["dimension_numbers"]
    aval = equation.outvars[0].aval
    count = math.prod(aval.shape[: len(batch_left)])
    left, left_exchanged = _matrices(left, batch_left, inner_left, count, inner_first=False)
    right, right_exchanged = _matrices(right, batch_right, inner_right, count, inner_first=True)
    made = _product.bind(
        left,
        right,
        dtype=aval.dtype,
        left_exchanged=left_exchanged,
        right_exchanged=right_exchanged,
    )
    return made.reshape(aval.shape)


def _matrices(array, batch, inner, count, inner_first):
    """An array as (count, rows, columns), and whether these two are exchanged.

    Exchanged are they where the array lies so in memory; any other order has to be written anew.
    """
    outer = [axis for axis in range(array.ndim) if axis not in batch and axis not in inner]
    pairs = [(inner, outer), (outer, inner)]
    plain, exchanged = pairs if inner_first else pairs[::-1]
    is_exchanged = [*batch, *exchanged[0], *exchanged[1]] == list(range(array.ndim))
    first, second = exchanged if is_exchanged else plain
    ordered = lax.transpose(array, (*batch, *first, *second))
    rows = math.prod([array.shape[axis] for axis in first])
    return ordered.reshape(count, rows, -1), is_exchanged


_product = Primitive("kuai_product")


def _on_xla(left, right, *, dtype, left_exchanged, right_exchanged):
    axes = (1 if left_exchanged else 2,), (2 if right_exchanged else 1,)
    numbers = (axes, ((0,), (0,)))
    return lax.dot_general(left, right, numbers, preferred_element_type=dtype)


@_product.def_abstract_eval
def _shaped(left, right, *, dtype, left_exchanged, right_exchanged):
    rows, columns = left.shape[2 if left_exchanged else 1], right.shape[1 if right_exchanged else 2]
    return jax.core.ShapedArray((left.shape[0], rows, columns), dtype)


_anywhere = mlir.lower_fun(_on_xla, multiple_results=False)
_kernel = jax.ffi.ffi_lowering("kuai_product")


def _on_cpu(context, left, right, *, dtype, **exchanged):
    if is_partitioned(context):
        return _anywhere(context, left, right, dtype=dtype, **exchanged)
    return _kernel(context, left, right, **exchanged)


mlir.register_lowering(_product, _anywhere)
mlir.register_lowering(_product, _on_cpu, platform="cpu")
