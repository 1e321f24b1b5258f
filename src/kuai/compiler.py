"""What goes with `kuai.compile`; PyTorch's `torch.compiler`."""

import functools

from kuai.engine.compile.compiler import compile
from kuai.engine.compile.padded_batches import batch_mask
from kuai.engine.tensor import modes
from kuai.engine.tensor.modes import unrecorded

__all__ = ["batch_mask", "compile", "disable", "is_compiling"]


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
        recursive: must be True; what the function calls runs eagerly as well.
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
        raise ValueError("kuai.compiler.disable has recursive=True only")

    @functools.wraps(fn)
    def eager(*args, **kwargs):
        with unrecorded(f"{getattr(fn, '__qualname__', repr(fn))}, which is not to be compiled"):
            return fn(*args, **kwargs)

    return eager
