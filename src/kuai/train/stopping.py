"""Stopping on Ctrl-C at a point where everything can be saved."""

from __future__ import annotations

import signal
import threading
from types import FrameType

__all__ = ["StopRequest"]


class StopRequest:
    """Notes the first Ctrl-C instead of raising KeyboardInterrupt; a second one is raised.

    A KeyboardInterrupt could arrive while some tensors of a step are already replaced and others
    are not. `with StopRequest() as stop:` lets the loop ask `stop.wanted` between steps.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._before = None

    def __enter__(self) -> StopRequest:
        # Python delivers signals to the main thread only
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True
