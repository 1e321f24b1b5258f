"""A watch: what has to be as it was for a call to be the same once more.

Whatever Python code read is compared by identity, at every call: the values of dictionaries and
lists, single entries, attributes, the contents of closures. Nothing depends on being told of a
change. Each kind is compared as one row, which costs a few nanoseconds an entry.
"""

from itertools import chain
from operator import attrgetter, is_

from kuai.engine.tensor import Tensor

__all__ = ["Watch"]

_MISSING = object()
_tensor_state = attrgetter(
    "_storage", "_requires_grad", "_steps", "_node", "_base", "_hooked", "_retains_grad"
)


class Watch:
    """Rows of things and what they were. Things are added first, then `freeze` is called.

    Attributes:
        tensors: those whose storage, flags, history and hooks have to stay.
        dicts: dictionaries whose values have to stay, in their order.
        names: dictionaries whose keys have to stay, too.
        lists: lists or tuples whose elements have to stay.
        parts: (dictionary, names): values that have to stay, where others may change.
        entries: (dictionary, key).
        attributes: (object, name).
        cells: of closures.
        objects: whose class has to stay.
        numbers: (dictionary, key): floats that are free to change.
    """

    def __init__(self):
        self.tensors, self.dicts, self.lists, self.parts = {}, {}, {}, {}
        self.entries, self.attributes, self.cells, self.objects = {}, {}, {}, {}
        self.names, self.numbers = {}, {}

    # What is watched ----------------------------------------------------------------------------

    def tensor(self, tensor: Tensor) -> None:
        """Watch everything of a tensor but its values and its gradient."""
        self.tensors[id(tensor)] = tensor

    def dict(self, mapping: dict) -> None:
        """Watch all values of a dictionary."""
        self.dicts[id(mapping)] = mapping

    def keys(self, mapping: dict) -> None:
        """Watch all values of a dictionary and their names."""
        self.dicts[id(mapping)] = mapping
        if mapping:
            self.names[id(mapping)] = mapping

    def list(self, sequence) -> None:
        """Watch all elements of a list."""
        self.lists[id(sequence)] = sequence

    def part(self, mapping: dict, names) -> None:
        """Watch some values of a dictionary."""
        self.parts[id(mapping)] = mapping, tuple(names)

    def entry(self, mapping: dict, key) -> None:
        """Watch one value of a dictionary, which may be missing."""
        self.entries[id(mapping), key] = mapping, key

    def attribute(self, thing, name: str) -> None:
        """Watch what `getattr(thing, name)` gives, for a function, a class or a module."""
        self.attributes[id(thing), name] = thing, name

    def cell(self, cell) -> None:
        """Watch what a closure holds."""
        self.cells[id(cell)] = cell

    def object(self, thing) -> None:
        """Watch the class of an object."""
        self.objects[id(thing)] = thing

    def number(self, mapping: dict, key) -> None:
        """Watch that an entry is a float, whichever."""
        self.numbers[id(mapping), key] = mapping, key

    # What was ------------------------------------------------------------------------------------

    def freeze(self) -> None:
        """Note what everything is now."""
        whole = self.dicts
        self._empty = [d for d in whole.values() if not d]
        self._dicts = [d for d in whole.values() if d]
        self._lists, self._cells = list(self.lists.values()), list(self.cells.values())
        self._names, self._numbers = list(self.names.values()), list(self.numbers.values())
        self._parts = [(d, name) for d, names in self.parts.values() for name in names]
        self._parts += self.entries.values()
        self._parts = [(d.get, name) for d, name in self._parts if id(d) not in whole]
        self._attributes = list(self.attributes.values())
        self._tensors = list(self.tensors.values())
        self._objects = [*self.objects.values(), *self._tensors]
        self._lengths = self._count()
        self._values = list(self._row())
        self._states = list(map(_tensor_state, self._tensors))
        self._classes = list(map(type, self._objects))
        self._keys = list(map(list, self._names))

    def holds(self) -> bool:
        """Whether everything is as it was."""
        return (
            not any(self._empty)
            and self._count() == self._lengths
            and all(map(is_, self._row(), self._values))
            and list(map(_tensor_state, self._tensors)) == self._states
            and list(map(type, self._objects)) == self._classes
            and list(map(list, self._names)) == self._keys
            and all([type(mapping.get(key)) is float for mapping, key in self._numbers])
        )

    def _count(self):
        return [*map(len, self._dicts), *map(len, self._lists)]

    def _row(self):
        """Everything that is compared by identity, in one row."""
        return chain(
            chain.from_iterable([mapping.values() for mapping in self._dicts]),
            chain.from_iterable(self._lists),
            [get(name, _MISSING) for get, name in self._parts],
            [getattr(thing, name, _MISSING) for thing, name in self._attributes],
            [_content(cell) for cell in self._cells],
        )


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:
        return _MISSING
