"""What a loader may be told, checked as PyTorch checks it, in its order and with its texts."""

from __future__ import annotations

import multiprocessing
import multiprocessing.context
import os
import warnings
from typing import Any

from kuai.data.dataset import IterableDataset

__all__ = ["check_order", "check_workers", "checked_context", "warn_about_number"]

_PREFETCHED = 2  # batches a worker fetches ahead
_NO_FORK = (
    "multiprocessing_context='fork' is refused: JAX's threads do not survive a fork, and the first "
    "computation in a worker would wait for them forever. Leave multiprocessing_context out: then "
    "workers come from a fork server that JAX has not started in, as quickly, and scripts need no "
    '`if __name__ == "__main__":` for it.'
)


def check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> int | None:
    """Raise for options about workers that cannot be; give the prefetch factor."""
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if num_workers > 0 and prefetch_factor is None:
        prefetch_factor = _PREFETCHED
    elif prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")
    return prefetch_factor


def checked_context(context: Any, num_workers: int) -> Any:
    """The context that is meant by `multiprocessing_context=`; None where none is."""
    if context is None:
        return None
    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading "
            "(num_workers > 0), but got num_workers=0"
        )
    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{methods!r}, but got multiprocessing_context={context!r}"
            )
        context = multiprocessing.get_context(context)
    if not isinstance(context, multiprocessing.context.BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={context}"
        )
    if context.get_start_method() == "fork":
        raise ValueError(_NO_FORK)
    return context


def check_order(
    dataset: Any,
    batch_size: int | None,
    shuffle: bool | None,
    sampler: Any,
    batch_sampler: Any,
    drop_last: bool,
) -> None:
    """Raise for options about the order of samples that do not go together."""
    if isinstance(dataset, IterableDataset):
        _check_stream(shuffle, sampler, batch_sampler)
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ValueError(
                "batch_sampler option is mutually exclusive "
                "with batch_size, shuffle, sampler, and drop_last"
            )
    elif batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )


def _check_stream(shuffle: bool | None, sampler: Any, batch_sampler: Any) -> None:
    for name, given, is_given in (
        ("shuffle", shuffle, shuffle not in {False, None}),
        ("sampler", sampler, sampler is not None),
        ("batch_sampler", batch_sampler, batch_sampler is not None),
    ):
        if is_given:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                f"{name}={given}"
            )


def warn_about_number(num_workers: int, stacklevel: int) -> None:
    """Warn of more workers than there are processors for them."""
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity else os.cpu_count()
    if processors is not None and num_workers <= processors:
        return
    suggested = (
        "DataLoader is not able to compute a suggested max number of worker in current system."
    )
    if processors is not None:
        suggested = (
            f"Our suggested max number of worker in current system is {processors}"
            f"{'' if affinity else ' (`cpuset` is not taken into account)'}, which is smaller than "
            "what this DataLoader is going to create."
        )
    warnings.warn(
        f"This DataLoader will create {num_workers} worker processes in total. {suggested} Please "
        "be aware that excessive worker creation might get DataLoader running slow or even freeze, "
        "lower the worker number to avoid potential slowness/freeze if necessary.",
        stacklevel=stacklevel + 1,
    )
