"""`kuai._dynamo`: names of PyTorch's compiler that programs use; there is no such compiler here.

`kuai.compile` records what a function does in every call, so nothing has to be allowed, marked or
reset; what changes a program's behaviour is in `kuai.compiler`.
"""

import functools
from typing import Any

from kuai._dynamo import config as config, eval_frame as eval_frame, utils as utils
from kuai._dynamo.eval_frame import OptimizedModule
from kuai.compiler import (
    allow_in_graph,
    assume_constant_result,
    disable,
    is_compiling,
    list_backends,
    reset,
)
from kuai.engine.compile.compiler import compile as _compile
from kuai.engine.compile.explaining import Explanation

__all__ = [
    "OptimizedModule",
    "allow_in_graph",
    "assume_constant_result",
    "config",
    "disable",
    "disallow_in_graph",
    "explain",
    "forbid_in_graph",
    "graph_break",
    "is_compiling",
    "list_backends",
    "mark_dynamic",
    "mark_static",
    "mark_static_address",
    "maybe_mark_dynamic",
    "optimize",
    "reset",
    "run",
]


def disallow_in_graph(fn):
    """The function itself: it runs as Python in any case."""
    return fn


forbid_in_graph = disallow_in_graph


def run(fn):
    """The function itself."""
    return fn


def graph_break() -> None:
    """Does nothing: a program ends where a value is asked for, and nowhere else."""


def mark_dynamic(t, index, *, hint_override=None, min=None, max=None) -> None:
    """Does nothing: sizes are part of a program; `kuai.compile(dynamic_batch=True)` pads them."""


def maybe_mark_dynamic(t, index) -> None:
    """Does nothing, as `mark_dynamic`."""


def mark_static(t, index=None) -> None:
    """Does nothing: all sizes are static."""


def mark_static_address(t, guard=True) -> None:
    """Does nothing: XLA places tensors itself."""


def optimize(backend="inductor", *, nopython=False, disable=False, dynamic=None, **options):
    """`kuai.compile` as a decorator with the older name."""
    return lambda fn: _compile(fn, fullgraph=nopython, disable=disable)


def explain(f, *args, **kwargs):
    """A function that runs `f` compiled, and says what became of it; see `kuai.compile`.

    Example:
        >>> explanation = kuai._dynamo.explain(kuai.nn.Linear(2, 1))(kuai.ones(3, 2))
        >>> explanation.graph_count, explanation.graph_break_count
        (1, 0)
    """

    @functools.wraps(f, updated=())
    def call(*args, **kwargs):  # a module would be compiled for good
        return f(*args, **kwargs)

    call.__qualname__ = getattr(f, "__qualname__", type(f).__name__)

    def explained(*args, **kwargs) -> Explanation:
        compiled: Any = _compile(call)
        compiled(*args, **kwargs)
        return compiled.explain()

    return explained(*args, **kwargs) if args or kwargs else explained
