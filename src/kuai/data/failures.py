"""Exceptions of workers, raised again where the batch was asked for."""

from __future__ import annotations

import signal
import traceback
from typing import Any, NoReturn

from kuai.engine.tensor.frames import fold

__all__ = ["Failure", "died"]


class Failure:
    """An exception with its traceback as text, for tracebacks do not travel."""

    def __init__(self, error: Exception, where: str) -> None:
        self.kind: type[BaseException] = type(error)
        whole = error.__traceback__
        fold(error)
        frames = error.__traceback__ or whole  # a line of the program, if it has to do with one
        self.text = "".join(traceback.format_exception(type(error), error, frames))
        self.where = where

    def reraise(self) -> NoReturn:
        """Raise an exception of the same kind, with the worker's traceback in its text."""
        text: Any = f"Caught {self.kind.__name__} {self.where}.\nOriginal {self.text}"
        if self.kind is KeyError:
            text = _Shown(text)
        given = {"message": text} if getattr(self.kind, "message", None) else {}
        try:
            error = self.kind(**given) if given else self.kind(text)
        except Exception:  # noqa: BLE001 - it wants other arguments than a text
            raise RuntimeError(text) from None
        raise error


class _Shown(str):
    """A text that KeyError shows as it is, line by line."""

    def __repr__(self) -> str:
        return str(self)


def died(pid: int | None, exitcode: int | None) -> RuntimeError:
    """What to raise when a worker has ended without having been told to."""
    if exitcode is None or exitcode >= 0:
        return RuntimeError(
            f"DataLoader worker (pid {pid}) exited unexpectedly with exit code {exitcode}. Details "
            "are lost due to multiprocessing. Rerunning with num_workers=0 may give better error "
            "trace."
        )
    name = signal.strsignal(-exitcode) or f"signal {-exitcode}"
    return RuntimeError(
        f"DataLoader worker (pid {pid}) is killed by signal: {name}. {_HINTS.get(-exitcode, '')}"
    )


_HINTS = {
    getattr(signal, "SIGKILL", 0): "Linux kills processes when memory runs out; fewer workers, a "
    "smaller prefetch_factor or smaller batches need less.",
    getattr(signal, "SIGBUS", 0): "It is possible that dataloader's workers are out of shared "
    "memory. Please try to raise your shared memory limit.",
}
