"""Writing what outlines stand for to a PyTorch file, reading one tensor at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np

from kuai.engine.tensor.dtypes import dtype
from kuai.saving.described import Description, parameter_call, state_call, tensor_call
from kuai.saving.outlines import Outline
from kuai.saving.pickling import Call, Global
from kuai.saving.strided import contiguous
from kuai.saving.torch_file import write_described

__all__ = ["write_outlines"]


def write_outlines(
    tree: Any,
    file: BinaryIO,
    kind_of: Callable[[Outline], dtype],
    read: Callable[[Outline], np.ndarray],
) -> None:
    """Write a tree of outlines and plain values.

    Args:
        kind_of: the dtype in which an outline is written.
        read: its bytes in that dtype.
    """
    write_described(tree, file, _OutlineDescription(kind_of, read))


class _OutlineDescription(Description):
    """Gives each outline a storage of its own; those of the same tensor share it."""

    def __init__(self, kind_of: Callable[[Outline], dtype], read: Callable[[Outline], np.ndarray]):
        super().__init__()
        self._kind_of = kind_of
        self._read = read
        self._outlines: dict[Any, Outline] = {}
        self._names: dict[Any, str] = {}

    def __call__(self, obj: Any) -> Global | Call | None:
        return self._outline(obj) if isinstance(obj, Outline) else super().__call__(obj)

    def contents(self) -> Iterator[tuple[str, memoryview]]:
        for identity, outline in self._outlines.items():
            yield self._names[identity], self._read(outline).data

    def _outline(self, outline: Outline) -> Call:
        key = self._names.setdefault(outline.identity, str(len(self._names)))
        self._outlines.setdefault(outline.identity, outline)
        requires_grad = outline.requires_grad and outline.role != "parameter"
        place = (key, outline.count, "cpu")
        call = tensor_call(self._kind_of(outline), place, contiguous(outline.shape), requires_grad)
        if outline.role == "parameter":
            return parameter_call(call, outline.requires_grad, outline.attributes)
        state = dict(outline.attributes)
        if outline.role == "buffer":
            state["_is_buffer"] = True
        return state_call(call, state) if state else call
