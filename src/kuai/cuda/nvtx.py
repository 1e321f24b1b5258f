"""`kuai.cuda.nvtx`: marks in a profile; `kuai.profiler.record_function` makes Kuai's own."""

from kuai.standin.refusing import refused

__all__ = ["mark", "range_pop", "range_push"]

_WHY = "XLA's profiler has marks of its own", "Use kuai.profiler.record_function"
mark = refused("torch.cuda.nvtx.mark", *_WHY)
range_push = refused("torch.cuda.nvtx.range_push", *_WHY)
range_pop = refused("torch.cuda.nvtx.range_pop", *_WHY)
