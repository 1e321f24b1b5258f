"""Events as PyTorch's profiles show them: alone, and added up by name."""

from __future__ import annotations

import gzip
import json
import os
from collections import defaultdict
from typing import Any, NamedTuple

from kuai.nn.watching.events import Event, Recording
from kuai.profiler.tables import table_of, time_text

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "Interval", "listed"]


class Interval(NamedTuple):
    """A span of time, in microseconds."""

    start: float
    end: float

    def elapsed_us(self) -> float:
        """How long it lasted."""
        return self.end - self.start


class _Times:
    """What an event and an average of several have in common; times are in microseconds."""

    count: int
    cpu_time_total: float
    self_cpu_time_total: float
    device_time = device_time_total = self_device_time_total = 0.0
    device_memory_usage = self_device_memory_usage = 0
    cuda_time = cuda_time_total = self_cuda_time_total = 0.0
    is_async = is_remote = is_legacy = is_user_annotation = False
    node_id = -1
    overload_name = ""
    use_device = None
    device_type = "cpu"

    @property
    def cpu_time(self) -> float:
        """The mean of what it took."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self) -> str:
        """The same as text."""
        return time_text(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        """All that it took, as text."""
        return time_text(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        """What it took beside the events inside of it, as text."""
        return time_text(self.self_cpu_time_total)


class FunctionEvent(_Times):
    """One call of an operation, or another span that has a name."""

    def __init__(self, event: Event):
        self.id, self.name, self.key, self.thread = (
            event.number,
            event.name,
            event.name,
            event.thread,
        )
        self.time_range = Interval(event.start / 1e3, event.end / 1e3)
        self.input_shapes, self.flops = event.shapes, event.flops
        self.cpu_children: list[FunctionEvent] = []
        self.cpu_parent: FunctionEvent | None = None
        self.stack: list[str] = []
        self.count = 1
        self.self_cpu_memory_usage = event.memory
        self.is_user_annotation = not event.name.startswith(("aten::", "autograd::"))

    @property
    def trace_name(self) -> str:
        """Its name."""
        return self.name

    @property
    def cpu_time_total(self) -> float:
        """How long it lasted."""
        return self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self) -> float:
        """The same without the events inside of it."""
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    @property
    def cpu_memory_usage(self) -> int:
        """The bytes of what was made in it."""
        return self.self_cpu_memory_usage + sum(c.cpu_memory_usage for c in self.cpu_children)

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} cpu_time={self.cpu_time_str} "
            f"start_us={self.time_range.start} end_us={self.time_range.end} "
            f"cpu_children={[child.id for child in self.cpu_children]} name={self.name} "
            f"thread={self.thread} input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage}>"
        )


class FunctionEventAvg(_Times):
    """Events of the same name, added up."""

    def __init__(self, key: str | None = None) -> None:
        self.key, self.count, self.flops = key, 0, 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.input_shapes: Any = None
        self.stack: Any = None
        self.cpu_parent = None
        self.cpu_children: list[FunctionEvent] = []

    def add(self, other: Any) -> FunctionEventAvg:
        """Add an event, or an average."""
        if self.key is None:
            self.key = other.key
        self.count += other.count
        self.flops += other.flops
        self.cpu_time_total += 0 if _is_inside_its_like(other) else other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        self.cpu_memory_usage += other.cpu_memory_usage
        self.self_cpu_memory_usage += other.self_cpu_memory_usage
        return self

    __iadd__ = add

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str}  self_cuda_time={time_text(0)} "
            f"cuda_time={time_text(0)} input_shapes={self.input_shapes or ''} "
            f"cpu_memory_usage={self.cpu_memory_usage} cuda_memory_usage=0>"
        )


def _is_inside_its_like(event: Any) -> bool:
    """Whether an event's time is counted with one of the same name around it."""
    around = event.cpu_parent
    while around is not None:
        if around.name == event.name:
            return True
        around = around.cpu_parent
    return False


class EventList(list):
    """The events of a profile, or their averages."""

    def __init__(self, *args: Any, profile_memory: bool = False, with_flops: bool = False):
        super().__init__(*args)
        self._profile_memory, self._with_flops = profile_memory, with_flops

    @property
    def self_cpu_time_total(self) -> float:
        """How long all of it took, in microseconds."""
        return sum(event.self_cpu_time_total for event in self)

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """A table, a row for each event.

        Args:
            sort_by: the attribute to sort by, the largest first.
            top_level_events_only: leave out what is inside of others.
        """
        chosen = list(self)
        if sort_by is not None:
            name = sort_by.replace("cuda", "device").replace("xpu", "device")
            chosen.sort(key=lambda event: getattr(event, name), reverse=True)
        if top_level_events_only:
            chosen = [event for event in chosen if event.cpu_parent is None]
        widths = {"Name": max_name_column_width, "Input Shapes": max_shapes_column_width}
        shown = {"memory": self._profile_memory, "flops": self._with_flops}
        total = self.self_cpu_time_total
        return table_of(chosen, chosen[:row_limit], total, widths, header, time_unit, **shown)

    def __str__(self) -> str:
        return self.table()

    def key_averages(
        self,
        group_by_input_shapes: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """The events added up by name, or by name and shapes."""
        groups: dict[Any, FunctionEventAvg] = defaultdict(FunctionEventAvg)
        for event in self:
            shapes = str(event.input_shapes) if group_by_input_shapes else ""
            group = groups[event.key, shapes].add(event)
            group.input_shapes = event.input_shapes if group_by_input_shapes else ""
            group.is_user_annotation = event.is_user_annotation
        return EventList(
            groups.values(), profile_memory=self._profile_memory, with_flops=self._with_flops
        )

    def total_average(self) -> FunctionEventAvg:
        """All of them added up."""
        total = FunctionEventAvg()
        for event in self:
            total += event
            total.key = None
        total.key = "Total"
        return total

    def export_chrome_trace(self, path: str | os.PathLike) -> None:
        """Write a trace for `chrome://tracing` and Perfetto; compressed, if it ends in .gz."""
        events = [
            {
                "ph": "X",
                "cat": "user_annotation" if event.is_user_annotation else "cpu_op",
                "name": event.name,
                "pid": os.getpid(),
                "tid": event.thread,
                "ts": event.time_range.start,
                "dur": event.cpu_time_total,
                "args": {"Input Dims": event.input_shapes} if event.input_shapes else {},
            }
            for event in self
        ]
        trace = {"schemaVersion": 1, "displayTimeUnit": "ms", "traceEvents": events}
        text = json.dumps(trace, indent=1).encode()
        with open(path, "wb") as file:
            file.write(gzip.compress(text) if str(path).endswith(".gz") else text)

    def export_stacks(self, path: str, metric: str) -> None:
        """Write what flame graphs are made of: names from the outside in, and microseconds."""
        with open(path, "w", encoding="utf-8") as file:
            for event in self:
                names, around = [], event
                while around is not None:
                    names.insert(0, around.name.replace(";", ","))
                    around = around.cpu_parent
                if int(event.self_cpu_time_total) > 0:
                    file.write(f"{';'.join(names)} {int(event.self_cpu_time_total)}\n")


def listed(recording: Recording | None, memory: bool, flops: bool) -> EventList:
    """The events of a recording."""
    events = [] if recording is None else recording.events
    made = {event: FunctionEvent(event) for event in events}
    for event, function in made.items():
        function.cpu_children = [made[child] for child in event.children]
        function.cpu_parent = None if event.parent is None else made[event.parent]
    return EventList(made.values(), profile_memory=memory, with_flops=flops)
