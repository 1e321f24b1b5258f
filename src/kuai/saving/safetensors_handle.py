"""`safe_open`: the tensors of a safetensors file one by one, by the names of the format's library.

What is not asked for is not read; of a slice, only the part.
"""

from __future__ import annotations

import math
import os
from contextlib import ExitStack
from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor, from_array
from kuai.saving.safetensors_file import array_of_entry
from kuai.saving.safetensors_format import Entry
from kuai.saving.safetensors_source import open_source

__all__ = ["TensorSlice", "safe_open"]

_FRAMEWORKS = ("kuai", "pt", "torch", "pytorch")


class safe_open:
    """Open a safetensors file, an index of several or a folder, to read single tensors.

    Args:
        filename: the path.
        framework: may be "kuai" or "pt"; the tensors are Kuai's in any case.
        device: where the tensors go.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/w.safetensors"
        >>> kuai.save_file({"w": kuai.arange(6).view(2, 3)}, path)
        >>> with kuai.safe_open(path) as file:
        ...     print(file.keys(), file.get_tensor("w").shape, file.get_slice("w")[:, 1])
        ['w'] torch.Size([2, 3]) tensor([1, 4])
    """

    def __init__(
        self, filename: str | os.PathLike, framework: str = "kuai", device: Any = None
    ) -> None:
        if framework not in _FRAMEWORKS:
            raise ValueError(f"framework has to be 'kuai' or 'pt', not {framework!r}")
        self._device = device
        with ExitStack() as files:
            self._source = files.enter_context(open_source(filename))
            self._contents = {part.path: part.content(mapped=True) for part in self._source.parts}
            self._files = files.pop_all()

    def __enter__(self) -> safe_open:
        return self

    def __exit__(self, *_: Any) -> None:
        self._files.close()

    def keys(self) -> list[str]:
        """The names of the tensors."""
        return [*self._source.entries, *self._source.aliases]

    def metadata(self) -> dict[str, str]:
        """The strings that were saved beside the tensors."""
        return dict(self._source.metadata)

    def get_tensor(self, name: str) -> Tensor:
        """A tensor."""
        return from_array(self._array(name), self._device)

    def get_slice(self, name: str) -> TensorSlice:
        """A tensor that reads what it is indexed with."""
        return TensorSlice(self._array(name), self._entry(name)[1], self._device)

    def _array(self, name: str) -> np.ndarray:
        part, entry = self._entry(name)
        return array_of_entry(self._contents[part.path], part.path, name, entry)

    def _entry(self, name: str) -> tuple[Any, Entry]:
        name = self._source.aliases.get(name, name)
        if name not in self._source.entries:
            raise KeyError(f"File does not contain tensor {name}")
        return self._source.entries[name]


class TensorSlice:
    """A tensor in a file, to be indexed with numbers and slices."""

    def __init__(self, array: np.ndarray, entry: Entry, device: Any):
        self._array = array
        self._entry = entry
        self._device = device

    def get_shape(self) -> list[int]:
        """The size of each dimension."""
        return list(self._entry.shape)

    def get_dtype(self) -> str:
        """The element type, by the format's name for it."""
        return self._entry.code

    def __getitem__(self, index: Any) -> Tensor:
        found = np.asarray(self._array[index])
        whole = found.size == math.prod(self._entry.shape)
        return from_array(found if whole else np.array(found, order="C"), self._device)
