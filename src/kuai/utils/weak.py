"""`kuai.utils.weak`: references that do not keep tensors, and dicts of them, by identity."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, MutableMapping
from typing import Any
from weakref import ref as WeakRef

from kuai.engine.tensor import Tensor

__all__ = [
    "TensorWeakRef",
    "WeakIdKeyDictionary",
    "WeakIdRef",
    "WeakRef",
    "WeakTensorKeyDictionary",
]


class WeakIdRef(weakref.ref):
    """A weak reference that is the same as another one where both are of the same object.

    Example:
        >>> from kuai.utils.weak import WeakIdRef
        >>> x = kuai.ones(2)
        >>> WeakIdRef(x) == WeakIdRef(x), WeakIdRef(x) == WeakIdRef(kuai.ones(2))
        (True, False)
    """

    __slots__ = ["_id"]

    def __init__(self, key: Any, callback: Any = None):
        self._id = id(key)
        super().__init__(key, callback)  # pyright: ignore[reportCallIssue]

    def __call__(self) -> Any:
        """The object, or None where it is gone."""
        return super().__call__()

    def __hash__(self) -> int:
        return self._id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WeakIdRef):
            return False
        mine, its = self(), other()
        return self is other if mine is None or its is None else mine is its


class WeakIdKeyDictionary(MutableMapping):
    """A dict whose keys are compared by identity, and whose entries go with their keys.

    Example:
        >>> from kuai.utils.weak import WeakIdKeyDictionary
        >>> x = kuai.ones(2)
        >>> names = WeakIdKeyDictionary({x: "x"})
        >>> names[x], kuai.ones(2) in names
        ('x', False)
        >>> del x
        >>> len(names)
        0
    """

    def __init__(self, dict: Any = None, ref_type: Any = WeakIdRef):
        self.data: Any = {}
        self.ref_type = ref_type
        self._drop = weakref.WeakMethod(self._gone)
        if dict is not None:
            self.update(dict)

    def _gone(self, reference: Any) -> None:
        self.data.pop(reference, None)

    def _reference(self, key: Any) -> Any:
        drop = self._drop

        def gone(reference: Any) -> None:
            method = drop()
            if method is not None:
                method(reference)

        return self.ref_type(key, gone)

    def __getitem__(self, key: Any) -> Any:
        return self.data[self.ref_type(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.data[self._reference(key)] = value

    def __delitem__(self, key: Any) -> None:
        del self.data[self.ref_type(key)]

    def __contains__(self, key: object) -> bool:
        try:
            return self.ref_type(key) in self.data
        except TypeError:  # of which there are no weak references
            return False

    def __iter__(self) -> Iterator[Any]:
        for reference in list(self.data):
            key = reference()
            if key is not None:
                yield key

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x}>"

    def copy(self) -> WeakIdKeyDictionary:
        """Another one with the same entries."""
        return type(self)(self, self.ref_type)

    __copy__ = copy

    def keyrefs(self) -> list[Any]:
        """The references to the keys."""
        return list(self.data)

    def __or__(self, other: Any) -> Any:
        if not isinstance(other, MutableMapping | dict):
            return NotImplemented
        made = self.copy()
        made.update(other)
        return made

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self


WeakTensorKeyDictionary = WeakIdKeyDictionary


class TensorWeakRef:
    """A weak reference to a tensor."""

    def __init__(self, tensor: Tensor):
        if not isinstance(tensor, Tensor):
            raise AssertionError(f"expected a tensor, got {type(tensor)}")
        self.ref = weakref.ref(tensor)

    def __call__(self) -> Tensor | None:
        """The tensor, or None where it is gone."""
        return self.ref()
