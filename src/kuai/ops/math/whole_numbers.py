"""Functions of integers, and of the way floating point numbers are stored."""

import jax.numpy as jnp

from kuai.engine.op import Array, op
from kuai.ops.accumulation import in_wide
from kuai.ops.elementwise import BOOL, COMPLEX, FLOATING, INTEGER, refuse, together
from kuai.ops.math import slopes


@op(inplace=True)
def gcd(input: Array, other: Array):
    """The greatest common divisor of two integers.

    Example:
        >>> kuai.gcd(kuai.tensor([12, 5]), kuai.tensor([18, 10]))
        tensor([6, 5])
    """
    input, other = together(input, other)
    refuse("gcd_cpu", input, BOOL, FLOATING, COMPLEX)
    return jnp.gcd(input, other)


@op(inplace=True)
def lcm(input: Array, other: Array):
    """The least common multiple of two integers.

    Example:
        >>> kuai.lcm(kuai.tensor([4, 5]), kuai.tensor([6, 10]))
        tensor([12, 10])
    """
    input, other = together(input, other)
    refuse("lcm_cpu", input, BOOL, FLOATING, COMPLEX)
    return jnp.lcm(input, other)


@op(inplace=True)
def nextafter(input: Array, other: Array):
    """The next floating point number after `input` in the direction of `other`.

    Example:
        >>> kuai.nextafter(kuai.tensor([1.0]), kuai.tensor([2.0])) > 1
        tensor([True])
    """
    input, other = together(input, other)
    refuse("nextafter_cpu", input, BOOL, INTEGER, COMPLEX)
    return slopes.neighbour(input, other)


@op(inplace=True, grad="MulBackward0")
def ldexp(input: Array, other: Array):
    """`input * 2 ** other`.

    Example:
        >>> kuai.ldexp(kuai.tensor([1.0, 3.0]), kuai.tensor([2, 3]))
        tensor([ 4., 24.])
    """
    input, other = together(input, other, to_float=True)
    return input * in_wide(jnp.exp2, other)
