"""What `tensor.__dict__` shows: the attributes that a program gave the tensor.

A tensor keeps its storage and its history in the same dictionary, where PyTorch's has none of that.
Programs build a parameter anew with `type(p)(data, **p.__dict__)`, or take the attributes over with
`new.__dict__.update(old.__dict__)`; so they get the program's own attributes, and what they
write there is written to the tensor. The engine uses `own`, which gives the dictionary itself.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Attributes", "Holder", "own", "own_of"]


class Holder:
    """Has the dictionary in which a tensor keeps everything."""


#: The dictionary itself, of a tensor.
own = Holder.__dict__["__dict__"].__get__


def own_of(thing: Any) -> dict | None:
    """The dictionary that holds the attributes of anything, if it has one."""
    return own(thing) if isinstance(thing, Holder) else getattr(thing, "__dict__", None)


class Attributes(dict):
    """The attributes of a tensor that are not the engine's; changes go to the tensor, too."""

    def __init__(self, tensor: Any, engines: frozenset[str]):
        self._all, self._engines = own(tensor), engines
        super().__init__((k, v) for k, v in self._all.items() if k not in engines)

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self._all[name] = value

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        del self._all[name]

    def update(self, *others: Any, **more: Any) -> None:
        """As of any dictionary."""
        for name, value in dict(*others, **more).items():
            self[name] = value

    def __ior__(self, other: Any) -> Attributes:
        self.update(other)
        return self

    def setdefault(self, name: str, default: Any = None) -> Any:
        """As of any dictionary."""
        if name not in self:
            self[name] = default
        return self[name]

    def pop(self, name: str, *default: Any) -> Any:
        """As of any dictionary."""
        if name in self:
            self._all.pop(name, None)
        return super().pop(name, *default)

    def popitem(self) -> tuple[str, Any]:
        """As of any dictionary."""
        name, value = super().popitem()
        del self._all[name]
        return name, value

    def clear(self) -> None:
        """Take away the attributes; the tensor stays what it is."""
        for name in list(self):
            del self[name]

    def __reduce__(self):
        return dict, (dict(self),)
