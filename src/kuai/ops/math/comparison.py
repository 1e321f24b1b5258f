"""Comparing element by element: relations, closeness, special values, choosing by a mask."""

import jax.numpy as jnp
import numpy as np

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.op.exact_out import SAME
from kuai.engine.tensor import Tensor, dtypes, from_array
from kuai.engine.tensor.concrete import concrete
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops import outdated
from kuai.ops.accumulation import spread
from kuai.ops.dimensions import broadcast_shapes
from kuai.ops.elementwise import BOOL, COMPLEX, FLOATING, call, kind_of, refuse, together
from kuai.ops.known_values import check_operand

_OF_BOOL = "{} does not support non-boolean outputs."
_OF_WHERE = "Expected out type to be {wanted} but got {found}"

# Relations ----------------------------------------------------------------------------------------


@op(inplace=True)
def eq(input: Array | Number, other: Array | Number):
    """Where `input == other`.

    Example:
        >>> kuai.eq(kuai.tensor([1, 2]), kuai.tensor([1, 3]))
        tensor([ True, False])
    """
    return jnp.equal(*together(input, other))


@op(inplace=True, aliases=("not_equal",))
def ne(input: Array | Number, other: Array | Number):
    """Where `input != other`.

    Example:
        >>> kuai.ne(kuai.tensor([1, 2]), 2)
        tensor([ True, False])
    """
    return jnp.not_equal(*together(input, other))


@op(inplace=True, aliases=("less",))
def lt(input: Array | Number, other: Array | Number):
    """Where `input < other`.

    Example:
        >>> kuai.lt(kuai.tensor([1, 2, 3]), 2)
        tensor([ True, False, False])
    """
    return jnp.less(*_ordered("lt_cpu", input, other))


@op(inplace=True, aliases=("less_equal",))
def le(input: Array | Number, other: Array | Number):
    """Where `input <= other`.

    Example:
        >>> kuai.le(kuai.tensor([1, 2, 3]), 2)
        tensor([ True,  True, False])
    """
    return jnp.less_equal(*_ordered("le_cpu", input, other))


@op(inplace=True, aliases=("greater",))
def gt(input: Array | Number, other: Array | Number):
    """Where `input > other`.

    Example:
        >>> kuai.gt(kuai.tensor([1, 2, 3]), 2)
        tensor([False, False,  True])
    """
    return jnp.greater(*_ordered("gt_cpu", input, other))


@op(inplace=True, aliases=("greater_equal",))
def ge(input: Array | Number, other: Array | Number):
    """Where `input >= other`.

    Example:
        >>> kuai.ge(kuai.tensor([1, 2, 3]), 2)
        tensor([False,  True,  True])
    """
    return jnp.greater_equal(*_ordered("ge_cpu", input, other))


def _ordered(name: str, input, other):
    input, other = together(input, other)
    refuse(name, input, COMPLEX)
    return input, other


# Closeness ----------------------------------------------------------------------------------------


