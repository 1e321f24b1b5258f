"""Dictionaries that report their changes.

A module keeps its parameters, buffers, children and hooks in dictionaries which users also change
directly (``net._modules['0'] = layer``). What JAX knows of a module (`pytrees`) depends on their
contents, so every mutator is counted (see `changes`). Reading costs nothing extra: no reading
method is overridden.
"""

from __future__ import annotations

import functools
from collections import OrderedDict

from kuai.engine.tensor import changes


def _touching(name: str):
    """The mutator ``name`` of OrderedDict, followed by a touch."""
    mutator = getattr(OrderedDict, name)

    @functools.wraps(mutator)
    def mutate(self, *args, **kwargs):
        result = mutator(self, *args, **kwargs)
        changes.touch()
        return result

    return mutate


class WatchedDict(OrderedDict):
    """An ordered dictionary of hooks; it prints as an OrderedDict."""

    __setitem__ = _touching("__setitem__")
    __delitem__ = _touching("__delitem__")
    clear = _touching("clear")
    move_to_end = _touching("move_to_end")
    pop = _touching("pop")
    popitem = _touching("popitem")
    setdefault = _touching("setdefault")

    def __repr__(self) -> str:
        return repr(OrderedDict(self))


class SlotDict(WatchedDict):
    """An ordered dictionary of parameters, buffers or children; it prints as a plain dict."""

    def __repr__(self) -> str:
        return repr(dict(self))
