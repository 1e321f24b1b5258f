"""`kuai.autograd.profiler`: the older path of `kuai.profiler`."""

from kuai.nn.watching.profiling import profile, record_function

__all__ = ["profile", "record_function"]
