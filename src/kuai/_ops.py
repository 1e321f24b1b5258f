"""`kuai._ops`: where operations are found, `kuai.ops.<library>.<operation>`, as in PyTorch."""

import functools
import pathlib
from collections.abc import Callable
from typing import Any

from kuai import ops
from kuai.engine.op import REGISTRY
from kuai.standin import aten

__all__ = ["OpOverload", "OpOverloadPacket", "defined", "namespace"]

#: What `kuai.library` has defined, by `library::operation`.
defined: dict[str, Any] = {}


class _OpNamespace:
    """`kuai.ops.<name>`: the operations of a library, or PyTorch's own, `aten`."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, operation: str) -> Any:
        found = defined.get(f"{self._name}::{operation}")
        if found is None and self._name in ("aten", "prims"):
            found = _as_overloads(operation) or _only_in_aten(operation)
        if found is None:
            raise AttributeError(
                f"'_OpNamespace' '{self._name}' object has no attribute '{operation}'"
            )
        return found


class OpOverloadPacket:
    """One of PyTorch's own operations with its overloads, all of which are the same function."""

    def __init__(self, function: Callable, name: str):
        self._function, self.__name__ = function, name

    def __call__(self, *args, **kwargs):
        return self._function(*args, **kwargs)

    def __getattr__(self, overload: str) -> Any:
        if overload.startswith("__"):
            raise AttributeError(overload)
        made = OpOverload(self._function, self.__name__, overload)
        setattr(self, overload, made)
        return made

    def __repr__(self):
        return f"aten.{self.__name__}"


class OpOverload:
    """One overload: the same function."""

    def __init__(self, function: Callable, name: str, overload: str):
        self._function, self.__name__, self._overload = function, f"{name}.{overload}", overload
        self._packet = name

    def __call__(self, *args, **kwargs):
        return self._function(*args, **kwargs)

    def name(self) -> str:
        """The name with the namespace."""
        return f"aten::{self._packet if self._overload == 'default' else self.__name__}"

    def __repr__(self):
        return f"aten.{self.__name__}"


@functools.cache
def _as_overloads(name: str) -> OpOverloadPacket | None:
    scopes = (REGISTRY.functions, REGISTRY.functional, REGISTRY.methods, *REGISTRY.modules.values())
    found = next((scope[name] for scope in scopes if name in scope), None)
    return None if found is None else OpOverloadPacket(found, name)


def _only_in_aten(name: str) -> OpOverloadPacket | None:
    return OpOverloadPacket(aten.OPERATIONS[name], name) if name in aten.OPERATIONS else None


_NAMESPACES: dict[str, _OpNamespace] = {}
_LOADED: set[str] = set()


def namespace(name: str) -> _OpNamespace:
    """The operations of a library that has defined some, or PyTorch's own.

    Of other names there is nothing, not even an empty namespace as in PyTorch: whoever looks into a
    module for something that they would call, as test runners do, would take that for it.
    """
    libraries = {each.partition("::")[0] for each in defined}
    if name not in libraries | {"aten", "prims"}:
        raise AttributeError(f"module 'kuai.ops' has no attribute {name!r}")
    return _NAMESPACES.setdefault(name, _OpNamespace(name))


def _load_library(path: str) -> None:
    """Load a package's compiled operations: those that Kuai has itself are there at once.

    Raises:
        OSError: they need the real PyTorch.
    """
    known = {name.partition("::")[0] for name in defined}
    if not known.intersection(pathlib.Path(path).parts):
        raise OSError(
            f"{path} holds operations that are compiled for the real PyTorch, and cannot be "
            "loaded: here `torch` is Kuai. Define them in Python with kuai.library.custom_op"
        )
    _LOADED.add(path)


for _name, _value in {
    "__getattr__": namespace,
    "load_library": _load_library,
    "loaded_libraries": _LOADED,
}.items():
    setattr(ops, _name, _value)
