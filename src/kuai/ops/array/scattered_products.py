"""Products of scattered numbers, and how they change with each of them.

What a number is multiplied by is the product divided by it; where it is the only zero of its
product, it is the product of the others. With two zeros nothing changes.
"""

import functools

import jax
import jax.numpy as jnp

__all__ = ["multiplied_at"]


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def multiplied_at(target, source, spots, include_self):
    """The target with its elements at `spots` multiplied by the source, or replaced by products."""
    if not include_self:
        target = target.at[spots].set(jnp.ones((), target.dtype), mode="drop")
    return target.at[spots].multiply(source, mode="drop")


@multiplied_at.defjvp
def _multiplied_at_jvp(include_self, primals, tangents):
    target, source, spots = primals
    change_target, change_source, _ = tangents
    if not include_self:
        is_replaced = jnp.zeros(target.shape, bool).at[spots].set(True, mode="drop")
        target = jnp.where(is_replaced, jnp.ones((), target.dtype), target)
        change_target = jnp.where(is_replaced, jnp.zeros((), target.dtype), change_target)
    zeros = _count_zeros(target, source, spots)
    product = _without_zeros(target, source, spots)
    by_target = _others(target, zeros, product)
    by_source = _others(source, zeros[spots], product[spots])
    change = change_target * by_target
    change = change.at[spots].add(change_source * by_source, mode="drop")
    return jnp.where(zeros == 0, product, 0), change


def _count_zeros(target, source, spots):
    counted = (target == 0).astype(jnp.int32)
    return counted.at[spots].add((source == 0).astype(jnp.int32), mode="drop")


def _without_zeros(target, source, spots):
    one = jnp.ones((), target.dtype)
    factors = jnp.where(source == 0, one, source)
    return jnp.where(target == 0, one, target).at[spots].multiply(factors, mode="drop")


def _others(factor, zeros, product):
    """The product of all other factors of the product that each factor belongs to."""
    is_zero = factor == 0
    rest = jnp.where(is_zero, product, product / jnp.where(is_zero, 1, factor))
    return jnp.where(zeros - is_zero == 0, rest, 0)
