"""PyTorch's file of pools: Python's, which send tensors as `reductions` says."""

import gc
from multiprocessing import pool
from multiprocessing.pool import Pool as Pool
from typing import Any

__all__ = ["Pool", "clean_worker"]


def clean_worker(*args: Any, **kwargs: Any) -> None:
    """What a process of a pool does."""
    pool.worker(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]
    gc.collect()
