"""What element-by-element operations share: operands brought together, dtypes refused."""

import functools

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from kuai.engine.tensor.dtypes import dtype as Dtype, to_jax
from kuai.engine.tensor.promotion import cast, category, promote, result_dtype, scalar_name
from kuai.engine.tensor.warning_once import warn_of_imaginary_parts
from kuai.ops.accumulation import spread, wide_dtype
from kuai.ops.dimensions import broadcast_shapes

BOOL, INTEGER, FLOATING, COMPLEX = range(4)


def together(*values, to_float: bool = False) -> tuple[jax.Array, ...]:
    """Operands of one dtype whose shapes are known to broadcast against each other.

    Example:
        >>> [x.dtype.name for x in together(jax.numpy.ones(3, "float32"), 2)]
        ['float32', 'float32']
    """
    shape = broadcast_shapes(*(getattr(value, "shape", ()) for value in values))
    promoted = promote(*values, to_float=to_float)
    if len(values) == 1 or wide_dtype(promoted[0].dtype) == promoted[0].dtype:
        return promoted
    return tuple(map(functools.partial(_spread, shape=shape), values, promoted))


def _spread(value, array, shape):
    """A tensor is broadcast here, where its gradient is added in float32; a number has none."""
    is_number = not hasattr(value, "dtype") or getattr(value, "weak_type", False)
    return array if is_number else spread(array, shape)


def times_number(function, *values, to_float: bool = False) -> jax.Array:
    """`function` of two operands; 16-bit numbers meet a Python number in float32, as in PyTorch.

    A loss scale of 65,536 is infinite in float16, and what it scales need not be.
    """
    promoted = together(*values, to_float=to_float)
    kind = promoted[0].dtype
    if wide_dtype(kind) == kind or not any(getattr(value, "weak_type", False) for value in values):
        return function(*promoted)
    return function(*(cast(value, wide_dtype(kind)) for value in values)).astype(kind)


@jax.custom_jvp
def divided(dividend: jax.Array, divisor: jax.Array) -> jax.Array:
    """x / y, whose derivative divides by y twice, where JAX's multiplies by y⁻².

    That is infinite in float16 for y < 0.004, and in float32 for y < 1e-19.
    """
    return jnp.divide(dividend, divisor)


def _divided_jvp(primals, tangents):
    (dividend, divisor), (of_dividend, of_divisor) = primals, tangents
    quotient = divided(dividend, divisor)
    if type(of_divisor) is SymbolicZero:
        return quotient, divided(of_dividend, divisor)
    change = quotient * of_divisor
    if type(of_dividend) is SymbolicZero:
        return quotient, divided(-change, divisor)
    return quotient, divided(of_dividend - change, divisor)


divided.defjvp(_divided_jvp, symbolic_zeros=True)


def rounded_once(function, *values) -> jax.Array:
    """`function` of operands and numbers; of 16-bit numbers in float32, as PyTorch's kernels do.

    Example:
        >>> x = jax.numpy.ones(1, "float16")
        >>> rounded_once(lambda x, value: x * value, x, 0.0001).dtype.name
        'float16'
    """
    kind = result_dtype(*values)
    return function(*(cast(value, wide_dtype(kind)) for value in values)).astype(kind)


def floating(value) -> jax.Array:
    """The value as it is if floating or complex, else as the default floating dtype."""
    return promote(value, to_float=True)


def kind_of(array: jax.Array) -> int:
    """BOOL, INTEGER, FLOATING or COMPLEX."""
    return category(array.dtype)


@jax.custom_jvp
def magnitude(array: jax.Array) -> jax.Array:
    """|x|, whose derivative at 0 and nan is 0 as PyTorch's; JAX's is 1 and nan."""
    return jnp.abs(array)


@magnitude.defjvp
def _magnitude_derivative(primals, tangents):
    (array,), (tangent,) = primals, tangents
    if kind_of(array) != COMPLEX:
        slope = jnp.where(jnp.isnan(array), 0, jnp.sign(array)).astype(array.dtype)
        return jnp.abs(array), tangent * slope
    size = jnp.abs(array)
    direction = jnp.conj(array) / jnp.where(size == 0, 1, size)
    return size, (tangent * direction).real


def refuse(name: str, array: jax.Array, *kinds: int) -> None:
    """Raise PyTorch's error for a kernel that does not exist for an array's category of dtype."""
    if kind_of(array) in kinds:
        raise NotImplementedError(f"\"{name}\" not implemented for '{scalar_name(array.dtype)}'")


def to_dtype(array: jax.Array, dtype) -> jax.Array:
    """The array in a dtype given by the user; None leaves it alone."""
    if dtype is None:
        return array
    if not isinstance(dtype, Dtype) and dtype not in (float, int, bool, complex):
        raise TypeError(f"argument 'dtype' must be torch.dtype, not {type(dtype).__name__}")
    kind = to_jax(dtype)
    warn_of_imaginary_parts(array.dtype, kind)
    return cast(array, kind)


def call(operation, out, *arguments):
    """The operation's results, written into `out` if there is one."""
    return operation(*arguments) if out is None else operation(*arguments, out=out)
