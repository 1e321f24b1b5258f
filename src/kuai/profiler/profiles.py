"""`torch.profiler.profile`, and the older `torch.autograd.profiler.profile`."""

from __future__ import annotations

import enum
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from kuai.nn.watching.events import RUNNING, Event, Recording
from kuai.profiler.averages import EventList, FunctionEventAvg, listed
from kuai.profiler.schedules import ProfilerAction
from kuai.profiler.watching import Watch

__all__ = ["ProfilerActivity", "function_profile", "profile"]


class ProfilerActivity(enum.Enum):
    """What a profile looks at; here it is always the program's thread."""

    CPU = 0
    CUDA = 1
    XPU = 2
    MTIA = 3
    HPU = 4
    PrivateUse1 = 5


class _Profile:
    """What both kinds share: a recording, and what is made of it."""

    def __init__(self, shapes: bool, memory: bool, flops: bool):
        self.record_shapes, self.profile_memory, self.with_flops = shapes, memory, flops
        self._watch: Watch | None = None
        self._recorded: Recording | None = None

    def _start(self) -> None:
        self._watch = Watch(self.record_shapes, self.profile_memory, self.with_flops)
        self._recorded = self._watch.recording
        self._watch.start()

    def _stop(self) -> None:
        if self._watch is not None:
            self._watch.stop()
            self._watch = None

    def events(self) -> EventList:
        """What ran, one event each."""
        if self._recorded is None:
            raise AssertionError("Profiler must be initialized before calling events()")
        return listed(self._recorded, self.profile_memory, self.with_flops)

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """The events added up by name, or by name and shapes of the inputs."""
        return self.events().key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path: str) -> None:
        """Write a trace that `chrome://tracing` and https://ui.perfetto.dev open."""
        self.events().export_chrome_trace(path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write what flame graphs are made of."""
        self.events().export_stacks(path, metric)


class profile(_Profile):
    """Note which operations ran, and how long they took; a context manager.

    Args:
        activities, with_stack, with_modules, and other options of PyTorch's: accepted.
        schedule: what to do in which step, with a call of `step` after each; see
            `kuai.profiler.schedule`. Without it everything is recorded.
        on_trace_ready: called with the profile when a recording is complete.
        record_shapes, profile_memory, with_flops: note shapes, bytes of results, operations.

    Operations stand in it under PyTorch's names as the program calls them, nodes of a backward pass
    as there. Times are those of the program's thread: with `kuai.compile` and `kuai.fused`, where
    the program runs later as a whole, `kuai.profile` shows more.

    Example:
        >>> with kuai.profiler.profile() as profile:
        ...     with kuai.profiler.record_function("sums"):
        ...         _ = kuai.ones(2).sum()
        >>> [event.key for event in profile.key_averages()]
        ['sums', 'aten::ones', 'aten::sum']
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
    ):
        super().__init__(record_shapes, profile_memory, with_flops)
        self.activities = set(activities or {ProfilerActivity.CPU})
        self.schedule, self.record_steps = schedule or _always, schedule is not None
        self.on_trace_ready = on_trace_ready
        self.with_stack, self.with_modules = with_stack, with_modules
        self.step_num = 0
        self.current_action = self.schedule(0)
        self.metadata: dict[str, str] = {}
        self._step: Event | None = None

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()

    def start(self) -> None:
        """Begin, as the schedule says."""
        if _records(self.current_action):
            self._start()
        self._begin_step()

    def stop(self) -> None:
        """End; a recording that is under way is complete."""
        was_recording = self._watch is not None
        self._stop()
        if was_recording and self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def step(self) -> None:
        """Say that a step of the program has ended."""
        before = self.current_action
        self._end_step()
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        if before is ProfilerAction.RECORD and not _records(self.current_action):
            warnings.warn(
                "Incorrect schedule: RECORD followed by "
                f"{self.current_action.name}", stacklevel=2
            )  # fmt: skip
        if before is ProfilerAction.RECORD_AND_SAVE:
            self.stop()
        if _records(self.current_action) and self._watch is None:
            self._start()
        elif not _records(self.current_action):
            self._stop()
        self._begin_step()

    def add_metadata(self, key: str, value: str) -> None:
        """Keep a text with the profile."""
        self.metadata[key] = value

    add_metadata_json = preset_metadata_json = add_metadata

    def toggle_collection_dynamic(self, enable: bool, activities: Iterable) -> None:
        """Pause, or go on."""
        if enable and self._watch is not None and self._watch.recording not in RUNNING:
            self._watch.start()
        elif not enable and self._watch is not None:
            self._watch.stop()

    def _begin_step(self) -> None:
        if self.record_steps and self._watch is not None:
            self._step = self._watch.recording.begin(f"ProfilerStep#{self.step_num}")

    def _end_step(self) -> None:
        if self._step is not None and self._watch is not None:
            self._watch.recording.end(self._step)
        self._step = None


def _always(step: int) -> ProfilerAction:
    return ProfilerAction.RECORD


def _records(action: ProfilerAction) -> bool:
    return action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


class function_profile(_Profile):
    """`torch.autograd.profiler.profile`: as `kuai.profiler.profile`, without a schedule."""

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        experimental_config: Any = None,
        acc_events: bool = False,
        custom_trace_id_callback: Callable[[], str] | None = None,
    ):
        super().__init__(record_shapes, profile_memory, with_flops)
        self.enabled = enabled

    def __enter__(self) -> function_profile | None:
        if not self.enabled:
            return None
        if self._recorded is not None:
            raise RuntimeError("Profiler context manager is not reentrant")
        self._start()
        return self

    def __exit__(self, *error: Any) -> bool:
        self._stop()
        return False

    @property
    def function_events(self) -> EventList:
        """What ran, one event each."""
        if self._recorded is None:
            raise RuntimeError("Profiler didn't finish running")
        return self.events()

    @property
    def self_cpu_time_total(self) -> float:
        """How long all of it took, in microseconds."""
        return self.function_events.self_cpu_time_total

    def total_average(self) -> FunctionEventAvg:
        """All events added up."""
        return self.function_events.total_average()

    def table(self, *args: Any, **options: Any) -> str:
        """A table, a row for each event."""
        return self.function_events.table(*args, **options)

    def __repr__(self) -> str:
        return (
            "<unfinished torch.autograd.profile>" if self._recorded is None else repr(self.events())
        )

    def __str__(self) -> str:
        return (
            "<unfinished torch.autograd.profile>" if self._recorded is None else str(self.events())
        )
