"""`kuai._ops`: where operations are found, `kuai.ops.<library>.<operation>`, as in PyTorch."""

import functools
import pathlib
from collections.abc import Callable
from typing import Any

from kuai import ops
from kuai.engine.op import REGISTRY
from kuai.standin import aten, aten_backward

__all__ = ["OpOverload", "OpOverloadPacket", "Schema", "defined", "namespace", "packet_of"]

#: What `kuai.library` has defined, by `library::operation`.
defined: dict[str, Any] = {}
#: The packets of those, so that one is the same object each time.
_PACKETS: "dict[str, OpOverloadPacket]" = {}


class _OpNamespace:
    """`kuai.ops.<name>`: the operations of a library, or PyTorch's own, `aten`."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, operation: str) -> Any:
        found = packet_of(f"{self._name}::{operation}")
        if found is None and self._name in ("aten", "prims"):
            found = _only_in_aten(operation) or _as_overloads(operation)
        if found is None:
            raise AttributeError(
                f"'_OpNamespace' '{self._name}' object has no attribute '{operation}'"
            )
        return found


def packet_of(qualified: str) -> "OpOverloadPacket | None":
    """The packet of an operation that `kuai.library` has defined."""
    function = defined.get(qualified)
    if function is None:
        return None
    made = _PACKETS.get(qualified)
    if made is None or made._function is not function:
        library, _, name = qualified.partition("::")
        made = _PACKETS[qualified] = OpOverloadPacket(function, name, library)
    return made


class Schema:
    """What an operation is called; its text where that is known."""

    def __init__(self, name: str, overload_name: str, text: str | None = None):
        self.name, self.overload_name = name, overload_name
        self._text = text

    @property
    def is_mutable(self) -> bool:
        """Whether it changes its first argument: PyTorch writes an underline behind such names."""
        return self.name.endswith("_") and not self.name.endswith("__")

    def __str__(self):
        full = f"{self.name}.{self.overload_name}" if self.overload_name else self.name
        return f"{self.name}{self._text}" if self._text else full

    __repr__ = __str__


class OpOverloadPacket:
    """One of PyTorch's own operations with its overloads, all of which are the same function.

    Example:
        >>> from kuai import _ops
        >>> add = _ops.namespace("aten").add
        >>> add, add.Tensor, add.Tensor.overloadpacket is add, add.Tensor._schema.name
        (aten.add, aten.add.Tensor, True, 'aten::add')
    """

    def __init__(self, function: Callable, name: str, library: str = "aten"):
        self._function, self.__name__, self._library = function, name, library
        self._qualified_op_name = f"{library}::{name}"

    def __call__(self, *args, **kwargs):
        return self._function(*args, **kwargs)

    def __getattr__(self, overload: str) -> Any:
        if overload.startswith("__"):
            raise AttributeError(overload)
        if self._library != "aten" and overload != "default":
            raise AttributeError(f"The underlying op of '{self}' has no overload name '{overload}'")
        made = OpOverload(self, overload)
        setattr(self, overload, made)
        return made

    def overloads(self) -> list[str]:
        """The overloads that were asked for so far, of a user's own operation the only one."""
        made = [name for name, each in vars(self).items() if isinstance(each, OpOverload)]
        return made if self._library == "aten" else ["default"]

    def __repr__(self):
        return f"{self._library}.{self.__name__}"


class OpOverload:
    """One overload: the same function."""

    def __init__(self, packet: OpOverloadPacket, overload: str):
        self.overloadpacket = self._overloadpacket = packet
        self._function, self._opname = packet._function, packet.__name__
        self._overloadname = overload
        self.__name__ = f"{self._opname}.{overload}"
        self.namespace = packet._library
        known = getattr(self._function, "_declared", None)
        text = known[known.index("(") :] if isinstance(known, str) else None
        name = "" if overload == "default" else overload
        self._schema = Schema(packet._qualified_op_name, name, text)

    def __call__(self, *args, **kwargs):
        return self._function(*args, **kwargs)

    def name(self) -> str:
        """The name with the namespace."""
        name = self._opname if self._overloadname == "default" else self.__name__
        return f"{self.namespace}::{name}"

    def __repr__(self):
        return f"{self.namespace}.{self.__name__}"


@functools.cache
def _as_overloads(name: str) -> OpOverloadPacket | None:
    scopes = (REGISTRY.functions, REGISTRY.functional, REGISTRY.methods, *REGISTRY.modules.values())
    found = next((scope[name] for scope in scopes if name in scope), None)
    return None if found is None else OpOverloadPacket(found, name)


@functools.cache
def _only_in_aten(name: str) -> OpOverloadPacket | None:
    found = aten.OPERATIONS.get(name) or aten_backward.OPERATIONS.get(name)
    return None if found is None else OpOverloadPacket(found, name)


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
