"""Data pipes as far as classes of one's own need them: bases, a name for a function, decorators.

PyTorch keeps them for old programs. Its own pipes (`IterableWrapper`, `Mapper`, …) can be imported
where `torch` is Kuai, and say at use what to write instead.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kuai.data import Dataset, IterableDataset

__all__ = [
    "DFIterDataPipe",
    "DataChunk",
    "IterDataPipe",
    "MapDataPipe",
    "argument_validation",
    "functional_datapipe",
    "guaranteed_datapipes_determinism",
    "non_deterministic",
    "runtime_validation",
    "runtime_validation_disabled",
]


class DataChunk(list):
    """Samples that go through pipes together.

    Attributes:
        items: the same samples in a list.
    """

    def __init__(self, items: Iterable[Any]):
        items = list(items)
        super().__init__(items)
        self.items = items

    def as_str(self, indent: str = "") -> str:
        """The samples as a text."""
        return f"{indent}[{', '.join(map(str, iter(self)))}]"

    def raw_iterator(self) -> Iterator[Any]:
        """The samples, one after the other."""
        yield from self


class _Functions:
    """Functions that are called as methods of every pipe of a kind."""

    functions: dict[str, Callable]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if _Functions in cls.__bases__:
            cls.functions = {}

    def __getattr__(self, name: str) -> Any:
        if name in type(self).functions:
            return functools.partial(type(self).functions[name], self)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @classmethod
    def register_function(cls, function_name: str, function: Callable) -> None:
        """Have `pipe.<function_name>(…)` call a function with the pipe first."""
        cls.functions[function_name] = function

    @classmethod
    def register_datapipe_as_function(
        cls, function_name: str, cls_to_register: type, enable_df_api_tracing: bool = False
    ) -> None:
        """Have `pipe.<function_name>(…)` make a pipe of a class behind this one."""
        if function_name in cls.functions:
            raise Exception(
                f"Unable to add DataPipe function name {function_name} as it is already taken"
            )
        cls.functions[function_name] = cls_to_register


class IterDataPipe(_Functions, IterableDataset):
    """A stream of examples that others can be put behind."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return object.__reduce_ex__(self, protocol)

    def __str__(self) -> str:
        return str(type(self).__qualname__)

    __repr__ = __str__


class DFIterDataPipe(IterDataPipe):
    """A stream of rows of a data frame."""


class MapDataPipe(_Functions, Dataset):
    """Examples that are asked for by key."""

    def __str__(self) -> str:
        return str(type(self).__qualname__)

    __repr__ = __str__


class functional_datapipe:
    """Decorator: have pipes make one of a class by the name of a method.

    Example:
        >>> @kuai.utils.data.functional_datapipe("doubled")
        ... class Doubler(kuai.utils.data.IterDataPipe):
        ...     def __init__(self, source):
        ...         self.source = source
        ...     def __iter__(self):
        ...         return (2 * x for x in self.source)
        >>> class Counter(kuai.utils.data.IterDataPipe):
        ...     def __iter__(self):
        ...         return iter(range(3))
        >>> list(Counter().doubled().doubled())
        [0, 4, 8]
    """

    def __init__(self, name: str, enable_df_api_tracing: bool = False) -> None:
        self.name = name
        self.enable_df_api_tracing = enable_df_api_tracing

    def __call__(self, cls: Any) -> Any:
        base = next((kind for kind in (IterDataPipe, MapDataPipe) if issubclass(cls, kind)), None)
        if base is None:
            raise TypeError("`functional_datapipe` can only decorate IterDataPipe or MapDataPipe")
        base.register_datapipe_as_function(self.name, cls)
        return cls


_deterministic = [False]


class guaranteed_datapipes_determinism(contextlib.ContextDecorator):
    """A context in which pipes that are decorated as `non_deterministic` refuse to be made."""

    def __init__(self) -> None:
        self.before = _deterministic[0]
        _deterministic[0] = True

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        _deterministic[0] = self.before


class non_deterministic:
    """Decorator of a class of pipes, or with a function that says of its arguments whether so."""

    def __init__(self, arg: Any) -> None:
        self.asked = (lambda *args, **kwargs: True) if isinstance(arg, type) else arg
        self.cls = arg if isinstance(arg, type) else None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.cls is None:
            self.cls = args[0]
            return self._make
        return self._make(*args, **kwargs)

    def _make(self, *args: Any, **kwargs: Any) -> Any:
        if _deterministic[0] and self.asked(*args, **kwargs):
            name = getattr(self.cls, "__name__", self.cls)
            raise TypeError(
                f"{name} is non-deterministic with the input arguments, but you set "
                "'guaranteed_datapipes_determinism'. You can turn off determinism for this "
                "DataPipe if that is acceptable for your application"
            )
        return self.cls(*args, **kwargs)  # pyright: ignore[reportOptionalCall]


def argument_validation(f: Callable) -> Callable:
    """Decorator that changes nothing: types are not compared when a program runs."""
    return f


def runtime_validation(f: Callable) -> Callable:
    """Decorator that changes nothing: types are not compared when a program runs."""
    return f


class runtime_validation_disabled(contextlib.ContextDecorator):
    """A context that changes nothing."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        pass
