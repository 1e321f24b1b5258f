"""Sizes that an exported program leaves open, and how they are named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Dim", "ShapesCollection", "named"]


class _Kind(type):
    """`Dim.AUTO`, `Dim.DYNAMIC`, `Dim.STATIC` belong to the class."""

    @property
    def AUTO(cls) -> str:
        """Left open, with a name of its own."""
        return "auto"

    DYNAMIC = AUTO

    @property
    def STATIC(cls) -> None:
        """As in the example."""
        return None


class Dim(metaclass=_Kind):
    """A size that is left open; two with the same name are equal.

    Example:
        >>> from kuai.export import Dim
        >>> Dim("batch", max=64)
        Dim('batch', min=0, max=64)
    """

    def __init__(self, name: str, *, min: int | None = None, max: int | None = None):
        if not name.isidentifier():
            raise ValueError(f"Dim names must be valid identifiers, got {name}")
        self.__name__, self.min, self.max = name, 0 if min is None else min, max

    def __repr__(self) -> str:
        limit = "" if self.max is None else f", max={self.max}"
        return f"Dim({self.__name__!r}, min={self.min}{limit})"


class ShapesCollection(dict):
    """Sizes that are left open, by the tensor they belong to."""


def named(shapes: Any, where: str = "size") -> Any:
    """The same with names in place of `Dim`s, which is how Kuai says it."""
    if isinstance(shapes, Dim):
        return shapes.__name__
    if shapes == "auto":
        return where
    if isinstance(shapes, Mapping):
        made = {key: named(value, f"{where}_{key}") for key, value in shapes.items()}
        return {key: value for key, value in made.items() if value is not None}
    if isinstance(shapes, (tuple, list)):
        return type(shapes)(named(value, f"{where}_{i}") for i, value in enumerate(shapes))
    return shapes
