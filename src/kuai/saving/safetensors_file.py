"""Tensors by name in a safetensors file.

The format is a JSON header (names, dtypes, shapes, and a dict of strings for the user) followed by
the bytes of the tensors; it holds no code. See https://github.com/huggingface/safetensors.

It cannot say that two tensors are one. Tied tensors are therefore kept once, under the first of
their names; the others stand as JSON in the metadata, `{"kuai.aliases": {other: first}}`.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping

import numpy as np
import safetensors
import safetensors.numpy

from kuai.engine import dtypes
from kuai.engine.layouts import layout_of
from kuai.engine.storage import resolve
from kuai.engine.tensor import Tensor, from_array
from kuai.engine.views import value
from kuai.errors import BrokenFileError, UnsavableObjectError
from kuai.nn.parameter import is_lazy
from kuai.saving.atomic import write_atomically

__all__ = ["load_file", "load_metadata", "save_file"]

_ALIASES = "kuai.aliases"
_CODES = {
    "BOOL": dtypes.bool_,
    "U8": dtypes.uint8,
    "U16": dtypes.uint16,
    "U32": dtypes.uint32,
    "U64": dtypes.uint64,
    "I8": dtypes.int8,
    "I16": dtypes.int16,
    "I32": dtypes.int32,
    "I64": dtypes.int64,
    "F16": dtypes.float16,
    "BF16": dtypes.bfloat16,
    "F32": dtypes.float32,
    "F64": dtypes.float64,
    "F8_E4M3": dtypes.float8_e4m3fn,
    "F8_E5M2": dtypes.float8_e5m2,
    "F8_E4M3FNUZ": dtypes.float8_e4m3fnuz,
    "F8_E5M2FNUZ": dtypes.float8_e5m2fnuz,
    "C64": dtypes.complex64,
}
_NAMES = {kind.name for kind in _CODES.values()}


def save_file(
    tensors: Mapping[str, Tensor],
    path: str | os.PathLike,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write tensors and, beside them, strings to a safetensors file.

    Tied tensors are written once; `load_file` ties them again.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/weights.safetensors"
        >>> kuai.save_file({"w": kuai.ones(2)}, path, {"made by": "hand"})
        >>> kuai.load_file(path)
        {'w': tensor([1., 1.])}
    """
    _check_tensors(tensors)
    aliases = _aliases(tensors)
    arrays = {name: _array_of(t) for name, t in tensors.items() if name not in aliases}
    strings = dict(metadata or {})
    if aliases:
        strings[_ALIASES] = json.dumps(aliases, ensure_ascii=False)
    write_atomically(path, safetensors.numpy.save(arrays, strings or None))


def load_file(path: str | os.PathLike, device=None) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name.

    Raises:
        BrokenFileError: the file is not a safetensors file, or it is cut off.
    """
    content = pathlib.Path(path).read_bytes()
    try:
        entries = safetensors.deserialize(content)
    except safetensors.SafetensorError as error:
        raise _broken(path, error) from error
    tensors = {name: from_array(_array(path, entry), device) for name, entry in entries}
    for alias, name in _read_aliases(path, tensors).items():
        tensors[alias] = Tensor._share(tensors[name])
    return tensors


def load_metadata(path: str | os.PathLike) -> dict[str, str]:
    """The strings that were saved beside the tensors."""
    metadata = _read_metadata(path)
    metadata.pop(_ALIASES, None)
    return metadata


def _read_metadata(path: str | os.PathLike) -> dict[str, str]:
    pathlib.Path(path).open("rb").close()  # PermissionError and the like, with the name
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            return dict(file.metadata() or {})
    except safetensors.SafetensorError as error:
        raise _broken(path, error) from error


def _broken(path: str | os.PathLike, error: Exception) -> BrokenFileError:
    return BrokenFileError(f"{path} is not a complete safetensors file ({error})")


def _check_tensors(tensors: Mapping[str, Tensor]) -> None:
    if not isinstance(tensors, Mapping):
        raise UnsavableObjectError(
            f"a safetensors file holds a dict of tensors, not a {type(tensors).__name__}"
        )
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor) or is_lazy(tensor):
            raise UnsavableObjectError(
                f"a safetensors file holds tensors by name, but {name!r} is a "
                f"{type(tensor).__name__}"
            )
        if tensor.dtype.name not in _NAMES:
            raise UnsavableObjectError(
                f"{name!r} has dtype {tensor.dtype}, which the safetensors format does not have"
            )


def _aliases(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """For each tensor that is another one under a second name, the first name."""
    first: dict[tuple, str] = {}
    found = {}
    for name, tensor in tensors.items():
        same = (id(resolve(tensor._storage)), layout_of(tensor), tensor.dtype.name)
        if same in first:
            found[name] = first[same]
        else:
            first[same] = name
    return found


def _array_of(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(value(tensor)).reshape(tensor.shape)  # else scalars are vectors


def _array(path: str | os.PathLike, entry: dict) -> np.ndarray:
    kind = _CODES.get(entry["dtype"])
    if kind is None:
        raise BrokenFileError(f"{path} has a tensor of element type {entry['dtype']}, unknown here")
    content = np.frombuffer(entry["data"], np.uint8)
    array = content != 0 if kind is dtypes.bool_ else content.view(kind.jax)
    return array.reshape(entry["shape"])


def _read_aliases(path: str | os.PathLike, tensors: dict[str, Tensor]) -> dict[str, str]:
    text = _read_metadata(path).get(_ALIASES, "{}")
    try:
        aliases = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _broken(path, error) from error
    fits = isinstance(aliases, dict) and all(
        isinstance(name, str) and name in tensors and alias not in tensors
        for alias, name in aliases.items()
    )
    if not fits:
        raise BrokenFileError(f"{path} has an alias for a tensor that is not there")
    return aliases
