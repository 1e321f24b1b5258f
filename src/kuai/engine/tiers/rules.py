"""The table of primitives that can be interpreted, and what a rule is.

A rule is called once for each equation of a plan and returns a function of NumPy arrays:

    @rule("exp")
    def _exp(equation): return np.exp

`equation` knows the parameters and the types of what comes in and what goes out, all with concrete
sizes. The function returns one array, or a tuple if the primitive has several results. Results have
exactly the dtypes and shapes of the equation's outputs; they may share memory with the inputs,
which nobody writes into. A rule raises `NotInterpretable` for what it does not do exactly as XLA
does.
"""

from typing import Any, NamedTuple

import numpy as np

from kuai.engine.tiers.sizes import concrete

__all__ = ["RULES", "Equation", "NotInterpretable", "Type", "in_float32", "rule"]

RULES: dict = {}


class NotInterpretable(Exception):
    """Something that only compiled code does right."""


class Type(NamedTuple):
    """Shape and dtype of a value."""

    shape: tuple
    dtype: np.dtype

    def with_numbers(self, sizes):
        """The type with numbers for symbols."""
        return Type(concrete(self.shape, sizes), self.dtype) if sizes else self

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


class Equation(NamedTuple):
    """One primitive with concrete parameters.

    Attributes:
        params: the parameters; symbolic sizes in them are replaced by numbers.
        inputs, outputs: the types of what comes in and goes out.
        lower: makes a function of NumPy arrays of a closed jaxpr among the parameters.
    """

    name: str
    params: dict
    inputs: list
    outputs: list
    lower: Any


def rule(*names):
    """Put a rule into the table."""

    def put(make):
        for name in names:
            RULES[name] = make
        return make

    return put


def is_half(dtype) -> bool:
    """Whether it is a floating-point type of 16 bits."""
    return dtype == np.float16 or dtype.name == "bfloat16"


def in_float32(function, equation):
    """The function; 16-bit numbers are computed in float32, as XLA does on CPUs."""
    if not any(is_half(each.dtype) for each in equation.inputs):
        return function
    kind = equation.outputs[0].dtype

    def widened(*arrays):
        wide = [a.astype(np.float32) if is_half(a.dtype) else a for a in arrays]
        made = function(*wide)
        return made.astype(kind) if made.dtype != kind else made

    return widened
