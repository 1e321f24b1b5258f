"""A watch: what has to be as it was for a call to be the same once more.

Whatever Python code read is compared by identity, at every call: entries of dictionaries, elements
of lists, attributes, the contents of closures. Nothing depends on being told of a change. Things of
one kind are fetched and compared in one row, without Python code for each: this is most of what a
replayed call costs.
"""

import types
import weakref
from collections import OrderedDict, defaultdict
from itertools import chain
from operator import attrgetter, eq, is_

from kuai.engine.compile.abstract_values import DICT_METHODS, is_dict, text_of_value
from kuai.engine.compile.comparing import ABSENT, has_entries, has_sizes, lacks_entries
from kuai.engine.compile.knowledge import Refused
from kuai.engine.tensor import Tensor

__all__ = ["Watch"]

_tensor_state = attrgetter(
    "_storage",
    "_requires_grad",
    "_steps",
    "_node",
    "_base",
    "_hooked",
    "_node_hooked",
    "_retains_grad",
    "_grad_dtype",
)
_content = attrgetter("cell_contents")
_own_dict = attrgetter("__dict__")
_DICTS = (dict, OrderedDict, defaultdict)
_MAY_BE_EQUAL = (bool, int, float, complex, tuple)  # to others that are not the same


class Watch:
    """Things and what they were. Things are added first, then `freeze` is called.

    Attributes:
        tensors: those whose storage, flags, history and hooks have to stay.
        numbers: (dictionary, key): floats that are free to change.
        changed: dictionaries that the call itself writes.
        gradients: tensors whose gradient is looked at, which may decide something.
    """

    def __init__(self):
        self.tensors, self.numbers, self.gradients = {}, {}, {}
        self._dicts: dict[int, tuple] = {}  # id -> (dictionary, names of entries)
        self._whole: dict[int, dict] = {}  # those that may not get more entries
        self._ordered: dict[int, dict] = {}  # those whose order has to stay, too
        self._attributes: dict[int, tuple] = {}  # id -> (thing, names)
        self._kinds: dict[int, type] = {}  # classes in which nothing may be replaced
        self._lists: dict[int, list] = {}
        self._sets: dict[int, set] = {}
        self._cells: dict[int, object] = {}
        self._slots: dict[tuple, tuple] = {}  # ids -> (descriptor, thing)
        self._objects: dict[int, object] = {}
        self.arguments: dict[int, weakref.ref] = {}  # objects that a call was given
        self.changed: dict[int, tuple] = {}  # id -> (dictionary, the entries that stay)
        self._loose: set[tuple] = set()  # (id of a dictionary, name)

    # What is watched ----------------------------------------------------------------------------

    def tensor(self, tensor: Tensor) -> None:
        """Watch everything of a tensor but its values and its gradient."""
        self.tensors[id(tensor)] = tensor

    def gradient(self, tensor: Tensor) -> None:
        """Watch what can be asked of a tensor's gradient, but for its values."""
        self.gradients[id(tensor)] = tensor

    def entries(self, mapping: dict, names) -> None:
        """Watch some entries of a dictionary, which may be missing."""
        self._see_how_it_is_read(mapping)
        if id(mapping) in self.changed:
            self._see_it_stays(mapping, names)
        _, known = self._dicts.setdefault(id(mapping), (mapping, {}))
        known.update(dict.fromkeys(names))

    def _see_how_it_is_read(self, mapping) -> None:
        """That a dictionary's class reads it as all are read: entries are compared as they are.

        Raises:
            Refused: it may give something else.
        """
        kind = type(mapping)
        if kind in _DICTS or kind.__module__.startswith("kuai.") or id(mapping) in self._dicts:
            return
        if not is_dict(mapping):
            raise Refused(f"{text_of_value(mapping)}, which says for itself what it holds")
        for name in DICT_METHODS:
            self.attribute(kind, name)

    def loose(self, mapping: dict, name: str) -> None:
        """Do not compare an entry of a dictionary, which the call sets."""
        self._loose.add((id(mapping), name))

    def is_loose(self, mapping: dict, name: str) -> bool:
        """Whether an entry of a dictionary is not compared."""
        return (id(mapping), name) in self._loose

    def whole(self, mapping: dict, ordered: bool = False) -> None:
        """Watch all entries of a dictionary, and that there are no others."""
        self.entries(mapping, mapping)
        self._whole[id(mapping)] = mapping
        if ordered and mapping:
            self._ordered[id(mapping)] = mapping

    def size(self, mapping: dict) -> None:
        """Watch how many entries a dictionary has."""
        self._see_how_it_is_read(mapping)
        self._whole[id(mapping)] = mapping

    def list(self, sequence: list) -> None:
        """Watch all elements of a list.

        Raises:
            Refused: its class may give others.
        """
        if type(sequence) is not list:
            raise Refused(f"{text_of_value(sequence)}, which says for itself what it holds")
        self._lists[id(sequence)] = sequence

    def set(self, things: set) -> None:
        """Watch what is in a set of plain values."""
        self._sets[id(things)] = things

    def attribute(self, thing, name: str) -> None:
        """Watch what `thing.name` gives, for a function or a class; a name may have dots."""
        _, names = self._attributes.setdefault(id(thing), (thing, {}))
        names[name] = None

    def code(self, kind: type) -> None:
        """Watch all that stands in a class itself."""
        self._kinds[id(kind)] = kind

    def cell(self, cell) -> None:
        """Watch what a closure holds."""
        self._cells[id(cell)] = cell

    def slot(self, thing, descriptor) -> None:
        """Watch what an object holds in one of its class's `__slots__`."""
        self._slots[id(thing), id(descriptor)] = descriptor, thing

    def object(self, thing) -> None:
        """Watch the class of an object."""
        if id(thing) not in self.arguments:
            self._objects[id(thing)] = thing

    def has_object(self, thing) -> bool:
        """Whether a thing is one of those that were found."""
        return id(thing) in self._objects or id(thing) in self.arguments

    def argument(self, thing) -> None:
        """Note an object among the arguments. It is not held, and looked at by whoever is called.

        Raises:
            Refused: there can be no weak reference to it, or looking at it would hold it.
        """
        if issubclass(type(thing), dict):
            raise Refused(f"an argument that is {text_of_value(thing)}")
        try:
            self.arguments[id(thing)] = weakref.ref(thing)
        except TypeError:
            raise Refused(f"an argument that is {text_of_value(thing)}") from None

    def number(self, mapping: dict, key) -> None:
        """Watch that an entry is a float, whichever."""
        self._see_how_it_is_read(mapping)
        if id(mapping) in self.changed:
            self._see_it_stays(mapping, [key])
        self.numbers[id(mapping), key] = mapping, key

    def written(self, mapping: dict, stays=()) -> None:
        """Note that the call has changed a dictionary, but for some entries, and that from here on
        it holds something else than at the call's beginning, which is when it is compared."""
        self.changed[id(mapping)] = mapping, stays

    def has_entry(self, mapping: dict, key) -> bool:
        """Whether an entry of a dictionary is watched, or that it is a float."""
        names = self._dicts.get(id(mapping), (None, ()))[1]
        return key in names or (id(mapping), key) in self.numbers

    def _see_it_stays(self, mapping, names):
        for name in names:
            if name not in self.changed[id(mapping)][1]:
                raise Refused(f"{name!r} of a dict that the call has changed before")

    # What was -----------------------------------------------------------------------------------

    def freeze(self) -> None:
        """Note what everything is now."""
        entries = [
            (mapping, name, dict.get(mapping, name, ABSENT))
            for mapping, names in self._dicts.values()
            for name in names
            if not self.is_loose(mapping, name)
        ]
        self._entries = _columns([each for each in entries if each[2] is not ABSENT], 3)
        self._absent = _columns([each[:2] for each in entries if each[2] is ABSENT], 2)
        self._looked_up, self._without = [], []
        for thing, names in self._attributes.values():
            found = [name for name in names if _has(thing, name)]
            self._without += [(thing, name) for name in names if name not in found]
            if found:
                self._looked_up.append((attrgetter(*found, found[0]), thing))
        self._owners = [thing for thing in self._objects.values() if self._is_read(thing)]
        self._lent = [each for each in self.arguments.values() if self._is_read(each())]
        self._spaces = list(map(vars, self._kinds.values()))
        self._codes = list(map(dict, self._spaces))  # compared in one go, without code for each
        self._equal = [
            (space, name)
            for space, code in zip(self._spaces, self._codes, strict=True)
            for name, value in code.items()
            if type(value) in _MAY_BE_EQUAL
        ]
        self._listed, self._contents = list(self._lists.values()), list(self._cells.values())
        self._held = [(each.__get__, thing) for each, thing in self._slots.values()]
        self._sized = (*self._whole.values(), *self._listed)
        self._sizes = tuple(map(len, self._sized))
        self._rows, self._free = list(self._ordered.values()), list(self.numbers.values())
        self._tensors = list(self.tensors.values())
        self._things = [*self._objects.values(), *self._tensors]
        self._values = list(self._fetched())
        self._states = list(map(_tensor_state, self._tensors))
        self._classes = list(map(type, self._things))
        self._orders = list(map(list, self._rows))
        # equal texts are the same, but 0.0 and -0.0, or 1 and True, are other keys
        self._odd = [row for row in self._rows if any(type(key) is not str for key in row)]
        self._keys = list(chain.from_iterable(self._odd))
        self._asked = list(self._sets.values())
        self._members = list(map(frozenset, self._asked))

    def _is_read(self, thing) -> bool:
        """Whether some of its attributes are watched: then its dictionary must stay this one."""
        if issubclass(type(thing), Tensor):
            return False  # it keeps its dictionary, whatever is assigned to `__dict__`
        if type(type(thing).__getattribute__) is types.FunctionType:
            return False  # its attributes are not, and asking for them would run somebody's code
        own = getattr(thing, "__dict__", None)
        return id(own) in self._dicts or id(own) in self._whole

    def has_value(self, value) -> bool:
        """Whether a value stands in one of the places that are compared, or in a tuple there."""
        values = [*self._entries[2], *self._values]
        return any(v is value for v in chain(values, *[v for v in values if type(v) is tuple]))

    def holds(self) -> bool:
        """Whether everything is as it was."""
        try:
            return (
                has_sizes(self._sized, self._sizes)
                and has_entries(*self._entries)
                and lacks_entries(*self._absent)
                and all(map(is_, self._fetched(), self._values))
                and list(map(_tensor_state, self._tensors)) == self._states
                and list(map(type, self._things)) == self._classes
                and all(map(eq, self._spaces, self._codes))
                and list(map(list, self._rows)) == self._orders
                and all(map(is_, chain.from_iterable(self._odd), self._keys))
                and self._asked == self._members
                and not any([_has(thing, name) for thing, name in self._without])
                and all([type(mapping.get(key)) is float for mapping, key in self._free])
            )
        except Exception:  # noqa: BLE001 - if it matters, it is raised where the call is recorded
            return False  # something is not there any more, or a program's code says so

    def _fetched(self):
        """Everything else that is compared by identity, in one row."""
        return chain(
            chain.from_iterable([get(thing) for get, thing in self._looked_up]),
            chain.from_iterable(self._listed),
            map(_content, self._contents),
            [get(thing, type(thing)) for get, thing in self._held],
            [space.get(name) for space, name in self._equal],
            map(_own_dict, self._owners),
            [_own_dict(reference()) for reference in self._lent],
        )


def _has(thing, name) -> bool:
    try:
        attrgetter(name)(thing)
    except AttributeError:
        return False
    return True


def _columns(rows: list, count: int) -> list:
    """Rows of so many things as tuples: of the first things, of the second ones, …"""
    return list(zip(*rows, strict=True)) or [()] * count
