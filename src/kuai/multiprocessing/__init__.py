"""`kuai.multiprocessing`: all names of Python's `multiprocessing`, and PyTorch's `spawn`.

Processes begin anew unless the program says otherwise (see `default_context`). Tensors that were
moved into shared memory (`share_memory_`) are the same tensors there; of others a copy is sent.
"""

import multiprocessing as _python
from multiprocessing import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]

from kuai.multiprocessing.default_context import default_context
from kuai.multiprocessing.reductions import init_reductions
from kuai.multiprocessing.spawn import (
    ProcessContext,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = [
    *_python.__all__,  # pyright: ignore[reportUnsupportedDunderAll]
    "ProcessContext",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
]

init_reductions()
globals().update({name: getattr(default_context, name) for name in _python.__all__})


def get_all_sharing_strategies() -> set[str]:
    """How shared tensors come to other processes: as descriptors of their memory.

    Example:
        >>> kuai.multiprocessing.get_all_sharing_strategies()
        {'file_descriptor'}
    """
    return {"file_descriptor"}


def get_sharing_strategy() -> str:
    """The same."""
    return "file_descriptor"


def set_sharing_strategy(new_strategy: str) -> None:
    """Does nothing: there is one."""
