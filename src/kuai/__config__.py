"""`kuai.__config__`: what this build is made of, as text; packages look for words in it."""

import importlib.metadata

import jax

from kuai import precision

__all__ = ["parallel_info", "show"]


def show() -> str:
    """The versions of what computes.

    Example:
        >>> kuai.__config__.show().splitlines()[0]
        'PyTorch built with:'
    """
    jaxlib = importlib.metadata.version("jaxlib")
    return f"PyTorch built with:\n  - JAX {jax.__version__}\n  - XLA of jaxlib {jaxlib}\n"


def parallel_info() -> str:
    """How many threads there are.

    Example:
        >>> kuai.__config__.parallel_info().splitlines()[0]
        'ATen/Parallel:'
    """
    return (
        f"ATen/Parallel:\n\tat::get_num_threads() : {precision.get_num_threads()}\n"
        f"\tat::get_num_interop_threads() : {precision.get_num_interop_threads()}\n"
    )
