"""The modes a thread is in: does it record gradients, are its operations traced or recorded.

One thread-local object holds them all, because every operation asks.
"""

import contextlib
import functools
import inspect
import threading
import warnings
from collections.abc import Callable
from typing import Any, Self, TypeVar, overload

import jax

__all__ = [
    "decorated",
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "outside",
    "record_everything",
    "set_grad_enabled",
    "set_multithreading_enabled",
    "enforce_grad_layout_policy",
    "state",
    "unrecorded",
]


_Function = TypeVar("_Function", bound=Callable)


class _State(threading.local):
    grad_enabled = True
    inference = False
    capture: Any = None  # the `autograd.tracing.Capture` that is tracing this thread
    # the `compile.recorder.Recorder` that operations go to, if they are not run
    recorder: Any = None
    block: Any = None  # the module whose forward is running, where that is followed (see `blocks`)
    level: Any = None  # the same, if it is the inside of a `vmap` (see `batching`)
    transforms = 0  # how many of kuai.func's transforms are running
    old_functions = 0  # whether transforms take `autograd.Function`s without `setup_context`
    skip_updates: Any = None  # a tensor that says whether optimizers are to change nothing
    new_recorder: Any = None  # what makes the recorder of each thread, under KUAI_FUSED=1
    autocast: Any = None  # ((device type, dtype), ...) where autocast is on (see `op.autocast`)

    walk: Any = None  # the walk down the tape that goes on in this thread
    around: Any = None  # what runs operations instead, see `autograd.around`
    levels: tuple = ()  # the levels of forward mode that are on, the outermost first
    saved_hooks: tuple = ()  # (pack, unpack) of what the tape saves, the innermost last
    no_saved_hooks: str | None = None  # why there may be none

    overriding_off = 0  # whether `__torch_function__` is not asked (see `overriding`)
    passed_over = False  # whether the next question is answered with no (see `redispatch_function`)
    function_modes: tuple = ()  # the `TorchFunctionMode`s that are on, the outermost first

    def __init__(self):  # once in each thread
        if self.new_recorder is not None:
            self.recorder = self.new_recorder()


state = _State()


def record_everything(new_recorder) -> None:
    """Have all threads, this one too, record their operations from the beginning."""
    _State.new_recorder = staticmethod(new_recorder)
    state.recorder = new_recorder()


def is_grad_enabled() -> bool:
    """Whether operations are recorded for `backward()` in this thread."""
    return state.grad_enabled


def is_inference_mode_enabled() -> bool:
    """Whether `inference_mode` is on in this thread."""
    return state.inference


class _Mode:
    """A context manager that can also decorate functions, generator functions and coroutines."""

    _grad: bool

    def __enter__(self):
        self._previous = getattr(self, "_previous", []) + [(state.grad_enabled, state.inference)]
        self._set()

    def _set(self):
        state.grad_enabled = self._grad

    def __exit__(self, *_):
        *self._previous, (state.grad_enabled, state.inference) = self._previous

    def clone(self):
        """A fresh context manager of the same kind."""
        return type(self)()

    def __call__(self, func: _Function) -> _Function:
        wrapped: Any = decorated(self.clone, func)
        return wrapped

    def __repr__(self):
        return f"<{type(self).__module__}.{type(self).__qualname__} object at {id(self):#x}>"


def decorated(new_mode, func):
    """A function or generator function whose code runs in a context; each call has a new one."""
    if inspect.isclass(func):
        warnings.warn(_CLASS, FutureWarning, stacklevel=3)
    if inspect.isgeneratorfunction(func):
        return _wrapped_generator(new_mode, func)

    @functools.wraps(func)
    def called(*args, **kwargs):
        with new_mode():
            return func(*args, **kwargs)

    return called


_CLASS = (
    "Decorating classes is deprecated and will be disabled in future versions. You should only "
    "decorate functions or methods. To preserve the current behavior of class decoration, you can "
    "directly decorate the `__init__` method and nothing else."
)


def _wrapped_generator(new_mode, func):
    """A generator function whose body, but not what happens between its steps, has a mode."""

    @functools.wraps(func)
    def generate(*args, **kwargs):
        generator = func(*args, **kwargs)
        step = functools.partial(next, generator)
        try:
            while True:
                with new_mode():
                    made = step()
                try:
                    step = functools.partial(generator.send, (yield made))
                except GeneratorExit:
                    with new_mode():
                        generator.close()
                    raise
                except BaseException as error:  # noqa: BLE001 (the caller's, for the generator)
                    step = functools.partial(generator.throw, error)
        except StopIteration as end:
            return end.value

    return generate