@composite
def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Where `|input - other| <= atol + rtol * |other|`.

    Example:
        >>> kuai.isclose(kuai.tensor([1.0, 2.0]), kuai.tensor([1.0, 2.1]))
        tensor([ True, False])
    """
    for name, number in (("rtol", rtol), ("atol", atol)):
        if not number >= 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {number:g}")
    return close(input, other, rtol, atol, equal_nan)


@op(function=False, method=False, name="isclose")
def close(input: Array, other: Array, rtol: Number, atol: Number, equal_nan: bool):
    """`isclose` of checked tolerances."""
    if input.dtype != other.dtype:
        raise RuntimeError(f"{scalar_name(input.dtype)} did not match {scalar_name(other.dtype)}")
    input, other = together(input, other)
    near = input == other
    if kind_of(input) >= FLOATING:
        allowed = atol + jnp.abs(rtol * other)
        near |= jnp.isfinite(other) & (jnp.abs(input - other) <= allowed)
        near |= (jnp.isnan(input) & jnp.isnan(other)) if equal_nan else False
        return near
    difference = jnp.abs(input.astype(jnp.float64) - other.astype(jnp.float64))
    return near | (difference <= atol + jnp.abs(rtol * other.astype(jnp.float64)))


@composite
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False) -> bool:
    """Whether all elements are close, as a Python bool.

    Example:
        >>> kuai.allclose(kuai.tensor([1.0]), kuai.tensor([1.0 + 1e-9]))
        True
    """
    return bool(_every(isclose(input, other, rtol, atol, equal_nan)).item())


@composite
def equal(input, other) -> bool:
    """Whether two tensors have the same shape and elements, as a Python bool.

    Example:
        >>> kuai.equal(kuai.tensor([1, 2]), kuai.tensor([1, 2]))
        True
    """
    return input.shape == other.shape and bool(_every(eq(input, other)).item())


@op(function=False, method=False)
def _every(input: Array):
    return jnp.all(input)


@composite
def is_nonzero(input) -> bool:
    """Whether the only element of a tensor is not zero, as a Python bool.

    Example:
        >>> kuai.is_nonzero(kuai.tensor([0.0]))
        False
    """
    count = int(np.prod(input.shape))
    if count != 1:
        amount = "more than one value" if count else "no values"
        raise RuntimeError(f"Boolean value of Tensor with {amount} is ambiguous")
    return bool(input.item())


# Special values -----------------------------------------------------------------------------------


@op
def isnan(input: Array):
    """Where elements are not a number.

    Example:
        >>> kuai.isnan(kuai.tensor([1.0, float("nan")]))
        tensor([False,  True])
    """
    return jnp.isnan(input)


@op
def isinf(input: Array):
    """Where elements are infinite.

    Example:
        >>> kuai.isinf(kuai.tensor([1.0, float("-inf")]))
        tensor([False,  True])
    """
    return jnp.isinf(input)


@op
def isfinite(input: Array):
    """Where elements are neither infinite nor NaN.

    Example:
        >>> kuai.isfinite(kuai.tensor([1.0, float("-inf")]))
        tensor([ True, False])
    """
    return jnp.isfinite(input)


@op(exact_out=_OF_BOOL.format("isposinf"))
def isposinf(input: Array):
    """Where elements are +inf.

    Example:
        >>> kuai.isposinf(kuai.tensor([float("inf"), float("-inf")]))
        tensor([ True, False])
    """
    return jnp.isposinf(_real("isposinf", input))


@op(exact_out=_OF_BOOL.format("isneginf"))
def isneginf(input: Array):
    """Where elements are -inf.

    Example:
        >>> kuai.isneginf(kuai.tensor([float("inf"), float("-inf")]))
        tensor([False,  True])
    """
    return jnp.isneginf(_real("isneginf", input))


@op
def isreal(input: Array):
    """Where elements have no imaginary part.

    Example:
        >>> kuai.isreal(kuai.tensor([1 + 0j, 1j]))
        tensor([ True, False])
    """
    return jnp.isreal(input)


@op(exact_out=_OF_BOOL.format("signbit"))
def signbit(input: Array):
    """Where the sign bit is set, which is so for -0.0 too.

    Example:
        >>> kuai.signbit(kuai.tensor([-0.0, 1.0]))
        tensor([ True, False])
    """
    if kind_of(input) == BOOL:
        return jnp.zeros(input.shape, bool)
    return jnp.signbit(_real("signbit", input))


def _real(name: str, input):
    if kind_of(input) == COMPLEX:
        raise RuntimeError(f"{name} does not support complex inputs.")
    return input


# Choosing -----------------------------------------------------------------------------------------


@op(function=False, method=False, name="where", grad="WhereBackward0", exact_out=_OF_WHERE)
def select_where(condition: Array, input: Array | Number, other: Array | Number):
    """`input` where the condition holds, `other` elsewhere."""
    if condition.dtype not in (jnp.bool_, jnp.uint8):
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{scalar_name(condition.dtype)}"
        )
    shape = broadcast_shapes(condition.shape, input.shape, other.shape)
    input, other = together(input, other)
    return jnp.where(condition != 0, spread(input, shape), spread(other, shape))


@composite(method=False)
def where(condition, input=None, other=None, *, out=None):
    """`input` where the condition holds, `other` elsewhere.

    With a condition alone: the places where it holds, one tensor of indices per dimension.

    Example:
        >>> x = kuai.tensor([-1.0, 2.0])
        >>> kuai.where(x > 0, x, 0.0)
        tensor([0., 2.])
    """
    if input is None and other is None:
        if out is not None:
            raise TypeError("where() got an unexpected keyword argument 'out'")
        found = np.nonzero(np.atleast_1d(concrete(condition, "where()")))
        return tuple(from_array(i, condition.device) for i in found)
    if input is None or other is None:
        raise TypeError("where() needs both input and other, or neither of them")
    check_operand(input, other)
    check_operand(other, input)
    _tell_of_bytes(condition)
    return call(select_where, out, condition, input, other)


def _tell_of_bytes(condition):
    if isinstance(condition, Tensor) and condition.dtype == dtypes.uint8:
        outdated.tell("where", stacklevel=3)


@composite(export="Tensor.where")
def where_of(self, condition, other):
    """The tensor's elements where the condition holds, `other` elsewhere.

    Example:
        >>> kuai.tensor([1.0, 2.0]).where(kuai.tensor([True, False]), 0.0)
        tensor([1., 0.])
    """
    _tell_of_bytes(condition)
    return select_where(condition, self, other)


@composite(method=False, exact_out=SAME)
def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Where elements are among `test_elements`.

    Example:
        >>> kuai.isin(kuai.tensor([1, 2, 3]), kuai.tensor([2, 3]))
        tensor([False,  True,  True])
    """
    if not isinstance(elements, Tensor):
        elements = from_array(np.asarray(elements), test_elements.device)
    if not isinstance(test_elements, Tensor):
        test_elements = from_array(np.asarray(test_elements), elements.device)
    for each in (elements, test_elements):
        if each.dtype.is_complex or each.dtype.name == "bool":
            name = scalar_name(each.dtype.jax)
            raise RuntimeError(f"Unsupported input type encountered for isin(): {name}")
    return is_among(elements, test_elements, invert)


@op(function=False, method=False, name="isin")
def is_among(elements: Array, test_elements: Array, invert: bool):
    """Where elements are among others, or are not."""
    elements, test_elements = together(elements[..., None], test_elements.reshape(-1))
    found = jnp.any(elements == test_elements, axis=-1)
    return ~found if invert else found
