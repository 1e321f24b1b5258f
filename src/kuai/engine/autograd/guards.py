"""Guards: the Python values that a compiled program depended on, and whether they are still the
same.

Two kinds of check keep a program honest without costing much:

* Everything Kuai can see being changed (a module's attribute, hook, child or mode, a tensor's
  `requires_grad` or `.data`) counts up in `changes`. What only changes in that way is compared
  again only when the count has moved.
* What can change unseen (globals, closed-over variables, default arguments, class attributes,
  lists, NumPy arrays, plain objects) is compared at every call.

What is compared is found in the code: the names a function mentions, the classes of the objects it
reaches, the functions these have. `spaces` remembers what each of these held before the trace, so
that a value the traced function itself rebinds can be told (see `places`).
"""

import dis
import functools
import inspect
import sys
import types

import numpy as np

from kuai.engine.autograd.snapshots import (
    CONTAINERS,
    PLAIN,
    attributes,
    in_words,
    inside,
    is_same,
    space_of,
)
from kuai.engine.autograd.spaces import CellSpace, Spaces
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.acceleration import is_accelerated
from kuai.engine.tensor.changes import counter

__all__ = ["Guards"]

_OWN = __name__.partition(".")[0]
_LIBRARIES = ("jax", "numpy", "jaxlib", _OWN)
_HOLDERS = ("types", "argparse")  # standard modules whose objects only hold attributes
_SPEAKING = frozenset(("print", "input", "open", "logging", "logger", "warnings", "sys", "os"))
_HOOKS = (
    "_forward_pre_hooks",
    "_forward_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


class Guards:
    """What one program depended on."""

    def __init__(self):
        self.count = counter.count
        self.accelerated = is_accelerated()
        self.spaces = Spaces()
        self.places = []  # values that the program itself writes, compared by their structure
        self.loose = frozenset()  # (id of a container, key) of these
        self._items = []  # (container, key, value, its contents): compared at every call
        self._cells = []  # (name, cell of a closure, value, its contents): the same
        self._defaults = []  # (function, its default arguments): the same
        self._classes = []  # (attributes of a class, their values): the same
        self._objects = []  # (object, snapshot of its attributes): the same
        self._watched = {}  # id -> (object, snapshot of its attributes): when `changes` has moved
        self._seen = {}
        self.mentioned = set()  # the names of all global variables in the code
        self.roots = {}  # id -> (name, object): what the variables that were found hold
        self.generators = []  # of NumPy, which the function may draw from

    # What to depend on ------------------------------------------------------------------------

    def item(self, container, key) -> None:
        """Depend on `container[key]`."""
        if (id(container), key) not in self._seen:
            self._seen[id(container), key] = container
            value = container[key]
            self._items.append((container, key, value, inside(value)))
            self.spaces.remember_item(container, key)

    def depend(self, container, key) -> None:
        """Depend on `container[key]` and on what the objects and functions in it are made of."""
        self.item(container, key)
        self.argument(container[key])

    def argument(self, value) -> None:
        """Depend on an argument that is neither a tensor nor a plain value."""
        if not isinstance(value, (*PLAIN, Tensor)):
            self._value(value)

    def watch(self, thing) -> None:
        """Depend on the attributes of an object that reports its changes through `touch`."""
        if id(thing) in self._watched:
            return
        self._watched[id(thing)] = (thing, attributes(thing))
        self.spaces.remember_module(vars(thing))
        for child in thing._modules.values():
            if child is not None:
                self.watch(child)
        for name, value in vars(thing).items():
            if name in _HOOKS:
                self._values(value.values())
            elif type(value) in (list, dict, set) and not name.startswith("_"):
                self.item(vars(thing), name)
                self._values(value)
            elif not isinstance(value, CONTAINERS):
                self._value(value)
        self._class(type(thing))

    def refresh(self, thing) -> None:
        """Take what an object holds now as what the program depends on (a lazy module was made
        real)."""
        if id(thing) in self._watched:
            self._watched[id(thing)] = (thing, attributes(thing))
            self.spaces.remember_module(vars(thing))

    def scan(self, function) -> None:
        """Depend on the globals, closed-over variables and defaults that a function's code uses."""
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
        mentioned = _globals(function.__code__)
        self.mentioned |= mentioned
        for name in mentioned:
            if name in function.__globals__:
                self._variable(function.__globals__, name, names)
        closure = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        for name, cell in closure:
            self._cell(name, cell, names)
        if function.__defaults__ or function.__kwdefaults__:
            self._default_arguments(function)

    def _default_arguments(self, function):
        defaults = (function.__defaults__, function.__kwdefaults__)
        self._defaults.append((function, defaults, inside(defaults)))
        self._values(function.__defaults__ or ())
        self._values((function.__kwdefaults__ or {}).values())

    def _variable(self, scope, name, names):
        value = scope[name]
        if isinstance(value, types.ModuleType):
            if not _is_library(value.__name__) and not _is_standard(value.__name__):
                for attribute in names & vars(value).keys():
                    self._variable(vars(value), attribute, frozenset())
            return
        self.item(scope, name)
        self._named(name, value, names)

    def _cell(self, name, cell, names):
        try:
            contents = cell.cell_contents
        except ValueError:  # a variable that has no value yet
            return
        if id(cell) in self._seen:
            return
        self._seen[id(cell)] = cell
        self._cells.append((name, cell, contents, inside(contents)))
        self.spaces.remember_item(CellSpace(cell), "cell_contents")
        self._named(name, contents, names)

    def _named(self, name, value, names):
        """Depend on a variable's value; of a library's object, on the attributes mentioned."""
        self.roots.setdefault(id(value), (name, value))
        self._value(value)
        if "param_groups" in names:
            self._groups(value)
        if _is_library(type(value).__module__) and not isinstance(value, (type, Tensor)):
            for attribute in names & getattr(value, "__dict__", {}).keys():
                if isinstance(vars(value)[attribute], PLAIN):
                    self.item(vars(value), attribute)

    def _groups(self, value):
        """Depend on the options of an optimizer that the function reads or writes by itself."""
        for group in getattr(value, "param_groups", ()):
            for key, option in group.items():
                if isinstance(option, PLAIN):
                    self.item(group, key)

    def _optimizer(self, value):
        """Depend on what a user's own optimizer class adds; its tensors and numbers are inputs."""
        kind = type(value)
        self._class(kind)
        own = [each for each in kind.__mro__ if not _is_library(each.__module__)]
        functions = [inspect.unwrap(f) for each in own for f in vars(each).values() if callable(f)]
        if any("param_groups" in _names(f.__code__) for f in functions if hasattr(f, "__code__")):
            self._groups(value)
        for name, attribute in vars(value).items():
            if not name.startswith("_") and isinstance(attribute, PLAIN):
                self.item(vars(value), name)

    def _value(self, value):
        if isinstance(value, (types.FunctionType, types.MethodType)):
            self.scan(value)
        elif isinstance(value, functools.partial):
            self._values([value.func, *value.args, *value.keywords.values()])
        elif isinstance(value, (list, tuple, set, frozenset)):
            self._values(value)
        elif isinstance(value, dict):
            self._values(value.values())
        elif isinstance(value, type):
            self._class(value)
        else:
            self._object(value)

    def _values(self, values):
        for value in values:
            if not isinstance(value, (*PLAIN, Tensor)):
                self._value(value)

    def _object(self, value):
        """Depend on the attributes of an object of the user's own class."""
        kind = type(value)
        if id(value) in self._seen or isinstance(value, (types.ModuleType, Tensor)):
            return
        if hasattr(value, "_modules"):
            self.watch(value)
            return
        if isinstance(value, np.random.Generator):
            self.generators.append(value)
            return
        if kind.__module__ == "builtins" or _is_library(kind.__module__):
            return
        if _is_standard(kind.__module__) and kind.__module__ not in _HOLDERS:
            return
        self._seen[id(value)] = value
        if hasattr(value, "param_groups"):
            self._optimizer(value)
            return
        space = space_of(value)
        self._objects.append((value, attributes(value)))
        self.spaces.remember(space)
        self._values(space.values())
        self._class(kind)

    def _class(self, kind):
        """Depend on what the user's own classes among an object's classes hold."""
        for each in kind.__mro__:
            known = id(each) in self._seen or each.__module__ == "builtins"
            if known or _is_library(each.__module__) or _is_standard(each.__module__):
                continue
            self._seen[id(each)] = each
            space = vars(each)
            self._classes.append((each, space, list(space.values())))
            for name, value in list(space.items()):
                if isinstance(value, property):
                    self._values([value.fget])
                elif isinstance(value, (staticmethod, classmethod)):
                    self.scan(value.__func__)
                elif isinstance(value, types.FunctionType):
                    self.scan(value)
                elif isinstance(value, CONTAINERS) and not name.startswith("__"):
                    self.item(space, name)

    def speaks(self) -> bool:
        """Whether the code may tell someone outside which way it goes."""
        return not self.mentioned.isdisjoint(_SPEAKING)

    def described(self) -> list[str]:
        """What is compared, in words."""
        named = [f"{key!r} ({in_words(before)})" for _, key, before, _ in self._items]
        named += [f"{name!r} ({in_words(before)})" for name, _, before, _ in self._cells]
        named += [f"the default arguments of {f.__qualname__}" for f, _, _ in self._defaults]
        named += [f"the class {kind.__qualname__}" for kind, _, _ in self._classes]
        things = [thing for thing, _ in (*self._objects, *self._watched.values())]
        named += [f"the attributes of a {type(thing).__name__}" for thing in things]
        return named + [f"the structure of {place.key!r}" for place in self.places]

    # Whether it still holds -------------------------------------------------------------------

    def settle(self) -> str | None:
        """To be called after the trace: what it depended on and has itself changed, in words.

        From now on the places that the program writes are compared by their structure.
        """
        if not self.places:
            return self.changed()
        found = self.spaces.changed_key()
        self._loosen(self.places)
        return None if found is None else repr(found)

    def _loosen(self, places):
        loose = self.loose = frozenset((id(place.container), place.key) for place in places)
        self._items = [
            (container, key, value, inside(value, loose))
            for container, key, value, _ in self._items
            if (id(container), key) not in loose
        ]
        self._cells = [
            (name, cell, value, inside(value, loose))
            for name, cell, value, _ in self._cells
            if (id(cell), "cell_contents") not in loose
        ]
        self._objects = [(thing, attributes(thing, loose)) for thing, _ in self._objects]
        for key, (thing, _) in self._watched.items():
            self._watched[key] = (thing, attributes(thing, loose))

    def changed(self) -> str | None:
        """What has changed since the snapshots were taken, in words; None if nothing has."""
        if self.accelerated != is_accelerated():
            return "kuai.backends.mkldnn.flags"
        try:
            return self._changed()
        except (AttributeError, KeyError, IndexError, ValueError, ReferenceError):
            return "something that is gone"

    def _changed(self):
        loose = self.loose
        for container, key, before, contents in self._items:
            now = container[key]
            if now is before and (contents is None or contents[1] == [] and not now):
                continue  # by far the most: nothing can have changed, or it was and is empty
            if not is_same(now, before, contents, loose):
                return f"{key!r}, which was {in_words(before)}"
        for name, cell, before, contents in self._cells:
            now = cell.cell_contents
            if now is before and (contents is None or contents[1] == [] and not now):
                continue
            if not is_same(now, before, contents, loose):
                return f"{name!r}, which was {in_words(before)}"
        return self._changed_code() or self._changed_object()

    def _changed_code(self):
        for function, before, contents in self._defaults:
            if not is_same((function.__defaults__, function.__kwdefaults__), before, contents):
                return f"the default arguments of {function.__qualname__}"
        for kind, space, values in self._classes:
            if len(space) != len(values) or not all(map(_is, space.values(), values)):
                return f"an attribute of the class {kind.__name__}"
        return None

    def _changed_object(self):
        for place in self.places:
            if not place.fits():
                return f"the shape or kind of {place.key!r}"
        for thing, before in self._objects:
            now = attributes(thing, self.loose)
            if now != before:
                return _name_change(thing, before, now)
        if self.count == counter.count:
            return None
        count = counter.count
        for thing, before in self._watched.values():
            now = attributes(thing, self.loose)
            if now != before:
                return _name_change(thing, before, now)
        self.count = count
        return None


def _is(one, other):
    return one is other


def _name_change(thing, before, now) -> str:
    names = [n for n, v in now if (n, v) not in before] or ["(removed)"]
    return f"attribute {names[0]!r} of a {type(thing).__name__}"


def _codes(code):
    """A function's code and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _names(code) -> frozenset:
    """All names in a function: of variables and of attributes."""
    return frozenset(name for part in _codes(code) for name in part.co_names)


def _globals(code) -> frozenset:
    """The names of the global variables in a function."""
    return frozenset(
        step.argval
        for part in _codes(code)
        for step in dis.get_instructions(part)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL")
    )


def _is_library(name: str | None) -> bool:
    return (name or "").partition(".")[0] in _LIBRARIES


def _is_standard(name: str | None) -> bool:
    return (name or "").partition(".")[0] in sys.stdlib_module_names and name != "__main__"
