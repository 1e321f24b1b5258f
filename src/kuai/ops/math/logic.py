"""Logic element by element: on truth values, and on the bits of integers."""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, op
from kuai.engine.op.exact_out import FOUND
from kuai.ops.elementwise import BOOL, COMPLEX, FLOATING, kind_of, refuse, together


@op(inplace=True)
def logical_and(input: Array, other: Array):
    """Where both are non-zero.

    Example:
        >>> kuai.logical_and(kuai.tensor([True, True]), kuai.tensor([1.0, 0.0]))
        tensor([ True, False])
    """
    return jnp.logical_and(*together(input != 0, other != 0))


@op(inplace=True)
def logical_or(input: Array, other: Array):
    """Where at least one is non-zero.

    Example:
        >>> kuai.logical_or(kuai.tensor([True, False]), kuai.tensor([0, 0]))
        tensor([ True, False])
    """
    return jnp.logical_or(*together(input != 0, other != 0))


@op(inplace=True)
def logical_xor(input: Array, other: Array):
    """Where exactly one is non-zero.

    Example:
        >>> kuai.logical_xor(kuai.tensor([True, False]), kuai.tensor([2, 0]))
        tensor([False, False])
    """
    return jnp.logical_xor(*together(input != 0, other != 0))


@op(inplace=True)
def logical_not(input: Array):
    """Where elements are zero.

    Example:
        >>> kuai.logical_not(kuai.tensor([0.0, 2.0]))
        tensor([ True, False])
    """
    return input == 0


def _bits(name: str, input, other):
    input, other = together(input, other)
    refuse(name, input, FLOATING, COMPLEX)
    return jnp.broadcast_arrays(input, other)


@op(inplace=True)
def bitwise_and(input: Array | Number, other: Array | Number):
    """The bits set in both integers.

    Example:
        >>> kuai.bitwise_and(kuai.tensor([6, 12]), 10)
        tensor([2, 8])
    """
    return jax.lax.bitwise_and(*_bits("bitwise_and_cpu", input, other))


@op(inplace=True)
def bitwise_or(input: Array | Number, other: Array | Number):
    """The bits set in at least one of two integers.

    Example:
        >>> kuai.bitwise_or(kuai.tensor([6, 12]), 10)
        tensor([14, 14])
    """
    return jax.lax.bitwise_or(*_bits("bitwise_or_cpu", input, other))


@op(inplace=True)
def bitwise_xor(input: Array | Number, other: Array | Number):
    """The bits set in exactly one of two integers.

    Example:
        >>> kuai.bitwise_xor(kuai.tensor([6, 12]), 10)
        tensor([12,  6])
    """
    return jax.lax.bitwise_xor(*_bits("bitwise_xor_cpu", input, other))


@op(inplace=True, exact_out=FOUND)
def bitwise_not(input: Array):
    """Every bit of each integer flipped; bools are negated.

    Example:
        >>> kuai.bitwise_not(kuai.tensor([0, 5]))
        tensor([-1, -6])
    """
    refuse("bitwise_not_cpu", input, FLOATING, COMPLEX)
    return jax.lax.bitwise_not(input)


@op(inplace=True)
def bitwise_left_shift(input: Array | Number, other: Array | Number):
    """Each integer's bits moved left: `input * 2 ** other`.

    Example:
        >>> kuai.bitwise_left_shift(kuai.tensor([1, 3]), 2)
        tensor([ 4, 12])
    """
    input, other = _bits("lshift_cpu", input, other)
    refuse("lshift_cpu", input, BOOL)
    return jax.lax.shift_left(input, other)


@op(inplace=True)
def bitwise_right_shift(input: Array | Number, other: Array | Number):
    """Each integer's bits moved right; negative numbers stay negative.

    Example:
        >>> kuai.bitwise_right_shift(kuai.tensor([8, -8]), 2)
        tensor([ 2, -2])
    """
    input, other = _bits("rshift_cpu", input, other)
    refuse("rshift_cpu", input, BOOL)
    unsigned = jnp.issubdtype(input.dtype, jnp.unsignedinteger)
    shift = jax.lax.shift_right_logical if unsigned else jax.lax.shift_right_arithmetic
    return shift(input, other)


@op(function=False, method=False, grad="BitwiseNotBackward0")
def invert(input: Array):
    """`~input`, with the operator's own error for floating tensors."""
    if kind_of(input) >= FLOATING:
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors"
        )
    return jax.lax.bitwise_not(input)
