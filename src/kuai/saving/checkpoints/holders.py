"""How things give their state and take it back: by protocol, not by a list of known classes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kuai.engine.tensor import Tensor, randomness
from kuai.engine.tensor.devices import device
from kuai.engine.tensor.modes import no_grad
from kuai.engine.tensor.randomness import Generator, generator_of
from kuai.errors import CheckpointError
from kuai.nn.base.module import Module

__all__ = ["RandomState", "check_holder", "kind_of", "read_state", "write_state"]


class RandomState:
    """The random generators of a program: every device's and, if wanted, Python's and NumPy's."""

    def __init__(self, python: bool) -> None:
        self.python = python

    def state_dict(self) -> dict[str, Any]:
        """The states of the generators."""
        generators = dict(randomness._generators)
        state: dict[str, Any] = {"devices": {str(d): g.get_state() for d, g in generators.items()}}
        if self.python:
            version, words, gauss = random.getstate()
            state["python"] = (version, np.array(words, np.uint32), gauss)
            state["numpy"] = np.random.get_state(legacy=False)
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Have the generators go on from such states."""
        for name, words in state["devices"].items():
            generator_of(device(name)).set_state(words)
        if self.python and "python" in state:
            version, words, gauss = state["python"]
            random.setstate((version, tuple(words.tolist()), gauss))
            np.random.set_state(state["numpy"])


class _Holder(NamedTuple):
    fits: Callable[[Any], bool]
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], Any]


def _has_state_dict(thing: Any) -> bool:
    methods = (getattr(thing, name, None) for name in ("state_dict", "load_state_dict"))
    return not isinstance(thing, type) and all(map(callable, methods))


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda thing: isinstance(thing, kinds)


def _fill_dict(target: dict, state: dict) -> None:
    target.clear()
    target.update(state)


@no_grad()
def _fill_tensor(target: Tensor, state: Tensor) -> None:
    if target.shape != state.shape:
        raise ValueError(f"its shape is {tuple(target.shape)}, the saved {tuple(state.shape)}")
    target.copy_(state)


_HOLDERS = (
    _Holder(_has_state_dict, lambda t: t.state_dict(), lambda t, state: t.load_state_dict(state)),
    _Holder(_is(Generator), lambda t: t.get_state(), lambda t, state: t.set_state(state)),
    _Holder(_is(Tensor), lambda t: t, _fill_tensor),
    _Holder(_is(list), list, lambda t, state: t.__setitem__(slice(None), state)),
    _Holder(_is(dict), dict, _fill_dict),
    _Holder(
        _is(np.random.Generator),
        lambda t: t.bit_generator.state,
        lambda t, state: setattr(t.bit_generator, "state", state),
    ),
    _Holder(_is(random.Random), lambda t: t.getstate(), lambda t, state: t.setstate(state)),
)


def _holder(thing: Any) -> _Holder:
    return next(holder for holder in _HOLDERS if holder.fits(thing))


def check_holder(name: str, thing: Any) -> None:
    """Refuse what could not take a state back."""
    if not any(holder.fits(thing) for holder in _HOLDERS):
        raise CheckpointError(
            f"{name} is a {type(thing).__name__}, which cannot take a state back. Give objects "
            "with state_dict() and load_state_dict(), generators, tensors, lists or dicts; numbers "
            "and strings belong into a dict, or into save(step, notes=...)."
        )


def read_state(thing: Any) -> Any:
    """The state of an object."""
    return _holder(thing).read(thing)


def write_state(thing: Any, state: Any, strict: bool) -> None:
    """Give an object a state back."""
    if isinstance(thing, Module) and not strict:
        thing.load_state_dict(state, strict=False)
    else:
        _holder(thing).write(thing, state)


def kind_of(thing: Any) -> str | None:
    """The class that a state belongs to; None for modules, which check every name themselves."""
    return None if isinstance(thing, Module) else type(thing).__name__
