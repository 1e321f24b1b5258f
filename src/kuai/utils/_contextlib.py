"""`kuai.utils._contextlib`: contexts that decorate functions, generators and classes, too."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["context_decorator"]


def context_decorator(ctx: Any, func: Callable) -> Callable:
    """A function whose every call runs inside of a new context.

    Args:
        ctx: makes a context, or is one that can be entered again and again.

    Example:
        >>> from kuai.utils._contextlib import context_decorator
        >>> context_decorator(kuai.no_grad, kuai.is_grad_enabled)()
        False
    """
    if not (callable(ctx) or hasattr(ctx, "__enter__")):
        raise TypeError("Input must be either a context manager or a callable that makes one")
    if inspect.isclass(func):
        raise RuntimeError(
            "Cannot decorate classes; it is ambiguous whether only the constructor or all methods "
            "should have the context manager applied"
        )
    make: Any = ctx if not hasattr(ctx, "__enter__") or inspect.isclass(ctx) else lambda: ctx
    if inspect.isgeneratorfunction(func):
        return _around_generator(make, func)

    @functools.wraps(func)
    def inside(*args, **kwargs):
        with make():
            return func(*args, **kwargs)

    return inside


def _around_generator(make: Callable, func: Callable) -> Callable:
    """The context holds while the generator runs, and not between its values."""

    @functools.wraps(func)
    def inside(*args, **kwargs):
        running = func(*args, **kwargs)
        step, given = running.send, None
        try:
            while True:
                with make():
                    found = step(given)
                try:
                    given, step = (yield found), running.send
                except GeneratorExit:
                    with make():
                        running.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - it is the generator's
                    given, step = error, running.throw
        except StopIteration as end:
            return end.value

    return inside


class _DecoratorContextManager:
    """Base class of contexts that are decorators as well: `@context()`."""

    def __call__(self, orig_func: Callable) -> Callable:
        return context_decorator(self.clone, orig_func)

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        raise NotImplementedError

    def clone(self) -> Any:
        """Another one of the same arguments."""
        return type(self)()


class _NoParamDecoratorContextManager(_DecoratorContextManager):
    """The same of those without arguments: `@context` works, too."""

    def __new__(cls, orig_func: Callable | None = None):
        return super().__new__(cls) if orig_func is None else cls()(orig_func)
