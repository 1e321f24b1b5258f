"""`kuai.profiler`: PyTorch's import path for profiles."""

import enum

from kuai.nn.watching.profiling import profile, record_function

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


class ProfilerActivity(enum.Enum):
    """What a profile looks at in PyTorch; Kuai's looks at everything that JAX sees."""

    CPU = 0
    CUDA = 1
    XPU = 2
    MTIA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(enum.Enum):
    """What a profile does in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """What can be looked at."""
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    """Whether PyTorch's own recorder of events is there: it is not, XLA's is."""
    return False


def schedule(*, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, **more):
    """A function from a step's number to what a profile does in it.

    Example:
        >>> plan = kuai.profiler.schedule(wait=1, warmup=0, active=1)
        >>> plan(0).name, plan(1).name
        ('NONE', 'RECORD_AND_SAVE')
    """

    def action(step: int) -> ProfilerAction:
        step, length = step - skip_first, wait + warmup + active
        if step < 0 or repeat and step // length >= repeat:
            return ProfilerAction.NONE
        place = step % length
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if place == length - 1 else ProfilerAction.RECORD

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name=None, use_gzip: bool = False, use_python_export: bool = False
):
    """A function that does nothing: Kuai's profile writes its folder itself."""
    return lambda profile: None
