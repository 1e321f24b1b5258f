"""Streams, events and graphs: how PyTorch orders work on a device by hand.

XLA orders the work of a device by what depends on what, so a stream is a name here, an event a
moment at which the host looked, and a captured graph is what `kuai.compile` makes by itself.
"""

import contextlib
import time
from typing import Any

from kuai.engine.tensor import devices

__all__ = ["Event", "Stream", "StreamContext", "stream"]


def _described(where):
    index = -1 if where.index is None else where.index
    return f"device_type={where.type}, device_index={index}"


class Stream:
    """A queue of work; all of a device's work is in one.

    Example:
        >>> with kuai.cuda.stream(kuai.Stream("cpu")):
        ...     y = kuai.ones(1)
    """

    def __init__(self, device: Any = None, priority: int = 0, **options: Any):
        self.device = devices.device("cpu" if device is None else device)
        self.priority = priority
        self._context = contextlib.ExitStack()

    def __repr__(self):
        return f"torch.Stream {_described(self.device)}, stream_id=0"

    def wait_stream(self, stream: "Stream") -> None:
        """Does nothing: what depends on something comes after it."""

    def wait_event(self, event: "Event") -> None:
        """Does nothing: what depends on something comes after it."""

    def record_event(self, event: "Event | None" = None) -> "Event":
        """An event of now."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def query(self) -> bool:
        """Whether all work is done: it is, once this has waited for it."""
        self.synchronize()
        return True

    def synchronize(self) -> None:
        """Wait until the device has done its work."""
        devices.wait_for(self.device)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


class Event:
    """A moment in the work of a device; two of them measure time.

    Example:
        >>> start, end = (kuai.Event(enable_timing=True) for _ in range(2))
        >>> start.record(), end.record()
        (None, None)
        >>> start.elapsed_time(end) >= 0
        True
    """

    def __init__(
        self, device: Any = None, *, enable_timing=False, blocking=False, interprocess=False
    ):
        self.enable_timing, self._moment = enable_timing, None
        self.device = None if device is None else devices.device(device)

    def __repr__(self):
        where = self.device or devices.device("cpu")
        flag = int(self.enable_timing)
        return f"torch.Event {_described(where)}, event_flag={flag}, event_id=0"

    def record(self, stream: Any = None) -> None:
        """Wait for the work so far, and note the time."""
        where = getattr(stream, "device", None) or self.device
        devices.wait_for(where)
        self._moment = time.perf_counter()

    def wait(self, stream: Any = None) -> None:
        """Does nothing: what depends on something comes after it."""

    def query(self) -> bool:
        """Whether the work before it is done: yes, `record` waited for it."""
        return True

    def synchronize(self) -> None:
        """Does nothing: `record` waited."""

    def elapsed_time(self, end_event: "Event") -> float:
        """The milliseconds between two events.

        Raises:
            RuntimeError: one of them was not recorded.
        """
        if self._moment is None or end_event._moment is None:
            raise RuntimeError("Both events must be recorded before calculating elapsed time.")
        return 1000 * (end_event._moment - self._moment)


class StreamContext:
    """A context in which work goes to a stream; there is one."""

    def __init__(self, stream: Any):
        self.stream = stream

    def __enter__(self):
        return self.stream

    def __exit__(self, *error):
        pass


def stream(stream: Any) -> StreamContext:
    """A context in which work goes to a stream."""
    return StreamContext(stream)
