"""Generators of random numbers of all kinds that samplers draw from, and their states."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from kuai.engine.tensor.randomness import Generator

__all__ = ["GENERATORS", "GLOBAL", "give_state", "state_of"]

GENERATORS = (Generator, random.Random, np.random.Generator, np.random.RandomState)
#: Those that functions of `random` and `numpy.random` draw from.
GLOBAL: dict[str, Any] = {"random": random, "numpy": np.random}


def state_of(generator: Any) -> Any:
    """The state of a generator, made of plain values and tensors.

    Example:
        >>> source = random.Random(1)
        >>> before = state_of(source)
        >>> first = source.random()
        >>> give_state(source, before)
        >>> source.random() == first
        True
    """
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if isinstance(generator, random.Random) or generator is random:
        return generator.getstate()
    return generator.get_state()


def give_state(generator: Any, state: Any) -> None:
    """Give a generator a state that `state_of` returned."""
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, random.Random) or generator is random:
        generator.setstate(state)
    else:
        generator.set_state(state)
