"""What goes with `kuai.compile`; PyTorch's `torch.compiler`."""

import contextlib
import functools

import jax

from kuai.engine.compile.compiler import compile
from kuai.engine.compile.padded_batches import batch_mask
from kuai.engine.tensor import modes
from kuai.engine.tensor.modes import unrecorded

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "batch_mask",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "list_backends",
    "reset",
    "set_stance",
]


def is_compiling() -> bool:
    """Whether the code runs inside a compiled function.

    Example:
        >>> kuai.compiler.is_compiling()
        False
    """
    return modes.state.recorder is not None or modes.state.capture is not None


def disable(fn=None, recursive: bool = True, *, reason: str | None = None):
    """Have a function run eagerly, also where a compiled function calls it; also a decorator.

    What has been recorded before is run first.

    Args:
        recursive: whether what the function calls runs eagerly, too; the function itself runs as
            Python in any case, so with False nothing changes.
        reason: accepted for PyTorch's sake.

    Example:
        >>> @kuai.compiler.disable
        ... def log(x):
        ...     print(x.item())
        >>> log(kuai.tensor(1.0))
        1.0
    """
    if fn is None:
        return functools.partial(disable, recursive=recursive, reason=reason)
    if not recursive:
        return fn

    @functools.wraps(fn)
    def eager(*args, **kwargs):
        with unrecorded(f"{getattr(fn, '__qualname__', repr(fn))}, which is not to be compiled"):
            return fn(*args, **kwargs)

    return eager


def is_dynamo_compiling() -> bool:
    """Whether PyTorch's own compiler reads the code: never.

    Example:
        >>> kuai.compiler.is_dynamo_compiling()
        False
    """
    return False


def is_exporting() -> bool:
    """Whether the code is traced for `kuai.export`."""
    return modes.state.capture is not None and modes.state.recorder is None


def allow_in_graph(fn):
    """The function itself: whatever it does is recorded."""
    return fn


def assume_constant_result(fn):
    """The function itself: it is called whenever the compiled function calls it."""
    return fn


def cudagraph_mark_step_begin() -> None:
    """Does nothing: XLA keeps the memory of results that somebody still holds."""


def list_backends(exclude_tags=("debug", "experimental")) -> list[str]:
    """The names of what compiles: XLA.

    Example:
        >>> kuai.compiler.list_backends()
        ['xla']
    """
    return ["xla"]


def reset() -> None:
    """Forget all compiled programs."""
    jax.clear_caches()


class set_stance(contextlib.ContextDecorator):
    """A context that changes nothing: compiled or not, a function does the same."""

    def __init__(self, stance="default", *, skip_guard_eval_unsafe=False, force_backend=None):
        self.stance = stance

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass
