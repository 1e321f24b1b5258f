"""Guards: the Python values that a compiled program depended on, and whether they are still the
same.

Two kinds of check keep a program honest without costing much:

* Everything Kuai can see being changed (a module's attribute, hook, child or mode, a tensor's
  `requires_grad` or `.data`) counts `changes` up. What only changes in that way is compared again
  only when the count has moved.
* What can change unseen (globals, closed-over variables, lists and plain objects) is compared at
  every call.

Both compare snapshots: plain values by type and value, containers by their contents, any other
object by identity.
"""

import inspect
import sys
import types

__all__ = ["Guards", "changes", "touch"]

_PLAIN = (int, float, bool, complex, str, bytes, type(None), slice, type(Ellipsis))
_CONTAINERS = (list, tuple, dict, set, frozenset)
_LONGEST = 1000
_OWN = __name__.partition(".")[0]
_LIBRARIES = ("jax", "numpy", "jaxlib", _OWN)


class _Changes:
    __slots__ = ("count",)

    def __init__(self):
        self.count = 0


changes = _Changes()


def touch() -> None:
    """Note that Python state which a compiled program may depend on has changed."""
    changes.count += 1


class _Same:
    """An object compared by identity, kept alive so that its address is not used again."""

    __slots__ = ("thing",)

    def __init__(self, thing):
        self.thing = thing

    def __eq__(self, other):
        return isinstance(other, _Same) and self.thing is other.thing

    __hash__ = None


def snapshot(thing, depth: int = 4):
    """A value that equals another snapshot if, and only if, nothing that can be compared has
    changed."""
    if isinstance(thing, _PLAIN):
        return (type(thing), thing)
    if isinstance(thing, _CONTAINERS) and len(thing) > _LONGEST:
        return (
            _Same(thing),
            len(thing),
        )  # data rather than settings: too long to compare at every call
    if depth and isinstance(thing, dict):
        return (dict, [(snapshot(k, 1), snapshot(v, depth - 1)) for k, v in thing.items()])
    if depth and isinstance(thing, (list, tuple)):
        return (type(thing), [snapshot(item, depth - 1) for item in thing])
    if depth and isinstance(thing, (set, frozenset)):
        return (
            type(thing),
            frozenset(item for item in thing if isinstance(item, _PLAIN)),
            len(thing),
        )
    return _Same(thing)


def _attributes(thing):
    return [(name, snapshot(value)) for name, value in vars(thing).items()]


class Guards:
    """What one program depended on."""

    def __init__(self):
        self.count = changes.count
        self._items = []  # (container, key, value, snapshot of its contents): for every call
        self._cells = []  # (cell of a closure, value, snapshot of its contents): the same
        self._objects = []  # (object, snapshot of its attributes): compared at every call
        self._watched = {}  # id -> (object, snapshot of its attributes): when `changes` has moved
        self._seen = {}

    def item(self, container, key) -> None:
        """Depend on `container[key]`."""
        if (id(container), key) not in self._seen:
            self._seen[id(container), key] = container
            value = container[key]
            self._items.append((container, key, value, _inside(value)))

    def watch(self, thing) -> None:
        """Depend on the attributes of an object that reports its changes through `touch`."""
        if id(thing) in self._watched:
            return
        self._watched[id(thing)] = (thing, _attributes(thing))
        for child in thing._modules.values():
            if child is not None:
                self.watch(child)
        for name, value in vars(thing).items():
            if type(value) in (list, dict, set) and not name.startswith("_"):
                self.item(vars(thing), name)
            else:
                self._object(value)
        if not _is_library(type(thing).__module__):
            for function in vars(type(thing)).values():
                self.scan(function)

    def refresh(self, thing) -> None:
        """Take what an object holds now as what the program depends on (a lazy module was made
        real)."""
        if id(thing) in self._watched:
            self._watched[id(thing)] = (thing, _attributes(thing))

    def scan(self, function) -> None:
        """Depend on the globals and closed-over variables that a function's code names."""
        if isinstance(function, types.MethodType):
            self._value(function.__self__)
            function = function.__func__
        function = inspect.unwrap(function) if callable(function) else function
        if not isinstance(function, types.FunctionType) or id(function) in self._seen:
            return
        self._seen[id(function)] = function
        if _is_library(function.__module__):
            return
        names = _names(function.__code__)
        for name in names:
            if name in function.__globals__:
                self._variable(function.__globals__, name, names)
        for cell in function.__closure__ or ():
            self._cell(cell)

    def _variable(self, scope, name, names):
        value = scope[name]
        if isinstance(value, types.ModuleType):
            if not _is_library(value.__name__) and not _is_standard(value.__name__):
                for attribute in names & vars(value).keys():
                    self._variable(vars(value), attribute, frozenset())
            return
        self.item(scope, name)
        self._value(value)

    def _cell(self, cell):
        try:
            contents = cell.cell_contents
        except ValueError:  # a variable that has no value yet
            return
        self._cells.append((cell, contents, _inside(contents)))
        self._value(contents)

    def _value(self, value):
        if isinstance(value, (types.FunctionType, types.MethodType)):
            self.scan(value)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self._value(item)
        else:
            self._object(value)

    def _object(self, value):
        """Depend on the plain attributes of an object of the user's own class."""
        kind = type(value)
        if id(value) in self._seen or isinstance(
            value, (type, types.ModuleType, types.FunctionType)
        ):
            return
        if not hasattr(value, "__dict__") or kind.__module__ == "builtins":
            return
        if hasattr(value, "_modules"):
            self.watch(value)
            return
        if _is_library(kind.__module__):
            return
        if _is_standard(kind.__module__):
            return
        self._seen[id(value)] = value
        self._objects.append((value, _attributes(value)))
        for function in vars(kind).values():
            self.scan(function)

    def changed(self) -> str | None:
        """What has changed since the snapshots were taken, in words; None if nothing has."""
        try:
            for container, key, before, inside in self._items:
                now = container[key]
                if (now is not before or inside is not None) and not _is_same(now, before, inside):
                    return f"{key!r}, which was {_describe(before)}"
            for cell, before, inside in self._cells:
                now = cell.cell_contents
                if (now is not before or inside is not None) and not _is_same(now, before, inside):
                    return f"a closed-over variable, which was {_describe(before)}"
        except (KeyError, IndexError, ValueError, ReferenceError):
            return "something that is gone"
        for thing, before in self._objects:
            if _attributes(thing) != before:
                return f"an attribute of a {type(thing).__name__}"
        return self._watched_change() if self.count != changes.count else None

    def _watched_change(self):
        count = changes.count
        for thing, before in self._watched.values():
            now = _attributes(thing)
            if now != before:
                names = [n for n, v in now if (n, v) not in before] or ["(removed)"]
                return f"attribute {names[0]!r} of a {type(thing).__name__}"
        self.count = count
        return None


def _inside(value):
    return snapshot(value) if isinstance(value, _CONTAINERS) else None


def _is_same(now, before, inside):
    if isinstance(before, _PLAIN):
        return type(now) is type(before) and now == before
    if inside is None:
        return now is before
    if now is before and not now:
        return not inside[1]  # it was empty and still is
    return snapshot(now) == inside


def _describe(before):
    return repr(before) if isinstance(before, _PLAIN) else f"a {type(before).__name__}"


def _names(code) -> frozenset:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return frozenset(found)


def _is_library(name: str | None) -> bool:
    return (name or "").partition(".")[0] in _LIBRARIES


def _is_standard(name: str | None) -> bool:
    return (name or "").partition(".")[0] in sys.stdlib_module_names and name != "__main__"
