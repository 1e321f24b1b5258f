"""The `.grad` that a program makes anew at every call, in the memory of the last call's."""

from sys import getrefcount

import jax.numpy as jnp
from jax.extend.core import Literal

from kuai.engine.tensor import wrap
from kuai.engine.tensor.views import value

__all__ = ["Gradient", "grads_by_memory", "put"]

_LARGE = 2**18  # bytes; memory for less is found quickly


def put(storage, array) -> None:
    """Put the result of a program into a storage."""
    storage.array = array
    storage.version += 1
    storage.exclusive = True


def grads_by_memory(grads, taken):
    """Those of (owner, variable) that may take the memory of the last call's gradient, and the
    others.

    Not a small one, nor one on several devices; nor a variable that is an input, or is written
    elsewhere, too.
    """
    reusing, others = [], []
    taken = {variable for variable in taken if not isinstance(variable, Literal)}
    for owner, variable in grads:
        fits = not isinstance(variable, Literal) and variable not in taken and _is_large(variable)
        where = getattr(value(owner), "sharding", None)
        fits = fits and where is not None and len(where.device_set) == 1
        (reusing if fits else others).append((owner, variable))
        if fits:
            taken.add(variable)
    return reusing, others


def _is_large(variable) -> bool:
    return variable.aval.size * variable.aval.dtype.itemsize >= _LARGE


class Gradient:
    """The gradient of one tensor."""

    __slots__ = ("aval", "owner", "storage", "tensor", "unshared")

    def __init__(self, owner, aval=None):
        self.owner, self.aval = owner, aval
        self.tensor = self.storage = None  # of the last call
        self.unshared = False

    def look(self) -> bool:
        """Whether nobody but the owner has kept the last call's tensor, or its storage."""
        tensor, storage = self.tensor, self.storage
        # besides the owner: this object, the variable here and the argument of getrefcount
        held = 4 if self.owner._grad is tensor else 3
        self.unshared = (
            tensor is not None and getrefcount(tensor) == held and getrefcount(storage) == 4
        )
        return self.unshared

    def memory(self, device):
        """The last call's array, or a new one, for the next one to be put into."""
        if self.look() and self.storage.exclusive:
            return self.storage.array
        return jnp.zeros(self.aval.shape, self.aval.dtype, device=device)

    def put(self, array) -> None:
        """Make this array the gradient."""
        if self.unshared:
            put(self.storage, array)
            self.owner._grad = self.tensor
        else:
            self.tensor = self.owner._grad = wrap(array)
            self.storage = self.tensor._storage
            self.storage.exclusive = True
