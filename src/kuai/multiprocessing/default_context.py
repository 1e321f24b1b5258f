"""Python's `multiprocessing` with another default: processes begin anew instead of as a fork.

On Linux, Python before 3.14 forks where nobody has said how processes start. JAX's threads do not
survive a fork, so the first computation of such a process would wait for them for ever. What the
program chooses with `set_start_method` holds, here and in `multiprocessing`. That it is "fork"
there says nothing: Python notes its default as if it were chosen when somebody asks.
"""

from __future__ import annotations

import multiprocessing as _python
from multiprocessing.context import BaseContext
from typing import Any

__all__ = ["Process", "default_context"]

_DEFAULT = "spawn"


class Process(_python.Process):
    """A process that begins as the program has chosen, and by itself anew."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        return default_context.get_context().Process._Popen(process_obj)  # type: ignore[attr-defined]

    @staticmethod
    def _after_fork() -> Any:
        return default_context.get_context().Process._after_fork()  # type: ignore[attr-defined]


class _DefaultContext(BaseContext):
    """What the functions of `kuai.multiprocessing` are methods of."""

    Process = Process
    _chosen: Any = None

    def get_context(self, method: str | None = None) -> Any:
        """A context by its name; by default the one that was chosen, or processes that begin anew.

        Example:
            >>> kuai.multiprocessing.get_context("forkserver").get_start_method()
            'forkserver'
        """
        return _python.get_context(method or self.get_start_method())

    def get_start_method(self, allow_none: bool = False) -> Any:
        """How processes start; None if `allow_none` and nobody has chosen."""
        there = _python.get_start_method(allow_none=True)
        chosen = self._chosen or (there if there != "fork" else None)
        return chosen or (None if allow_none else _DEFAULT)

    def set_start_method(self, method: Any, force: bool = False) -> None:
        """Choose how processes start, once for the program."""
        _python.set_start_method(method, force or self._chosen is None)
        self._chosen = method

    def get_all_start_methods(self) -> list[str]:
        """The ways in which processes can start here."""
        return _python.get_all_start_methods()


default_context: Any = _DefaultContext()
