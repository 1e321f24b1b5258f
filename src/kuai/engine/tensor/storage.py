"""Storage: the mutable cell behind one or more tensors.

A tensor is a window on a storage; tensors that share one (`detach`, `.data`, views) see each
other's changes. The array itself is immutable: writing puts another array into the cell. Hence
whatever the tape has saved stays as it was.

`version` counts the writes, so that a view knows when to read itself anew.
`exclusive` says that no one but this cell holds the array, so that a compiled step may reuse its
memory. `home` is the capture in which the storage was made, or None for one that holds a real
array.
"""

from kuai.engine.tensor import modes
from kuai.errors import LeakedTensorError

__all__ = ["Lost", "Storage", "put", "resolve"]


class Storage:
    """A cell that holds an immutable array."""

    __slots__ = ("__weakref__", "array", "exclusive", "home", "version")

    def __init__(self, array, home=None):
        self.array = array
        self.version = 0
        self.exclusive = False
        self.home = home


def resolve(storage: Storage) -> Storage:
    """The cell to read now: inside a capture, its traced double."""
    capture = modes.state.capture
    if capture is None or storage.home is capture:
        return storage
    return capture.shadow(storage)


def put(storage: Storage, array) -> None:
    """Write an array into a storage, or into its traced double inside a capture."""
    capture = modes.state.capture
    if capture is not None and storage.home is not capture:
        capture.write(storage, array)
        return
    storage.array = array
    storage.version += 1
    storage.exclusive = False


class Lost:
    """Stands in a storage whose traced value went with its capture; any use explains what
    happened."""

    def __getattr__(self, name):
        raise LeakedTensorError

    def __bool__(self):
        raise LeakedTensorError
