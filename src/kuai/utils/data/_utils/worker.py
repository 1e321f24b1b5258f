"""PyTorch's file of what runs in a worker; packages run loops of their own with its parts."""

import os
import sys
import types
from dataclasses import dataclass
from typing import Any

from kuai.data import worker as own
from kuai.data.worker import (
    WorkerInfo as WorkerInfo,
    get_worker_info as get_worker_info,
    numpy_state,
)

_generate_state = numpy_state


class ManagerWatchdog:
    """Whether the process that started this one is still there."""

    def __init__(self) -> None:
        self.manager_pid = os.getppid()
        self.manager_dead = False

    def is_alive(self) -> bool:
        """Whether it is."""
        self.manager_dead = self.manager_dead or os.getppid() != self.manager_pid
        return not self.manager_dead


@dataclass(frozen=True)
class _ResumeIteration:
    """A message: another pass begins."""

    seed: int | None = None


@dataclass(frozen=True)
class _IterableDatasetStopIteration:
    """A message: a worker's stream has ended."""

    worker_id: int


class _Module(types.ModuleType):
    """What `get_worker_info` gives is set here by loops of packages."""

    @property
    def _worker_info(self) -> Any:
        return own._info

    @_worker_info.setter
    def _worker_info(self, info: Any) -> None:
        own._info = info


sys.modules[__name__].__class__ = _Module
