"""Places of elements, worked out with NumPy: sorted, without repetitions, found in other ones.

How many places come out depends on the numbers, so they have to be known: inside a function that is
traced for `vmap` or a branch they are not, and PyTorch's user is told so.
"""

import math

import numpy as np

from kuai.engine.tensor import Tensor, devices, from_array
from kuai.engine.tensor.concrete import concrete

__all__ = ["as_tensor", "flat", "found_in", "known", "run_lengths", "unflat", "unique"]


def known(tensor: Tensor, what: str) -> np.ndarray:
    """The numbers in a tensor of integers."""
    return concrete(tensor, what).astype(np.int64, copy=False)


def as_tensor(array: np.ndarray, device: devices.device) -> Tensor:
    """A tensor of integers on a device."""
    return from_array(np.ascontiguousarray(array), device)


def flat(indices: np.ndarray, sizes) -> np.ndarray:
    """One number for each place (D, N), in the order of the places.

    Example:
        >>> flat(np.array([[0, 1], [2, 0]]), (2, 3))
        array([2, 3])
    """
    if math.prod(sizes) >= 2**63:
        raise RuntimeError("sparse tensors of 2**63 places or more are not computed with")
    total = np.zeros(indices.shape[1], np.int64)
    for row, size in zip(indices, sizes, strict=True):
        total = total * size + row
    return total


def unflat(numbers: np.ndarray, sizes) -> np.ndarray:
    """The places (D, N) that numbers stand for."""
    if not len(sizes):
        return np.zeros((0, len(numbers)), np.int64)
    rows = []
    for size in reversed(sizes):
        numbers, row = np.divmod(numbers, max(size, 1))
        rows.append(row)
    return np.stack(rows[::-1])


def unique(numbers: np.ndarray):
    """The different numbers in order, and which of them each number is."""
    made, which = np.unique(numbers, return_inverse=True)
    return made, which.reshape(-1)


def found_in(wanted: np.ndarray, there: np.ndarray):
    """Where each of some numbers stands among sorted ones, and whether it does."""
    if not len(there):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    at = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
    return at, there[at] == wanted


def run_lengths(rows: np.ndarray, count: int) -> np.ndarray:
    """Where each row starts among sorted ones (count + 1).

    Example:
        >>> run_lengths(np.array([0, 2, 2]), 3)
        array([0, 1, 1, 3])
    """
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))]).astype(np.int64)
