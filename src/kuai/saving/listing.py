"""What a file holds, as a list: names, dtypes, shapes, sizes, and which tensors share memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kuai.errors import printable
from kuai.saving.budget import Budget
from kuai.saving.limits import MAX_NAMES
from kuai.saving.outlines import Outline, open_outlines
from kuai.saving.refusals import Refused

__all__ = ["Line", "Listing", "list_file", "quoted", "walk"]

_MOST = 1_000_000  # values, counted as often as they stand there


@dataclass
class Line:
    """A tensor of a file.

    Args:
        same_as: the first name of the very same tensor.
        shares_with: the first name of another tensor on the same storage.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    role: str = "tensor"
    file: str | None = None
    same_as: str | None = None
    shares_with: str | None = None


@dataclass
class Listing:
    """What a file holds.

    Args:
        others: for each value that is no tensor its name and its type.
        nbytes: what the storages take up; tied tensors and views count once.
        elements: the number of elements, counted likewise.
        file_bytes: the size of the files.
    """

    path: str
    kind: str
    files: list[str]
    file_bytes: int
    tensors: list[Line]
    others: dict[str, str]
    metadata: dict[str, str]
    nbytes: int
    elements: int


def list_file(path: str | os.PathLike) -> Listing:
    """List what a file, an index of several or a folder holds; no tensor is read."""
    with open_outlines(path) as found:
        pairs = list(walk(found.tree))
        outlines = [(name, value) for name, value in pairs if isinstance(value, Outline)]
        others = {n: type(v).__name__ for n, v in pairs if not isinstance(v, Outline)}
        storages = {outline.storage: outline for _, outline in outlines}
        return Listing(
            path=os.fspath(path),
            kind=found.kind,
            files=[file.name for file in found.files],
            file_bytes=sum(found.files.values()),
            tensors=_lines(outlines, len(found.files) > 1),
            others=others,
            metadata=found.metadata,
            nbytes=sum(outline.bytes.size for outline in storages.values()),
            elements=sum(_elements(outline) for outline in storages.values()),
        )


def _elements(outline: Outline) -> int:
    return outline.bytes.size // outline.dtype.itemsize if outline.dtype else outline.count


def _lines(outlines: list[tuple[str, Outline]], is_sharded: bool) -> list[Line]:
    first: dict[Any, str] = {}
    on_storage: dict[Any, str] = {}
    lines = []
    for name, outline in outlines:
        line = Line(name, outline.code, outline.shape, outline.nbytes, outline.role)
        line.file = outline.storage[0] if is_sharded else None
        line.same_as = first.get(outline.identity)
        line.shares_with = None if line.same_as else on_storage.get(outline.storage)
        first.setdefault(outline.identity, name)
        on_storage.setdefault(outline.storage, name)
        lines.append(line)
    return lines


def walk(tree: Any) -> Iterator[tuple[str, Any]]:
    """The values of a tree, by names such as `optimizer.state.0.step`.

    A long name of a container stands before the name of each of its values.
    """
    letters = Budget(MAX_NAMES, f"the names of its values come to more than {MAX_NAMES} letters")
    waiting: list[tuple[str, Any, Any]] = [("", "", tree)]
    for _ in range(_MOST):
        if not waiting:
            return
        start, key, value = waiting.pop()
        name = f"{start}.{key}" if start else str(key)
        letters.take(len(name))
        children = _children(value)
        if children is None:
            yield name or "value", value
        else:
            waiting += [(name, key, child) for key, child in reversed(children)]
    raise Refused(f"it holds more than {_MOST} values")


def _children(value: Any) -> list[tuple[Any, Any]] | None:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if type(value) in (list, tuple) else None


def quoted(names: Iterable[str]) -> str:
    """Names from a file for a message: the first of them, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - 5} more" if len(names) > 6 else ""
    return ", ".join(f"'{printable(name)}'" for name in (names[:5] if more else names)) + more
