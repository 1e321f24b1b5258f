"""Fingerprints: telling that two functions, traced anew each time, do the same.

A branch, a loop or a `vmap` inside a recorded step is traced at every call, into a new function
each time. To the recorder these are the same operation if their jaxprs are equal: the same
primitives with equal parameters on the same variables. What cannot be compared is equal only to
itself.
"""

import collections

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from kuai.engine.compile.record import example
from kuai.engine.compile.tree import as_recorded

__all__ = ["Known", "fingerprint"]

_MOST = 256


class Known:
    """Entries of operations that are made anew at every call, by what they do."""

    def __init__(self):
        self.entries = collections.OrderedDict()

    def get(self, entry, arrays):
        """An entry that does the same and has been used before, or this one."""
        examples = [example(array) for array in arrays]
        with as_recorded():
            closed = jax.make_jaxpr(entry.plain)(*examples)
        key = (fingerprint(closed), entry.name, entry.differentiable)
        found = self.entries.setdefault(key, entry)
        self.entries.move_to_end(key)
        if len(self.entries) > _MOST:
            self.entries.popitem(last=False)
        return found


class _Same:
    """A thing that is equal to nothing but itself, and lives as long as this."""

    __slots__ = ("thing",)

    def __init__(self, thing):
        self.thing = thing

    def __eq__(self, other):
        return isinstance(other, _Same) and self.thing is other.thing

    def __hash__(self):
        return id(self.thing)


def fingerprint(closed) -> tuple:
    """Something hashable that is equal for jaxprs that compute the same in the same way."""
    return _jaxpr(closed.jaxpr), tuple(map(_Same, closed.consts))


def _jaxpr(jaxpr):
    numbers = {}

    def atom(each):
        if isinstance(each, Literal):
            return ("literal", _part(each.val), str(each.aval))
        return numbers.setdefault(each, len(numbers))

    heads = tuple((atom(v), str(v.aval)) for v in (*jaxpr.constvars, *jaxpr.invars))
    equations = tuple(
        (
            equation.primitive,
            tuple(map(atom, equation.invars)),
            tuple((atom(v), str(v.aval)) for v in equation.outvars),
            tuple((name, _part(value)) for name, value in _parameters(equation)),
        )
        for equation in jaxpr.eqns
    )
    return heads, equations, tuple(map(atom, jaxpr.outvars))


def _parameters(equation):
    """The parameters of an equation that say what it does, sorted by name.

    Gradients that a user's function makes of a lifted one are a function made anew each time: it is
    known by what it was made of, and the others that JAX has made for it say nothing more.
    """
    given = equation.params
    lifted = getattr(getattr(given.get("bwd"), "f", None), "made_of", None)
    if lifted is not None:
        given = {"call_jaxpr": given["call_jaxpr"], "bwd": lifted.fingerprint}
    return sorted(given.items())


def _part(value):
    """A parameter of an equation in comparable form."""
    if isinstance(value, ClosedJaxpr):
        return fingerprint(value)
    if isinstance(value, Jaxpr):
        return _jaxpr(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return (str(value.dtype), value.shape, value.tobytes())
    if isinstance(value, (tuple, list)):
        return (type(value), tuple(map(_part, value)))
    if isinstance(value, dict):
        return tuple((key, _part(part)) for key, part in value.items())
    if isinstance(value, (bool, int, float, complex)):
        return (type(value), repr(value))
    if isinstance(value, jax.Array):
        return _Same(value)
    try:
        hash(value)
    except TypeError:
        return _Same(value)
    return value
