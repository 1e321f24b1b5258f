"""`kuai.distributed.checkpoint`: states in a folder, saved and loaded in place, by one process.

A folder has one file of Kuai's, and no file of PyTorch's format: what PyTorch wrote with many
processes is refused with its reason.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

from kuai.engine.tensor import Tensor, modes
from kuai.errors import UnavailableError
from kuai.futures import Future
from kuai.saving import load as _read, save as _write
from kuai.utils._pytree import tree_flatten_with_path, tree_unflatten

__all__ = [
    "FileSystemReader",
    "FileSystemWriter",
    "async_save",
    "load",
    "load_state_dict",
    "save",
    "save_state_dict",
]

_FILE = "state.pt"


class FileSystemWriter:
    """Says the folder to write to."""

    def __init__(self, path: str | os.PathLike, *args: Any, **options: Any):
        self.path = pathlib.Path(path)


class FileSystemReader:
    """Says the folder to read from."""

    def __init__(self, path: str | os.PathLike, *args: Any, **options: Any):
        self.path = pathlib.Path(path)


def _folder(checkpoint_id: Any, storage: Any) -> pathlib.Path:
    found = getattr(storage, "path", None) if checkpoint_id is None else checkpoint_id
    if found is None:
        raise RuntimeError(
            "`checkpoint_id` must be specified if storage_reader or storage_writer is None."
        )
    return pathlib.Path(found)


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """States of modules, optimizers and whatever has `state_dict` besides."""
    return {
        key: value.state_dict() if hasattr(value, "state_dict") else value
        for key, value in state.items()
    }


def save(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: str | os.PathLike | None = None,
    storage_writer: Any = None,
    planner: Any = None,
    process_group: Any = None,
    no_dist: bool = False,
    use_collectives: bool = True,
) -> None:
    """Write a state to a folder.

    Example:
        >>> import tempfile
        >>> import kuai.distributed.checkpoint as dcp
        >>> folder = tempfile.mkdtemp()
        >>> dcp.save({"x": kuai.ones(2), "step": 3}, checkpoint_id=folder)
        >>> state = {"x": kuai.zeros(2), "step": 0}
        >>> dcp.load(state, checkpoint_id=folder)
        >>> state
        {'x': tensor([1., 1.]), 'step': 3}
    """
    folder = _folder(checkpoint_id, storage_writer)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{_FILE}.part"
    _write(_plain(state_dict), unfinished)
    unfinished.replace(folder / _FILE)


def async_save(state_dict: dict[str, Any], **options: Any) -> Future:
    """The same; it is done when this returns."""
    done: Future = Future()
    done.set_result(save(state_dict, **{k: v for k, v in options.items() if k != "async_type"}))
    return done


def load(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: str | os.PathLike | None = None,
    storage_reader: Any = None,
    planner: Any = None,
    process_group: Any = None,
    no_dist: bool = False,
) -> None:
    """Read what is asked for from a folder, into the tensors that are there.

    Raises:
        RuntimeError: something is not in the folder, or has another shape there.
    """
    saved = _saved(_folder(checkpoint_id, storage_reader))
    for key, value in state_dict.items():
        if key not in saved:
            raise RuntimeError(f"Missing key in checkpoint state_dict: {key}.")
        wanted = value.state_dict() if hasattr(value, "state_dict") else value
        filled = _filled(wanted, saved[key], key)
        if hasattr(value, "load_state_dict"):
            value.load_state_dict(filled)
        else:
            state_dict[key] = filled


def _saved(folder: pathlib.Path) -> dict[str, Any]:
    if not (folder / _FILE).exists() and (folder / ".metadata").exists():
        raise UnavailableError(
            "reading PyTorch's distributed checkpoints",
            "they are pickled plans of PyTorch's classes",
            "Convert it with PyTorch: `python -m torch.distributed.checkpoint.format_utils "
            "dcp_to_torch FOLDER FILE`, and use kuai.load",
        )
    return _read(folder / _FILE)


def _filled(wanted: Any, saved: Any, name: str) -> Any:
    """The part of what was saved that is asked for; tensors keep their place."""
    places, spec = tree_flatten_with_path(wanted)
    found = []
    for path, leaf in places:
        value = saved
        for key in path:
            part = getattr(key, "key", getattr(key, "idx", None))
            try:
                value = value[part]
            except (KeyError, IndexError):
                shown = ".".join([name, *(str(getattr(k, "key", k)) for k in path)])
                raise RuntimeError(f"Missing key in checkpoint state_dict: {shown}.") from None
        found.append(_put(leaf, value, name))
    return tree_unflatten(found, spec)


def _put(leaf: Any, value: Any, name: str) -> Any:
    if not isinstance(leaf, Tensor):
        return value
    if leaf.shape != value.shape:
        raise ValueError(
            f"Size mismatch between saved {value.shape} and current: {leaf.shape} for {name}"
        )
    with modes.no_grad():
        leaf.copy_(value)
    return leaf


def save_state_dict(state_dict: dict[str, Any], storage_writer: Any, *rest: Any, **options: Any):
    """The older name of `save`."""
    return save(state_dict, storage_writer=storage_writer)


def load_state_dict(state_dict: dict[str, Any], storage_reader: Any, *rest: Any, **options: Any):
    """The older name of `load`."""
    return load(state_dict, storage_reader=storage_reader)
