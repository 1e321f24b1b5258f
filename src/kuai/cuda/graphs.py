"""CUDA graphs by hand: PyTorch's way to launch many kernels at once, which a compiled step is."""

from typing import Any

from kuai.standin.refusing import refused_class

__all__ = ["CUDAGraph", "graph", "graph_pool_handle", "make_graphed_callables"]

_REASON = "XLA runs a compiled step as one program and launches it as one"
CUDAGraph: Any = refused_class("torch.cuda.CUDAGraph", _REASON, "Use kuai.compile on the step")
graph: Any = refused_class("torch.cuda.graph", _REASON, "Use kuai.compile on the step")


def make_graphed_callables(callables, sample_args=(), **options):
    """The functions or modules themselves: `kuai.compile` does more than a graph would."""
    return callables


def graph_pool_handle() -> tuple[int, int]:
    """A name of a pool of memory, which nothing looks at."""
    return (0, 0)
