"""What ran when, as a profile notes it: events inside of events, for each thread."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["RUNNING", "Event", "Recording", "noted"]


@dataclass(eq=False)
class Event:
    """A span of time with a name.

    Attributes:
        start, end: nanoseconds since the recording began.
        shapes: of the tensors that it was given.
        memory: bytes of the results that it made itself.
    """

    number: int
    name: str
    thread: int
    start: int
    end: int = 0
    shapes: list = field(default_factory=list)
    memory: int = 0
    flops: int = 0
    children: list[Event] = field(default_factory=list)
    parent: Event | None = None


class Recording:
    """The events of one stretch of a program."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._began = time.perf_counter_ns()
        self._numbers = itertools.count(1)
        self._threads: dict[int, int] = {}
        self._open: dict[int, list[Event]] = {}

    def begin(self, name: str, shapes: list | None = None) -> Event:
        """Note that something begins."""
        identity = threading.get_ident()
        thread = self._threads.setdefault(identity, len(self._threads) + 1)
        around = self._open.setdefault(thread, [])
        parent = around[-1] if around else None
        event = Event(next(self._numbers), name, thread, 0, 0, shapes or [], parent=parent)
        if parent is not None:
            parent.children.append(event)
        self.events.append(event)
        around.append(event)
        event.start = time.perf_counter_ns() - self._began
        return event

    def end(self, event: Event) -> None:
        """Note that it, and whatever still runs inside, has ended."""
        event.end = time.perf_counter_ns() - self._began
        around = self._open.get(event.thread, [])
        while event in around:
            around.pop().end = event.end

    def close(self) -> None:
        """End what still runs."""
        for around in self._open.values():
            if around:
                self.end(around[0])


#: The recordings that are on.
RUNNING: list[Recording] = []


@contextmanager
def noted(name: str, **details: Any) -> Iterator[None]:
    """Note a span in every recording that is on."""
    begun = [(recording, recording.begin(name, **details)) for recording in RUNNING]
    try:
        yield
    finally:
        for recording, event in begun:
            recording.end(event)
