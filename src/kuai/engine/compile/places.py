"""Places: entries of Python containers that a compiled function rebinds to tensors it makes.

`self.moving_mean = 0.9 * self.moving_mean + 0.1 * mean` leaves no trace among the operations: no
tensor is written, a name gets another one. After the trace such entries are found by comparing the
containers with what they held before (see `spaces`). Each becomes an output of the program, and
what it held before, if it was read, an input that is fetched from the entry at every call. The
entry is then guarded by the structure of what it holds, not by identity.

Where that cannot be right (the old tensor is reachable by another name, or part of a graph) the
function runs eagerly.
"""

from kuai.engine.autograd.snapshots import PLAIN, snapshot
from kuai.engine.autograd.spaces import MISSING, leaves_of, put
from kuai.engine.tensor import Tensor
from kuai.errors import KeptTensorError

__all__ = ["Place", "find_places"]


class Place:
    """One entry that a program writes."""

    def __init__(self, container, key, before, was_read):
        self.container, self.key = container, key
        self.read = [_is_tensor(leaf) and was_read(leaf) for leaf in _leaves(before)]
        self.structure = self._structure(before)

    def now(self):
        """What the entry holds."""
        try:
            return self.container[self.key]
        except (KeyError, IndexError):
            return MISSING

    def leaf(self, index) -> Tensor:
        """One of the tensors it holds."""
        return _leaves(self.now())[index]

    def fits(self) -> bool:
        """Whether it holds the same kind of thing as when the function was traced."""
        return self._structure(self.now()) == self.structure

    def set(self, value) -> None:
        """Rebind the entry."""
        put(self.container, self.key, value)

    def _structure(self, value):
        if value is MISSING:
            return None
        leaves, tree = leaves_of(value)
        if len(leaves) != len(self.read):
            return tree
        pairs = zip(leaves, self.read, strict=True)
        return tree, [_kind(leaf) if read else _rough_kind(leaf) for leaf, read in pairs]


def _leaves(value) -> list:
    """What is nested in the value of an entry, which may be missing."""
    return [] if value is MISSING else leaves_of(value)[0]


def _is_tensor(leaf) -> bool:
    return isinstance(leaf, Tensor)


def _kind(leaf):
    if not _is_free(leaf):
        return None
    array = leaf._storage.array
    return array.shape, array.dtype


def _rough_kind(leaf):
    """Of a tensor that the trace did not look at, only that it is one."""
    return Tensor if _is_tensor(leaf) else snapshot(leaf)


def _is_free(leaf) -> bool:
    """Whether a tensor is a box of its own, with no graph and no base."""
    return (
        type(leaf) is Tensor
        and not leaf._requires_grad
        and leaf._node is None
        and leaf._base is None
        and leaf._steps is None
    )


def find_places(capture, is_inside):
    """The places that a finished trace has rebound, and the values it has put there.

    Raises:
        KeptTensorError: a tensor made inside is kept in a way that a program cannot repeat.
    """
    places, values = [], []
    owners = _owners(capture.guards.spaces)
    for container, key, before, now in capture.guards.spaces.rebound(is_inside):
        if key is None or not all(isinstance(x, (*PLAIN, Tensor)) for x in _leaves(now)):
            raise KeptTensorError("a list or another object")
        for leaf in _leaves(before):
            if _is_tensor(leaf) and not _is_replaceable(capture, leaf, owners):
                raise KeptTensorError(repr(key))
        places.append(Place(container, key, before, lambda leaf: leaf._storage in capture.doubles))
        values.append(now)
        _fetch_from(capture, places[-1], before)
    return places, values


def _owners(spaces):
    """How many remembered entries hold each storage."""
    counts = {}
    for _, entries in spaces.before.values():
        for value in entries.values():
            if isinstance(value, (Tensor, tuple)):
                for leaf in _leaves(value):
                    if _is_tensor(leaf):
                        counts[leaf._storage] = counts.get(leaf._storage, 0) + 1
    return counts


def _is_replaceable(capture, leaf, owners) -> bool:
    """Whether another tensor can take this one's place as an input."""
    storage = leaf._storage
    if storage not in capture.doubles:
        return True
    return _is_free(leaf) and storage not in capture.written and owners.get(storage, 0) == 1


def _fetch_from(capture, place, before):
    for index, leaf in enumerate(_leaves(before)):
        if _is_tensor(leaf):
            for number, source in enumerate(capture.sources):
                if source[0] == "state" and source[1] is leaf._storage:
                    capture.sources[number] = ("place", place, index)
