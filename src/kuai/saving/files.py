"""`kuai.save` and `kuai.load`: objects made of tensors, in PyTorch's format or in safetensors."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO

from kuai.engine.tensor.devices import device
from kuai.engine.tensor.frames import folding
from kuai.errors import FileFormatError
from kuai.saving import torch_shards
from kuai.saving.atomic import replacing
from kuai.saving.opening import opened
from kuai.saving.safetensors_file import load_file, save_file
from kuai.saving.safetensors_source import INDEX, SUFFIX
from kuai.saving.torch_file import read_torch_file, write_torch_file

__all__ = ["load", "save"]


@folding
def save(
    obj: Any,
    f: str | os.PathLike | BinaryIO,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Save an object to a file that `kuai.load` and `torch.load` can open.

    Args:
        obj: tensors, numbers, strings, bytes, None, dtypes, devices, sizes, and lists, tuples,
            dicts and sets of them: a `state_dict`, say. Tensors that share storage go on doing so.
            NumPy values, and other objects that Python can pickle, modules and optimizers among
            them; those `load` makes anew with `weights_only=False`.
        f: a path, or a binary file object. A path that ends in `.safetensors` chooses that format
            for a dict of tensors. A file at a path is replaced as a whole or not at all.
        pickle_protocol: 2 to 5 are accepted; what is written is protocol 2, which all can read.
        _use_new_zipfile_serialization: `False` writes the format of PyTorch before 1.6.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> kuai.save({"w": kuai.ones(2), "epoch": 3}, file)
        >>> _ = file.seek(0)
        >>> kuai.load(file)
        {'w': tensor([1., 1.]), 'epoch': 3}
    """
    if pickle_protocol not in range(2, 6):
        raise ValueError(f"pickle_protocol has to be 2, 3, 4 or 5, not {pickle_protocol}")
    old = not _use_new_zipfile_serialization
    if not isinstance(f, (str, os.PathLike)):
        buffer = io.BytesIO()
        write_torch_file(obj, buffer, old)
        f.write(buffer.getbuffer())
    elif os.fspath(f).endswith((SUFFIX, INDEX)):
        save_file(obj, f)
    elif torch_shards.is_index(f):
        raise FileFormatError(f"{f}: Kuai writes several files as safetensors only (*{INDEX})")
    else:
        with replacing(f) as file:
            write_torch_file(obj, file, old)


@folding
def load(
    f: str | os.PathLike | BinaryIO,
    map_location: Any = None,
    *,
    weights_only: bool | None = True,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Load what `kuai.save` or `torch.save` wrote. No file can make it run code.

    Args:
        f: a path, or a binary file object; also the index of several files, and for safetensors a
            folder.
        map_location: where the tensors go: a device, a dict from the saved places to others, or a
            function of a tensor and its saved place; None means the saved place.
        weights_only: with `False` a file may also hold modules, optimizers, and objects of other
            classes that this program has; nothing in a file is run, either way.
        mmap: use the file itself as memory; values are read when they are used, and their
            checksums are not checked. The file may be replaced meanwhile, but not be cut off.
        pickle_load_args: `encoding` says how strings of Python 2 are written ("utf-8" if nothing
            is said); the others are accepted and change nothing.

    Raises:
        BrokenFileError: the file is cut off or changed.
        UnsafeFileError: it asks for more than tensors and plain values.
        FileFormatError: it is of another kind.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/x-file"
        >>> kuai.save([kuai.arange(4), "four"], path)
        >>> kuai.load(path)
        [tensor([0, 1, 2, 3]), 'four']
    """
    for name in pickle_load_args.keys() - {"buffers", "encoding", "errors", "fix_imports"}:
        raise TypeError(f"'{name}' is an invalid keyword argument for Unpickler()")
    encoding = pickle_load_args.get("encoding", "utf-8")
    if isinstance(f, (str, os.PathLike)):
        trusted = weights_only is False
        return _load_path(os.fspath(f), map_location, bool(mmap), trusted, encoding)
    if mmap:
        raise ValueError("f must be a file path in order to use the mmap argument")
    name, trusted = str(getattr(f, "name", "the file object")), weights_only is False
    return read_torch_file(_from_here(f), name, map_location, trusted=trusted, encoding=encoding)


def _load_path(path: str, map_location: Any, mmap: bool, trusted: bool, encoding: str) -> Any:
    if path.endswith((SUFFIX, INDEX)) or os.path.isdir(path):
        if not isinstance(map_location, (str, int, device, type(None))):
            raise TypeError("a safetensors file knows no places: map_location has to be a device")
        return load_file(path, map_location, mmap=mmap)
    if torch_shards.is_index(path):
        return torch_shards.read_torch_shards(path, map_location, mmap)
    with opened(path) as file:
        return read_torch_file(file, path, map_location, mmap, trusted, encoding)


def _from_here(file: Any) -> BinaryIO:
    """What a file object has from its position on, as something that can be searched."""
    if file.read(0) != b"":
        raise TypeError("kuai.load needs a file that was opened in binary mode ('rb')")
    if file.seekable() and file.tell() == 0:
        return file
    return io.BytesIO(file.read())
