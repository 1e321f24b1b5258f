"""`kuai.autograd.profiler`: the older path of `kuai.profiler`."""

import contextlib
from typing import Any

from kuai.nn.watching.profiling import record_function
from kuai.profiler.averages import EventList, FunctionEvent, FunctionEventAvg
from kuai.profiler.profiles import function_profile as profile
from kuai.standin.refusing import refused_class

__all__ = [
    "EventList",
    "FunctionEvent",
    "FunctionEventAvg",
    "emit_itt",
    "emit_nvtx",
    "profile",
    "record_function",
]

_REFUSED = "XLA's programs are named in profiles already", "Use kuai.profile"
_emit = refused_class("torch.autograd.profiler.emit_nvtx", *_REFUSED)


class emit_nvtx(contextlib.AbstractContextManager):
    """Marks for other profilers: refused, unless it is switched off."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False):
        self.enabled = enabled

    def __enter__(self) -> Any:
        return _emit() if self.enabled else self

    def __exit__(self, *error: Any) -> None:
        """Nothing has to be undone."""


emit_itt = emit_nvtx
