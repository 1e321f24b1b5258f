"""PyTorch's file of pools: Python's, for tensors are pickled."""

import gc
from multiprocessing import pool
from multiprocessing.pool import Pool as Pool
from typing import Any

__all__ = ["Pool", "clean_worker"]


def clean_worker(*args: Any, **kwargs: Any) -> None:
    """What a process of a pool does."""
    pool.worker(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]
    gc.collect()
