"""Perceptrons of many sizes, one of which changes: depth, width, batch, number of parameters."""

from __future__ import annotations

import math

from benchmarks.case import Case
from benchmarks.cases.mlp import perceptron

#: What is measured, and what is enough to try it.
AXES = {
    "depth": (10, 30, 100, 300, 1000),
    "width": (16, 64, 256, 1024, 4096),
    "batch": (1, 8, 64, 512, 4096),
    "parameters": (10**3, 10**4, 10**5, 10**6, 10**7, 10**8),
}
SMALL = {"depth": (2, 4), "width": (4, 8), "batch": (1, 4), "parameters": (10**2, 10**3)}


def is_size(name: str) -> bool:
    """Whether a name is one of these: "depth=100"."""
    return "=" in name


def case_of_size(name: str) -> Case:
    """The perceptron of a name: "depth=100" has so many layers of 64, "width=256" two of 256
    features, "batch=8" reads 8 rows at once, "parameters=1000" has about so many."""
    axis, _, text = name.partition("=")
    size = int(text)
    if axis == "depth":
        return perceptron(name, [64] * size + [10], batch=32, lr=0.01)
    if axis == "width":
        return perceptron(name, [size, size, size, 10], batch=32, lr=0.01)
    if axis == "batch":
        return perceptron(name, [64, 256, 256, 10], batch=size, lr=0.01)
    width = round(math.sqrt(size + 30) - 5)  # n (n + 1) + 10 n + 10 parameters
    return perceptron(name, [width, width, 10], batch=8, lr=0.01)
