"""Tensors by name in a safetensors file.

The format is a JSON header (names, dtypes, shapes, and a dict of strings for the user) followed by
the bytes of the tensors; it holds no code. See https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

import numpy as np
import safetensors
import safetensors.numpy

from kuai.engine.tensor import Tensor, from_array
from kuai.engine.views import value
from kuai.errors import KuaiError
from kuai.saving.atomic import write_atomically

__all__ = ["BrokenFileError", "load_file", "load_metadata", "save_file"]


class BrokenFileError(KuaiError, ValueError):
    """A file is not what its name says."""


def save_file(
    tensors: Mapping[str, Tensor],
    filename: str | os.PathLike,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write tensors and, beside them, strings to a file.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/weights.safetensors"
        >>> save_file({"w": kuai.ones(2)}, path, {"made by": "hand"})
        >>> load_file(path), load_metadata(path)
        ({'w': tensor([1., 1.])}, {'made by': 'hand'})
    """
    arrays = {name: np.ascontiguousarray(value(tensor)) for name, tensor in tensors.items()}
    # ascontiguousarray makes vectors of scalars
    arrays = {name: array.reshape(tensors[name].shape) for name, array in arrays.items()}
    write_atomically(filename, safetensors.numpy.save(arrays, metadata))


def load_file(filename: str | os.PathLike, device=None) -> dict[str, Tensor]:
    """The tensors of a file, by name.

    Raises:
        BrokenFileError: the file is not a safetensors file, or it is cut off.
    """
    content = pathlib.Path(filename).read_bytes()
    try:
        arrays = safetensors.numpy.load(content)
    except safetensors.SafetensorError as error:
        raise _broken(filename, error) from error
    return {name: from_array(array, device) for name, array in arrays.items()}


def load_metadata(filename: str | os.PathLike) -> dict[str, str]:
    """The strings that were saved beside the tensors."""
    pathlib.Path(filename).open("rb").close()  # PermissionError and the like, with the name
    try:
        with safetensors.safe_open(str(filename), framework="numpy") as file:
            return dict(file.metadata() or {})
    except safetensors.SafetensorError as error:
        raise _broken(filename, error) from error


def _broken(filename: str | os.PathLike, error: Exception) -> BrokenFileError:
    return BrokenFileError(f"{filename} is not a complete safetensors file ({error})")
