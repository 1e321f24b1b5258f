"""Vector norms over some dimensions, and the distance of two tensors."""

import functools
import math

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, composite, op
from kuai.engine.op.exact_out import SAME
from kuai.engine.tensor.dtypes import dtype as Dtype
from kuai.engine.tensor.promotion import result_type, scalar_name
from kuai.engine.tensor.views import outline
from kuai.ops.accumulation import in_wide, wide_dtype
from kuai.ops.dimensions import normalize_dims
from kuai.ops.elementwise import COMPLEX, kind_of, magnitude, to_dtype, together
from kuai.ops.math.arithmetic import check_subtraction
from kuai.ops.math.matrix_checks import numbers_of


def safe_sqrt(squares):
    """√x whose derivative at 0 is 0, as PyTorch has it for `std` and norms."""
    is_zero = squares == 0
    return jnp.where(is_zero, 0, jnp.sqrt(jnp.where(is_zero, 1, squares)))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 2, 3))
def extreme_of(find, sizes, axis, keepdim):
    """The largest or smallest of computed sizes; equal ones share the gradient.

    Computed twice, before and after the backward pass begins, sizes may differ in their last bit:
    what is nearest to the extreme counts as equal, so that at least one always does.
    """
    return find(sizes, axis, keepdims=keepdim)


@extreme_of.defjvp
def _extreme_of_jvp(find, axis, keepdim, primals, tangents):
    (sizes,), (change,) = primals, tangents
    value = find(sizes, axis, keepdims=True)
    # where there is NaN it is the extreme, and nothing else is near it
    away = jnp.where(jnp.isnan(value), jnp.inf, jnp.abs(sizes - value))
    away = jnp.where(jnp.isnan(sizes), 0, away)
    away = jnp.where(sizes == value, 0, away)  # of infinities, too
    equal = jax.lax.stop_gradient(away == jnp.min(away, axis, keepdims=True))
    share = equal / jnp.maximum(jnp.sum(equal, axis, keepdims=True), 1).astype(sizes.dtype)
    total = jnp.sum(change * share.astype(sizes.dtype), axis, keepdims=keepdim)
    return value.reshape(total.shape), total


def vector_norm_of(input, order, axis, keepdim):
    """(Σ|x|ᵖ)^(1/p); the largest or smallest |x| for p = ±inf, the count of non-zeros for 0."""
    if wide_dtype(input.dtype) != input.dtype:
        return in_wide(lambda wide: vector_norm_of(wide, order, axis, keepdim), input)
    if order == 2:
        squares = jnp.square(magnitude(input)) if kind_of(input) == COMPLEX else input * input
        return safe_sqrt(jnp.sum(squares, axis, dtype=squares.dtype, keepdims=keepdim))
    size = magnitude(input)
    if math.isinf(order):
        extreme = jnp.max if order > 0 else jnp.min
        return extreme_of(extreme, size, axis, keepdim)
    if order == 0:
        return jnp.sum(size != 0, axis, keepdims=keepdim).astype(size.dtype)
    if order == 1:
        return jnp.sum(size, axis, dtype=size.dtype, keepdims=keepdim)
    return _general_norm(size, order, axis, keepdim)


def _general_norm(size, order, axis, keepdim):
    is_zero = size == 0
    if order < 0:
        powers = jnp.where(is_zero, jnp.inf, jnp.where(is_zero, 1, size) ** order)
    else:
        powers = jnp.where(is_zero, 0, jnp.where(is_zero, 1, size) ** order)
    total = jnp.sum(powers.astype(size.dtype), axis, dtype=size.dtype, keepdims=keepdim)
    none = total == 0
    least = 0 if order > 0 else jnp.inf
    return jnp.where(none, least, jnp.where(none, 1, total) ** (1 / order)).astype(size.dtype)


@op(
    function=False,
    method=False,
    name="linalg_vector_norm",
    grad="LinalgVectorNormBackward0",
    autocast={"cuda": "float32"},
    exact_out=SAME,
)
def vector_norm_over(
    input: Array,
    order: float,
    dim: int | tuple[int, ...] | None,
    keepdim: bool,
    dtype: Dtype | None,
):
    """The vector norm over some dimensions."""
    input = to_norm_dtype("linalg.vector_norm", input, dtype)
    axis = normalize_dims(dim, input.ndim)
    if (order < 0 or math.isinf(order)) and not input.size:
        _check_identity(input, order, None if dim in (None, ()) else axis)
    return vector_norm_of(input, order, axis, keepdim)


def to_norm_dtype(name: str, input, dtype: Dtype | None):
    """The numbers in the dtype that a norm is asked for, which may lose nothing of them."""
    numbers_of(name, input)
    if dtype is None:
        return input
    given, wanted = scalar_name(input.dtype), scalar_name(dtype.jax)
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"{name}: dtype should be floating point or complex, but got {wanted}")
    if dtype.is_complex != (kind_of(input) == COMPLEX):
        kind = "real" if dtype.is_complex else "complex"
        raise RuntimeError(f"{name}: dtype should be {kind} for {kind} inputs, but got {wanted}")
    if jnp.promote_types(input.dtype, dtype.jax) != dtype.jax:
        raise RuntimeError(
            f"{name}: the dtype of the input ({given}) should be convertible without narrowing "
            f"to the specified dtype ({wanted})"
        )
    return to_dtype(input, dtype)


def _check_identity(input, order, axis):
    """PyTorch's errors for norms that have no value for nothing."""
    start, end = (
        f"linalg.vector_norm cannot compute the {order:g} norm on",
        ("the operation does not have an identity"),
    )
    if axis is None:
        raise RuntimeError(f"{start} an empty tensor because {end}")
    for dim in axis:
        if not input.shape[dim]:
            raise RuntimeError(
                f"{start} the dimension {dim}because this dimension is empty and {end}"
            )


@op(function=False, method=False, name="dist", grad="DistBackward0", autocast={"cuda": "float32"})
def distance(input: Array, other: Array, p: float):
    """The p-norm of the difference of all elements."""
    input, other = together(input, other, to_float=True)
    difference = input - other
    return vector_norm_of(difference, p, tuple(range(difference.ndim)), False)


@composite
def dist(input, other, p=2):
    """The p-norm of `input - other`.

    Example:
        >>> kuai.dist(kuai.tensor([3.0, 0.0]), kuai.tensor([0.0, 4.0]))
        tensor(5.)
    """
    kind = result_type(input, other)
    check_subtraction(outline(input), outline(other))
    if not (kind.is_floating_point or kind.is_complex):
        raise RuntimeError(
            "norm(): input dtype should be either floating point or complex. Got "
            f"{scalar_name(kind.jax)} instead."
        )
    return distance(input, other, p)
