"""How the containers of a tree are written down as JSON: PyTorch's protocol 1.

A container is `{"type": a registered name, "context": …, "children_spec": […]}`, a leaf the same
with null. What a class needs besides its parts is JSON inside a string, unless it was registered
with functions of its own.
"""

from __future__ import annotations

import enum
import importlib
import json
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["read_context", "register", "type_named", "written"]

_ADVICE = (
    "Please make the context json dump-able, or register a custom serializer using "
    "_register_pytree_node."
)


class _Writing(NamedTuple):
    name: str | None
    write: Callable[[Any], Any] | None = None
    read: Callable[[Any], Any] | None = None


_WRITINGS: dict[type, _Writing] = {}
_TYPES: dict[str, type] = {}


def register(cls: type, name: str | None, write: Any = None, read: Any = None) -> None:
    """Give a class the name under which it is written, and functions for what it needs."""
    if (write is None) != (read is None):
        raise ValueError(
            f"Both to_dumpable_context and from_dumpable_context for {cls} must be None or "
            "registered."
        )
    _WRITINGS[cls] = _Writing(name, write, read)
    if name is not None:
        _TYPES[name] = cls


def written(cls: type, context: Any) -> tuple[str, Any]:
    """A class's name, and what it needs as JSON."""
    if cls not in _WRITINGS:
        raise NotImplementedError(f"Serializing {cls} in pytree is not registered.")
    name, write, _ = _WRITINGS[cls]
    if name is None:
        raise NotImplementedError(
            f"No registered serialization name for {cls} found. Please update your "
            "_register_pytree_node call with a `serialized_type_name` kwarg."
        )
    if write is not None:
        return name, write(context)
    try:
        return name, json.dumps(context, cls=Encoder)
    except TypeError as error:
        raise TypeError(f"Unable to serialize context. {_ADVICE}") from error


def type_named(name: str) -> type:
    """The class that is written under a name."""
    if name not in _TYPES:
        raise NotImplementedError(f"Deserializing {name} in pytree is not registered.")
    return _TYPES[name]


def read_context(cls: type, written: Any) -> Any:
    """What a class needs, from what was written of it."""
    read = _WRITINGS[cls].read
    if read is not None:
        return read(written)
    try:
        return json.loads(written, object_hook=_member)
    except TypeError as error:
        raise TypeError(
            f"Unable to deserialize context. {_ADVICE.replace('dump-able', 'load-able')}"
        ) from error


class Encoder(json.JSONEncoder):
    """JSON with members of enumerations, by module, class and name."""

    def default(self, o: Any) -> Any:
        if isinstance(o, enum.Enum):
            where = f"{type(o).__module__}:{type(o).__qualname__}"
            return {"__enum__": True, "fqn": where, "name": o.name}
        return super().default(o)


def _member(read: dict[str, Any]) -> Any:
    if "__enum__" not in read:
        return read
    module, _, name = read["fqn"].partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not (isinstance(found, type) and issubclass(found, enum.Enum)):
        raise ValueError(f"{read['fqn']} is no enumeration")
    return found[read["name"]]


# The containers that are known from the start ----------------------------------------------------


def _write_named_tuple(cls):
    if cls not in _WRITINGS:
        raise NotImplementedError(
            f"Can't serialize TreeSpec of namedtuple class {cls} because we didn't register a "
            "serializated_type_name. Please register using `_register_namedtuple`."
        )
    if _WRITINGS[cls].name is None:
        raise NotImplementedError(
            f"Can't serialize TreeSpec of namedtuple class {cls} because we couldn't find a "
            "serializated_type_name. Please register using `_register_namedtuple`."
        )
    return _WRITINGS[cls].name


def _read_named_tuple(name):
    if name not in _TYPES:
        raise NotImplementedError(
            f"Can't deserialize TreeSpec of namedtuple class {name} because we couldn't find a "
            "serializated name."
        )
    return _TYPES[name]


def _write_default_dict(context):
    factory, keys = context
    return {
        "default_factory_module": factory.__module__,
        "default_factory_name": factory.__qualname__,
        "dict_context": keys,
    }


def _read_default_dict(written):
    if isinstance(written, str):
        written = json.loads(written)
    module = importlib.import_module(written["default_factory_module"])
    return [getattr(module, written["default_factory_name"]), written["dict_context"]]


for _cls in (tuple, list, dict):
    register(_cls, f"builtins.{_cls.__name__}")
for _cls in (OrderedDict, deque):
    register(_cls, f"collections.{_cls.__name__}")
register(defaultdict, "collections.defaultdict", _write_default_dict, _read_default_dict)
# named tuples are all of one kind, whose context is the class
_NAMED_TUPLES: Any = namedtuple
register(_NAMED_TUPLES, "collections.namedtuple", _write_named_tuple, _read_named_tuple)
