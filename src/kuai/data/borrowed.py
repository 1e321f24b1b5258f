"""Loaders of a package's own that are iterated over by PyTorch's iterators, as fastai's are.

They have the attributes that PyTorch's iterators read, and none of those that Kuai's have beside.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Borrowed", "with_a_place"]


class Borrowed:
    """A loader of another kind, with what it lacks: a place, which nobody saves.

    Attributes:
        epoch, sampler, batch_sampler: as of a `DataLoader`; it draws its order itself.
        multiprocessing_context: None; such loaders name all of `multiprocessing`, which would fork.
    """

    def __init__(self, loader: Any) -> None:
        self._own = loader
        self._pass: Any = None
        self.epoch = 0
        self.sampler = self.batch_sampler = self.multiprocessing_context = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)


def with_a_place(loader: Any) -> Any:
    """The loader, if it knows where it stands; else one that does."""
    return loader if hasattr(loader, "epoch") and hasattr(loader, "_pass") else Borrowed(loader)
