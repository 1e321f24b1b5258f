"""What gradient clipping needs: the norm of many tensors, and all of them scaled or clamped.

Each is one operation on the whole list, so that clipping a model's gradients takes one compiled
call however many parameters there are.
"""

import math

import jax.numpy as jnp

from kuai.engine.op import Array, Number, Sequence, op
from kuai.engine.tensor.promotion import promote, scalar_name
from kuai.ops.elementwise import FLOATING, kind_of
from kuai.ops.math.norms import vector_norm_of


def _norm(array, order):
    if kind_of(array) < FLOATING:
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. "
            f"Got {scalar_name(array.dtype)}"
        )
    if math.isinf(order) and array.size == 0:
        asked = "_foreach_norm cannot compute the infinity"
        if order < 0:
            asked = "linalg.vector_norm cannot compute the -inf"
        raise RuntimeError(
            f"{asked} norm on an empty tensor because the operation does not have an identity"
        )
    return vector_norm_of(array, order, tuple(range(array.ndim)), False)


_SMALL = 2**14  # elements; XLA makes three loops of each norm, and a deep network has hundreds


def _with_small_ones_joined(tensors, order):
    """The tensors, small ones as one vector for each dtype, but where it would show.

    Norms of 16 bits are rounded one by one; of order 0 the norms themselves are counted.
    """
    if order == 0:
        return tensors
    joined, others = {}, []
    for array in tensors:
        is_wide = kind_of(array) == FLOATING and array.dtype.itemsize >= 4
        if is_wide and 0 < array.size <= _SMALL:
            joined.setdefault(array.dtype, []).append(array.reshape(-1))
        else:
            others.append(array)
    return [*map(jnp.concatenate, joined.values()), *others]


@op(function=False, method=False, grad="LinalgVectorNormBackward0")
def norm_of_all(tensors: Sequence[Array], order: float):
    """The norm of several tensors, as if they were one vector."""
    norms = promote(*(_norm(array, order) for array in _with_small_ones_joined(tensors, order)))
    norms = norms if isinstance(norms, tuple) else (norms,)
    return vector_norm_of(jnp.stack(norms), order, (0,), False)


@op(function=False, method=False, grad="MulBackward0")
def scale_all(tensors: Sequence[Array], factor: Array):
    """Every tensor times one number; each keeps its dtype."""
    return tuple(array * factor.astype(array.dtype) for array in tensors)


@op(function=False, method=False, grad="ClampBackward1")
def clamp_all(tensors: Sequence[Array], limit: Number):
    """Every tensor with its elements moved into [-limit, limit]."""
    return tuple(_clamped(array, limit) for array in tensors)


def _clamped(array, limit):
    limit = jnp.asarray(limit).astype(array.dtype)
    return jnp.clip(array, -limit, limit)
