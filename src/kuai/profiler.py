"""`kuai.profiler`: PyTorch's import path for profiles."""

from kuai.nn.watching.profiling import profile, record_function

__all__ = ["profile", "record_function"]
