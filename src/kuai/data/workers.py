"""What a loader is told about its workers, checked as PyTorch checks it.

Batches are fetched by the process that asks for them, one when it is asked for, whatever the number
of workers: the options say how PyTorch would divide the work, and change no batch. Nothing that
belongs to a process of its own happens either, so `worker_init_fn` is not called.
"""

from __future__ import annotations

import multiprocessing.context
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Workers"]

_PREFETCHED = 2  # batches a worker fetches ahead, in PyTorch


@dataclass
class Workers:
    """Options about workers; see `DataLoader`."""

    num_workers: int = 0
    pin_memory: bool = False
    timeout: float = 0
    worker_init_fn: Callable[[int], None] | None = None
    multiprocessing_context: Any = None
    prefetch_factor: int | None = None
    persistent_workers: bool = False
    pin_memory_device: str = ""
    in_order: bool = True

    def __post_init__(self) -> None:
        if self.num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; use num_workers=0 to disable "
                "multiprocessing."
            )
        if self.timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if self.num_workers == 0:
            self._refuse_without_workers()
        elif self.prefetch_factor is None:
            self.prefetch_factor = _PREFETCHED
        elif self.prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if self.multiprocessing_context is not None:
            self._check_context()

    def _refuse_without_workers(self) -> None:
        if self.prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing."
                "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to "
                "None."
            )
        if self.persistent_workers:
            raise ValueError("persistent_workers option needs num_workers > 0")
        if self.multiprocessing_context is not None:
            raise ValueError(
                "multiprocessing_context can only be used with multi-process loading "
                "(num_workers > 0), but got num_workers=0"
            )

    def _check_context(self) -> None:
        context, methods = self.multiprocessing_context, multiprocessing.get_all_start_methods()
        if isinstance(context, str):
            if context not in methods:
                raise ValueError(
                    "multiprocessing_context option should specify a valid start method in "
                    f"{methods!r}, but got multiprocessing_context={context!r}"
                )
        elif not isinstance(context, multiprocessing.context.BaseContext):
            raise TypeError(
                "multiprocessing_context option should be a valid context object or a string "
                f"specifying the start method, but got multiprocessing_context={context!r}"
            )
