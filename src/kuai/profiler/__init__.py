"""`kuai.profiler`: which operations ran, and how long they took, as PyTorch shows it.

`kuai.profile` is Kuai's own: a trace of what XLA runs.
"""

from kuai.nn.watching.profiling import record_function
from kuai.profiler.profiles import ProfilerActivity, profile
from kuai.profiler.schedules import ProfilerAction, schedule, tensorboard_trace_handler

__all__ = [
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]


def supported_activities() -> set[ProfilerActivity]:
    """What can be looked at."""
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    """Whether PyTorch's own recorder of events is there: it is not."""
    return False
