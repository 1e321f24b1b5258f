"""`kuai.multiprocessing`: all names of Python's `multiprocessing`, and PyTorch's `spawn`.

Processes begin anew unless the program says otherwise (see `default_context`).
"""

import multiprocessing as _python
from multiprocessing import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]

from kuai.engine.late import late
from kuai.multiprocessing.default_context import default_context
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

__getattr__, __dir__ = late("kuai.multiprocessing", ("reductions",), {})

globals().update({name: getattr(default_context, name) for name in _python.__all__})


def get_all_sharing_strategies() -> set[str]:
    """How tensors come to other processes: they are pickled.

    Example:
        >>> kuai.multiprocessing.get_all_sharing_strategies()
        {'file_system'}
    """
    return {"file_system"}


def get_sharing_strategy() -> str:
    """The same."""
    return "file_system"


def set_sharing_strategy(new_strategy: str) -> None:
    """Does nothing: tensors are pickled."""
