"""Types as a stub file writes them.

Names that Kuai gives to other things too (`kuai.int` is a dtype, `Tensor.float` a method) hide
Python's own in the files they stand in, so types are written under names with an underscore.
"""

import collections.abc
import types
import typing
from typing import Any

import numpy

from kuai.engine.op import Array, Number
from kuai.engine.tensor import Tensor
from kuai.ops import return_types

BUILTINS = (bool, bytes, complex, dict, float, int, object, str, type)
NUMBER = "_float | _int | _bool | _complex"
_SEQUENCES = (tuple, list, collections.abc.Sequence, collections.abc.Iterable)


class Types:
    """Writes types, and remembers what has to be imported for them."""

    def __init__(self) -> None:
        self.imports: set[str] = set()

    def result(self, hint: Any) -> str:
        """A hint as the type of what a function gives."""
        return self._union(hint, is_result=True)

    def parameter(self, hint: Any) -> str:
        """A hint as the type of what a function takes: a tuple there may be a list as well."""
        return self._union(hint, is_result=False)

    def _union(self, hint: Any, is_result: bool) -> str:
        is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
        parts = typing.get_args(hint) if is_union else (hint,)
        texts = list(dict.fromkeys(self._single(part, is_result) for part in parts))
        return "Any" if "Any" in texts else " | ".join(texts)

    def _single(self, hint: Any, is_result: bool) -> str:
        if hint is Array or hint is Tensor:
            return "Tensor"
        if hint is Number:
            return NUMBER
        if hint is None or hint is types.NoneType:
            return "None"
        if typing.get_origin(hint) is not None:
            return self._generic(hint, is_result)
        if hint is collections.abc.Callable:
            return "Callable[..., Any]"
        return self._class(hint) if isinstance(hint, type) else "Any"

    def _generic(self, hint: Any, is_result: bool) -> str:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is collections.abc.Callable:
            return "Callable[..., Any]"
        texts = [self._union(part, is_result) for part in arguments if part is not Ellipsis]
        if origin in _SEQUENCES and not is_result:
            return f"Sequence[{texts[0]}]" if len(set(texts)) == 1 else "Any"
        if origin is tuple and Ellipsis in arguments:
            return f"tuple[{texts[0]}, ...]"
        if origin in (tuple, list):
            return f"{origin.__name__}[{', '.join(texts)}]"
        return f"dict[{', '.join(texts)}]" if origin is dict else "Any"

    def _class(self, hint: type) -> str:
        name, module = hint.__name__, hint.__module__
        if hint in BUILTINS:
            return f"_{name}"
        if module == return_types.__name__:
            return f"return_types.{name}"
        if hint is numpy.ndarray:
            self.imports.add("from numpy.typing import NDArray as _NDArray")
            return "_NDArray[Any]"
        if not module.startswith("kuai.") or "<" in hint.__qualname__:
            return "Any"
        self.imports.add(f"from {module} import {name} as _{name}")
        return f"_{name}"
