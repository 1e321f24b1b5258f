"""Spaces: what the containers that a traced function can reach held before it was traced.

A space is anything with `container[key]`: globals, the attributes of an object, a dict, a list, a
cell of a closure. After a trace they tell which entries the function itself rebound:

* to tensors made inside, which then are outputs of the program (`rebound`; see `places`);
* to something else, so that running the function again has to start from what was there before
  (`restore`).
"""

import jax

from kuai.engine.autograd.snapshots import LONGEST, PLAIN
from kuai.engine.tensor import Tensor

__all__ = ["MISSING", "CellSpace", "Spaces", "leaves_of", "put"]


class _Missing:
    def __repr__(self):
        return "nothing"


MISSING = _Missing()  # there is no such entry


class CellSpace:
    """A cell of a closure as a container of one entry."""

    def __init__(self, cell):
        self.cell = cell

    def __getitem__(self, key):
        return self.cell.cell_contents

    def __setitem__(self, key, value):
        self.cell.cell_contents = value

    def get(self, key, default=None):
        """The cell's contents, or the default if it is empty."""
        try:
            return self.cell.cell_contents
        except ValueError:
            return default


def leaves_of(value):
    """The leaves and the structure of a value nested in lists, tuples and dicts."""
    return jax.tree.flatten(value, is_leaf=lambda part: not isinstance(part, (list, tuple, dict)))


class Spaces:
    """The entries of all remembered containers."""

    def __init__(self):
        self.before = {}  # id -> (container, its entries before the trace)
        self.whole = set()  # ids of containers of which every entry was remembered

    def remember(self, space: dict) -> None:
        """Remember a container and what is nested in it."""
        self._note(space, space)
        for value in space.values():
            self._nested(value, 4)

    def remember_module(self, space: dict) -> None:
        """Remember a module's own attributes and its buffers, not its hooks, children, ….

        A later call takes the place of an earlier one.
        """
        attributes = {k: v for k, v in space.items() if not _is_internal(k, v)}
        self._note(space, attributes)
        buffers = space.get("_buffers")
        if buffers:
            self._note(buffers, buffers)
        for value in attributes.values():
            self._nested(value, 4)

    def remember_item(self, container, key) -> None:
        """Remember one entry of a container."""
        if isinstance(container, (dict, CellSpace)):
            owner = container.cell if isinstance(container, CellSpace) else container
            entries = self.before.setdefault(id(owner), (container, {}))[1]
            entries.setdefault(key, container[key])
        self._nested(container[key], 4)

    def _note(self, container, entries):
        self.before[id(container)] = (container, dict(entries))
        self.whole.add(id(container))

    def _nested(self, value, depth):
        if not depth or not isinstance(value, (dict, list)) or len(value) > LONGEST:
            return
        items = value if isinstance(value, dict) else dict(enumerate(value))
        if id(value) not in self.whole:
            self._note(value, items)
        for each in items.values():
            self._nested(each, depth - 1)

    # After a trace ----------------------------------------------------------------------------

    def rebound(self, is_inside):
        """(container, key, value before, value now) of entries that now hold tensors from inside.

        Of a list that has become longer or shorter, the key is None.
        """
        return [change for change in self._changes() if _holds(change[3], is_inside)]

    def restore(self, is_inside, everything: bool) -> None:
        """Put back the entries that hold tensors from inside; on `everything`, plain ones too."""
        for container, key, before, now in list(self._changes()):
            lost = _holds(now, is_inside)
            if _is_resized(container, key):
                if everything or lost:
                    container[:] = before
            elif lost or everything and _is_plain(now, before):
                put(container, key, before)

    def changed_key(self):
        """The key of a plain entry, or the first entry of a list, that is not as it was."""
        for container, key, before, now in self._changes():
            if _is_resized(container, key):
                return f"a list of {len(before)}"
            if _is_plain(now, before) and now != before:
                return key
        return None

    def _changes(self):
        """(container, key, value before, value now) of all that is not what it was."""
        for container, entries in list(self.before.values()):
            if isinstance(container, list) and len(container) != len(entries):
                yield container, None, list(entries.values()), list(container)
                continue
            for key, now in self._entries(container, entries):
                before = entries.get(key, MISSING)
                if now is not before:
                    yield container, key, before, now

    def _entries(self, container, before):
        """The entries to look at: those remembered, and new ones of a container known wholly."""
        if isinstance(container, list):
            return list(enumerate(container))
        if id(container) in self.whole:
            return [(k, v) for k, v in container.items() if not _is_internal(k, v)]
        return [(key, container.get(key, MISSING)) for key in before]


def put(container, key, value) -> None:
    """Set an entry, or take it away."""
    if value is MISSING:
        del container[key]
    else:
        container[key] = value


def _is_resized(container, key) -> bool:
    """Whether a change is that a list has become longer or shorter."""
    return key is None and isinstance(container, list)


def _holds(value, is_inside) -> bool:
    if isinstance(value, Tensor):
        return is_inside(value)
    if not isinstance(value, (list, tuple, dict)) or len(value) > LONGEST:
        return False
    parts = value.values() if isinstance(value, dict) else value
    return any(_holds(part, is_inside) for part in parts)


def _is_internal(key, value) -> bool:
    """Whether it is a module's registry of parameters, hooks, …, rather than an attribute."""
    return isinstance(key, str) and key.startswith("_") and isinstance(value, (dict, set))


def _is_plain(now, before) -> bool:
    return isinstance(now, PLAIN) and (before is MISSING or isinstance(before, PLAIN))
