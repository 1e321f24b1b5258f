"""Elements replaced at places that may be named more than once, with PyTorch's derivative.

The element that stays is the last one. The backward pass of PyTorch only reads its gradient at the
places, so each of several elements at one place gets it; JAX's rule looks for the one that stayed,
which costs two more scatters.
"""

import jax
import jax.numpy as jnp

__all__ = ["replaced_at"]


@jax.custom_jvp
def replaced_at(target, spots, values):
    """The target with `values` at `spots`: an index array, or None for all, for each dimension.

    Example:
        >>> replaced_at(jnp.zeros(3), (jnp.array([0, 0]),), jnp.array([1.0, 2.0])).tolist()
        [2.0, 0.0, 0.0]
    """
    return _at(target, spots).set(values, mode="drop")


@replaced_at.defjvp
def _replaced_at_jvp(primals, tangents):
    """The change: none of the target's where it is replaced, and there that of the values."""
    (target, spots, values), (change, _, by_values) = primals, tangents
    is_replaced = _at(jnp.zeros(target.shape, bool), spots).set(True, mode="drop")
    stays = jnp.where(is_replaced, jnp.zeros((), change.dtype), change)
    return replaced_at(target, spots, values), _at(stays, spots).add(by_values, mode="drop")


def _at(array, spots):
    return array.at[tuple([slice(None) if spot is None else spot for spot in spots])]
