"""One thread at a time that writes while training goes on."""

from __future__ import annotations

import atexit
import pathlib
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

__all__ = ["Background", "background_of"]

_of_folders: dict[str, Background] = {}


def background_of(folder: pathlib.Path) -> Background:
    """The one that writes to a folder: whoever looks into the folder waits for the same thread."""
    return _of_folders.setdefault(str(folder.resolve()), Background())


class Background:
    """Runs one piece of work in a thread; its error is raised by whoever waits for it.

    The thread is no daemon, so a program that ends lets it finish.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    @property
    def busy(self) -> bool:
        """Whether work is under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Callable[[], None]) -> None:
        """Begin a piece of work, after the last one."""
        self.wait()
        self._thread = threading.Thread(target=self._run, args=(work,), name="kuai-checkpoint")
        self._thread.start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 (raised again by `wait`)
            self._error = error

    def wait(self) -> None:
        """Wait for the work to end; raise its error, once."""
        error = self.end()
        if error is not None:
            raise error

    def end(self) -> BaseException | None:
        """Wait for the work to end; its error, once."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        return error


# The end of the program ---------------------------------------------------------------------------


@atexit.register
def _report_errors() -> None:
    """A program that never waited still says that its last checkpoint was not written, and fails.

    No handler at exit can set the exit status, and ending at once would leave out the handlers
    of others. But a standard stream that cannot be flushed at the very end makes it 120.
    """
    errors = [error for each in list(_of_folders.values()) if (error := each.end()) is not None]
    for error in errors:
        traceback.print_exception(error)
    if errors and sys.stderr is not None:
        sys.stderr = _Unflushable(sys.stderr)


class _Unflushable:
    """A stream that works as before, until Python flushes it for the last time."""

    def __init__(self, stream: Any):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def flush(self) -> None:
        self._stream.flush()
        if sys.is_finalizing():
            raise OSError("a checkpoint was not written")