class no_grad(_Mode):
    """Switch off recording for `backward()`; a context manager and a decorator.

    Example:
        >>> x = kuai.ones(2, requires_grad=True)
        >>> with kuai.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False
    """

    _grad = False

    @overload
    def __new__(cls, orig_func: _Function) -> _Function: ...
    @overload
    def __new__(cls, orig_func: None = None) -> Self: ...
    def __new__(cls, orig_func=None) -> Any:
        made = super().__new__(cls)
        return made if orig_func is None else made(orig_func)

    def __init__(self, orig_func=None):
        pass


class enable_grad(no_grad):
    """Switch recording for `backward()` on again inside `no_grad`; a context manager and a
    decorator."""

    _grad = True


class set_grad_enabled(_Mode):
    """Switch recording on or off according to `mode`, at once; also a context manager and a
    decorator."""

    def __init__(self, mode: bool):
        if not isinstance(mode, bool):
            raise TypeError(
                "set_grad_enabled(): argument 'enabled' (position 1) must be bool, "
                f"not {type(mode).__name__}"
            )
        self.mode = mode
        self._previous = [(state.grad_enabled, state.inference)]
        state.grad_enabled = self.mode

    def __enter__(self):
        state.grad_enabled = self.mode

    @property
    def prev(self) -> bool:
        """What was set before."""
        return self._previous[0][0]

    def __call__(self, function):
        state.grad_enabled = self._previous.pop()[0]  # as a decorator it only acts inside calls
        return super().__call__(function)

    def clone(self):
        """A fresh context manager with the same setting."""
        return type(self)(self.mode)

    def __repr__(self):
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.mode})"


class inference_mode(_Mode):
    """As `no_grad`; `is_inference_mode_enabled()` and `is_inference()` of what is made tell of it.

    Differs from PyTorch: tensors made inside may be used for training afterwards, because what the
    tape saves can never be overwritten.
    """

    _grad = False

    @overload
    def __new__(cls, mode: bool = True) -> Self: ...
    @overload
    def __new__(cls, mode: _Function) -> _Function: ...
    def __new__(cls, mode: Any = True) -> Any:
        made = super().__new__(cls)
        if callable(mode):
            made.mode = True
            return made(mode)
        return made

    def __init__(self, mode: bool = True):
        self.mode = bool(mode)

    def _set(self):
        state.grad_enabled = not self.mode
        state.inference = self.mode

    def clone(self):
        """A fresh context manager with the same setting."""
        return type(self)(self.mode)

    def __repr__(self):
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.mode})"


class _Accepted:
    """A context of PyTorch's in which nothing is different."""

    def __init__(self, mode: bool):
        self.mode = mode

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_) -> None:
        pass

    def clone(self) -> Self:
        """Another one of the same kind."""
        return type(self)(self.mode)


class set_multithreading_enabled(_Accepted):
    """Accepted for PyTorch's sake: XLA, not the tape, divides the work among threads."""


class enforce_grad_layout_policy(_Accepted, contextlib.ContextDecorator):
    """Accepted for PyTorch's sake: gradients have no strides of their own.

    Example:
        >>> with kuai.autograd.enforce_grad_layout_policy(False):
        ...     pass
    """

    def __init__(self, enable: bool = True):
        super().__init__(enable)


@contextlib.contextmanager
def unrecorded(what: str):
    """Have operations run at once for a while; what has been recorded before is run first.

    Args:
        what: why, for whoever wants to know what ended the record.
    """
    recorder = state.recorder
    if recorder is None:
        yield
        return
    recorder.flush(what)
    state.recorder = None
    try:
        yield
    finally:
        state.recorder = recorder


@contextlib.contextmanager
def outside():
    """Make real tensors for a while, whatever is traced or recorded: parameters, say."""
    capture, state.capture = state.capture, None
    recorder, state.recorder = state.recorder, None
    try:
        if capture is None:
            yield
        else:
            with jax.ensure_compile_time_eval():
                yield
    finally:
        state.capture, state.recorder = capture, recorder
