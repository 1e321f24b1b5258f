"""`kuai.utils._contextlib`: the classes of context managers that decorate, too; packages derive
theirs from these."""

from typing import Any

from kuai.engine.tensor.modes import decorated

__all__: list[str] = []


def context_decorator(ctx: Any, func: Any) -> Any:
    """A function, a generator function or a class whose code runs in a context.

    Args:
        ctx: a context manager, or a function that makes one.
    """
    new = ctx if callable(ctx) and not hasattr(ctx, "__enter__") else lambda: ctx
    return decorated(new, func)


class _DecoratorContextManager:
    """A context manager that decorates functions: each call has a fresh one, from `clone`."""

    def __call__(self, orig_func: Any) -> Any:
        return decorated(self.clone, orig_func)

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        raise NotImplementedError

    def clone(self):
        """Another one with the same arguments; those that have some override it."""
        return self.__class__()


class _NoParamDecoratorContextManager(_DecoratorContextManager):
    """One without arguments: `@manager` and `@manager()` are the same."""

    def __new__(cls, orig_func: Any = None) -> Any:
        made = super().__new__(cls)
        return made if orig_func is None else made(orig_func)
