"""`kuai.cuda.profiler`: when NVIDIA's profiler is on, which XLA does not know."""

from kuai.standin.refusing import refused

__all__ = ["profile", "start", "stop"]

_WHY = "XLA has a profiler of its own", "Use kuai.profiler.profile"
profile = refused("torch.cuda.profiler.profile", *_WHY)
start = refused("torch.cuda.profiler.start", *_WHY)
stop = refused("torch.cuda.profiler.stop", *_WHY)
