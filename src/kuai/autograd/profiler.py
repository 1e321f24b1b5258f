"""`kuai.autograd.profiler`: the older path of `kuai.profiler`."""

from kuai.nn.watching.profiling import profile, record_function
from kuai.standin.refusing import refused_class

__all__ = ["EventList", "emit_nvtx", "profile", "record_function"]

EventList = refused_class(
    "torch.autograd.profiler.EventList", "events are in the folder that a profile writes",
    "Open it with TensorBoard",
)  # fmt: skip
emit_nvtx = refused_class(
    "torch.autograd.profiler.emit_nvtx", "XLA's programs are named in profiles already",
    "Use kuai.profile",
)  # fmt: skip
