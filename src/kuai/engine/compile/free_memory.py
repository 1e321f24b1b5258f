"""Memory of arrays that nobody may hold any more, for results to be written into."""

import collections

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine.compile.holders import is_unshared
from kuai.engine.tensor.placeholder import Placeholder

__all__ = ["FreeMemory", "copied"]


class FreeMemory:
    """Placeholders whose arrays may be written into, if nobody else turns out to hold them."""

    def __init__(self):
        self._found = collections.defaultdict(collections.deque)  # by shape and dtype

    def add(self, placeholder) -> None:
        """Take one more."""
        kind = placeholder.type
        self._found[kind.shape, kind.dtype].append(placeholder)

    def take(self, kind, sharding):
        """A placeholder whose array has the shape and dtype of a type: a free one, or a new one."""
        spares = self._found.get((kind.shape, kind.dtype))
        while spares:
            spare = spares.popleft()
            if is_unshared(spare, 1):  # the variable here
                return spare
        made = Placeholder(None, 0, kind)
        # NumPy's memory is not ours to write into, that of its copy is
        made.array = copied(jax.device_put(np.zeros(kind.shape, kind.dtype), sharding))
        return made


def copied(array):
    """A copy that takes no program, of which there would be one for each shape."""
    if not isinstance(array, jax.Array):
        return jnp.array(array)
    return jax.device_put(array, may_alias=False)
