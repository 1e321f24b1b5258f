"""Digits: 1,797 scans of handwritten digits, as they come with scikit-learn.

Each is 8×8 pixels of 0 to 16. They were collected at Boğaziçi University, Istanbul, and are part of
the UCI repository. The file is read from the installed package; nothing is downloaded.

Reference: Alpaydin & Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository, 1998.
"""

from __future__ import annotations

import gzip
import importlib.util
import os
import pathlib
import zlib
from typing import NamedTuple

import numpy as np

from kuai.data.dataset import TensorDataset
from kuai.engine.tensor import from_array
from kuai.errors import KuaiError

__all__ = ["DataError", "Digits", "load_digits"]

_SIDE, _LARGEST = 8, 16
_TEST_SAMPLES = 360


class DataError(KuaiError, ValueError):
    """A data set is missing, or its file is broken."""


class Digits(NamedTuple):
    """Pictures (N, 1, 28, 28), float32, and labels (N,), int64, for training and for testing."""

    train: TensorDataset
    test: TensorDataset


def load_digits(
    path: str | os.PathLike | None = None, size: int = 28, seed: int = 0, device=None
) -> Digits:
    """The digits, scaled up to `size` pixels and divided into 1,437 for training and 360 for tests.

    Paper is -0.1 and ink 1.175, as in LeCun et al. (1998), which brings the mean near 0.

    Args:
        path: a file like scikit-learn's `digits.csv.gz`; default: that of the installed package.
        size: width and height of the pictures.
        seed: decides which samples are for tests.
        device: where the tensors lie.

    Raises:
        DataError: scikit-learn is not installed, or the file is broken.
    """
    pixels, labels = _read(_installed_file() if path is None else pathlib.Path(path))
    pictures = enlarge(pixels / _LARGEST * 1.275 - 0.1, size).astype(np.float32)[:, None]
    order = np.random.default_rng(seed).permutation(len(labels))
    count = min(_TEST_SAMPLES, -(-len(labels) // 5))
    parts = order[count:], order[:count]
    return Digits(
        *(
            TensorDataset(from_array(pictures[part], device), from_array(labels[part], device))
            for part in parts
        )
    )


def enlarge(pictures: np.ndarray, size: int) -> np.ndarray:
    """Square pictures (N, H, H) as (N, size, size), by bilinear interpolation.

    Example:
        >>> enlarge(np.array([[[0.0, 1.0], [0.0, 1.0]]]), 4)[0, 0]
        array([0.  , 0.25, 0.75, 1.  ])
    """
    side = pictures.shape[-1]
    # the centres of the new pixels, in old pixels; beyond the outermost centres nothing changes
    centres = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    left = np.minimum(centres.astype(int), side - 2)
    weights = np.zeros((size, side))
    rows = np.arange(size)
    weights[rows, left + 1] = centres - left
    weights[rows, left] = 1 - (centres - left)
    return weights @ pictures @ weights.T


def _installed_file() -> pathlib.Path:
    # scikit-learn itself is not imported: that takes longer than reading the file
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise DataError(
            "the digits come with scikit-learn, which is not installed; "
            "install it with: pip install 'kuai-nn[train]'"
        )
    return pathlib.Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"


def _read(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 8, 8) and labels (N,) of a file."""
    try:
        text = gzip.decompress(path.read_bytes()).decode("ascii")
        table = np.array([line.split(",") for line in text.splitlines()], np.float64)
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"the digits in {path} cannot be read: {error}") from error
    _check(path, table)
    return table[:, :-1].reshape(-1, _SIDE, _SIDE), table[:, -1].astype(np.int64)


def _check(path: pathlib.Path, table: np.ndarray) -> None:
    if table.ndim != 2 or table.shape[1] != _SIDE**2 + 1 or len(table) < 10:
        raise DataError(
            f"the digits in {path} should be lines of {_SIDE**2} pixels and a label; "
            f"found a table of shape {table.shape}"
        )
    pixels, labels = table[:, :-1], table[:, -1]
    if pixels.min() < 0 or pixels.max() > _LARGEST or not np.isin(labels, range(10)).all():
        raise DataError(
            f"the digits in {path} should be pixels of 0 to {_LARGEST} and labels of 0 to 9"
        )
