"""What goes with `kuai.compile`; PyTorch's `torch.compiler`."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from kuai.engine.compile.compiler import compile
from kuai.engine.compile.padded_batches import batch_mask
from kuai.engine.tensor import Tensor, from_array, modes
from kuai.engine.tensor.modes import unrecorded
from kuai.utils import _pytree as pytree

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
    "get_default_backend",
    "keep_portable_guards_unsafe",
    "keep_tensor_guards_unsafe",
    "list_backends",
    "nested_compile_region",
    "reset",
    "set_default_backend",
    "set_enable_guard_collectives",
    "set_stance",
    "skip_all_guards_unsafe",
    "skip_guard_on_all_nn_modules_unsafe",
    "skip_guard_on_globals_unsafe",
    "skip_guard_on_inbuilt_nn_modules_unsafe",
    "substitute_in_graph",
    "wrap_numpy",
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


_default_backend: list[Any] = [None]


def set_default_backend(backend: str | Callable | None) -> None:
    """Note the backend that `kuai.compile` is to use; there is one, XLA, so nothing changes.

    Args:
        backend: a name or a function; None sets back.
    """
    if not (backend is None or isinstance(backend, str) or callable(backend)):
        raise TypeError(f"backend must be a string or callable, got {type(backend)}")
    _default_backend[0] = backend


def get_default_backend() -> str | Callable:
    """What `set_default_backend` was told, else XLA.

    Example:
        >>> kuai.compiler.get_default_backend()
        'xla'
    """
    return "xla" if _default_backend[0] is None else _default_backend[0]


def nested_compile_region(fn=None, *args, **options):
    """The function itself, also as a decorator: equal parts of a program are XLA's concern."""
    return (lambda function: function) if fn is None else fn


def substitute_in_graph(
    original_fn,
    *,
    can_constant_fold_through=False,
    skip_signature_check=False,
    is_embedded_type=False,
):
    """A decorator that changes nothing: whatever a function calls is run, and recorded."""
    return lambda traceable: traceable


def wrap_numpy(fn):
    """Make a function of NumPy's arrays one of tensors.

    Example:
        >>> import numpy
        >>> kuai.compiler.wrap_numpy(lambda x: numpy.sin(x))(kuai.zeros(2))
        tensor([0., 0.])
    """

    @functools.wraps(fn)
    def wrapped(*args, **kwargs):
        arrays, named = pytree.tree_map_only(Tensor, lambda x: x.numpy(), (args, kwargs))
        return pytree.tree_map_only(np.ndarray, from_array, fn(*arrays, **named))

    return wrapped


def set_enable_guard_collectives(enabled: bool) -> bool:
    """Does nothing, and gives False: there are no guards."""
    return False


def _keep_all(guard_entries):
    """All of the entries: there are no guards that could be left out."""
    return [True] * len(guard_entries)


skip_all_guards_unsafe = skip_guard_on_globals_unsafe = _keep_all
skip_guard_on_all_nn_modules_unsafe = skip_guard_on_inbuilt_nn_modules_unsafe = _keep_all


def keep_tensor_guards_unsafe(guard_entries, keep_parameters=False):
    """All of the entries: there are no guards that could be left out."""
    return _keep_all(guard_entries)


keep_portable_guards_unsafe = _keep_all


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
