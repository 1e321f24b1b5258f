"""Products of scattered numbers, and how they change with each of them.

What a number is multiplied by is the product divided by it; where it is the only zero of its
product, it is the product of the others. With two zeros nothing changes. All of it is made of such
products again, so derivatives of every order exist; those of second order are not right for the
two only zeros of one product (PyTorch refuses them).
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
    product = multiplied_at(target, source, spots, True)
    change = change_target * multiplied_at(jnp.ones_like(target), source, spots, True)
    by_source = _others(target, source, spots, product)
    return product, change.at[spots].add(change_source * by_source, mode="drop")


def _others(target, source, spots, product):
    """What each element of the source is multiplied by: the product of all others at its spot."""
    is_zero = source == 0
    factors = jnp.where(is_zero, jnp.ones((), source.dtype), source)
    zeros = jnp.zeros(target.shape, jnp.int32).at[spots].add(is_zero, mode="drop")
    without_it = jnp.where(zeros == 1, multiplied_at(target, factors, spots, True), 0)
    return jnp.where(is_zero, without_it[spots], product[spots] / factors)
