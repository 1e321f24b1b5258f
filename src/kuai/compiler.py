"""What goes with `kuai.compile`; PyTorch's `torch.compiler`."""

import functools

from kuai.engine.compile.compiling import compile
from kuai.engine.compile.padded_batches import batch_mask
from kuai.engine.tensor import modes
from kuai.errors import NotOneProgramError

__all__ = ["batch_mask", "compile", "disable", "is_compiling"]


def is_compiling() -> bool:
    """Whether the code is running while a function is being compiled.

    Example:
        >>> kuai.compiler.is_compiling()
        False
    """
    return modes.state.capture is not None


def disable(fn=None, recursive: bool = True, *, reason: str | None = None):
    """Have a function, and so whatever compiled function calls it, run eagerly; also a decorator.

    Args:
        recursive: must be True; what the function calls runs eagerly as well.
        reason: said in the warning.

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
        if modes.state.capture is not None:
            name = getattr(fn, "__qualname__", repr(fn))
            why = f" ({reason})" if reason else ""
            raise NotOneProgramError(f"it calls {name}, which is not to be compiled{why}")
        return fn(*args, **kwargs)

    return eager
