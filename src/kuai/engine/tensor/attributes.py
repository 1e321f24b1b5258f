"""What a program puts on its tensors, apart from what the engine keeps in the same dictionary.

Programs copy attributes from one tensor to another by way of `__dict__`, and make a parameter anew
with `type(p)(data, **p.__dict__)`. The engine keeps a tensor's storage and history there too, and
those must stay where they are. So the `__dict__` of a tensor shows the program's attributes only,
and what is written into it arrives at the tensor. The engine asks `own`.
"""

import copy
from typing import Any, ClassVar

__all__ = ["TensorBase", "TensorType", "UsersAttributes", "keep", "own", "own_of", "shown", "users"]


class TensorType(type):
    """The class of tensors' classes: they print under PyTorch's paths where `torch` is Kuai.

    Attributes:
        shown: those paths, by the classes' own.
    """

    shown: ClassVar[dict[str, str]] = {}

    def __repr__(cls) -> str:
        path = TensorType.shown.get(f"{cls.__module__}.{cls.__qualname__}")
        return super().__repr__() if path is None else f"<class '{path}'>"


class TensorBase(metaclass=TensorType):
    """What Tensor is made of: an object with a dictionary."""


#: A tensor's whole dictionary.
own: Any = vars(TensorBase)["__dict__"].__get__


def own_of(thing: Any) -> dict | None:
    """The dictionary with all attributes of anything, if it has one."""
    return own(thing) if isinstance(thing, TensorBase) else getattr(thing, "__dict__", None)


#: Names of the engine's attributes.
_ENGINES = {"_storage"}


def keep(names) -> None:
    """Say which further names are the engine's."""
    _ENGINES.update(names)


def users(tensor) -> dict[str, Any]:
    """The attributes that a program has put on a tensor.

    Example:
        >>> from kuai.engine.tensor.attributes import users
        >>> x = kuai.ones(2)
        >>> x.unit = "m"
        >>> users(x)
        {'unit': 'm'}
    """
    return {name: value for name, value in own(tensor).items() if name not in _ENGINES}


def _replace(tensor, attributes) -> None:
    whole = own(tensor)
    for name in users(tensor):
        del whole[name]
    whole.update(_only_users(attributes))


def _only_users(attributes) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if name not in _ENGINES}


class UsersAttributes(dict):
    """The attributes of a program's tensor; what is changed here is changed there."""

    def __init__(self, tensor):
        super().__init__(users(tensor))
        self._whole = own(tensor)

    def __setitem__(self, name, value):
        super().__setitem__(name, value)
        self._whole[name] = value

    def __delitem__(self, name):
        super().__delitem__(name)
        del self._whole[name]

    def update(self, *others, **attributes):
        """Set several."""
        for name, value in _only_users(dict(*others, **attributes)).items():
            self[name] = value

    def __ior__(self, other):
        self.update(other)
        return self

    def setdefault(self, name, default=None):
        """The attribute, which is set if there is none."""
        if name not in self:
            self[name] = default
        return self[name]

    def pop(self, name, *default):
        """Take an attribute away, and give its value."""
        self._whole.pop(name, None)
        return super().pop(name, *default)

    def popitem(self):
        """Take the last attribute away."""
        name, value = super().popitem()
        del self._whole[name]
        return name, value

    def clear(self):
        """Take all attributes away."""
        for name in list(self):
            del self[name]

    def copy(self):
        """A dictionary of its own."""
        return dict(self)

    def __reduce_ex__(self, protocol):
        return dict, (dict(self),)

    def __deepcopy__(self, memo):
        return copy.deepcopy(dict(self), memo)


#: What `__dict__` is in the class Tensor.
shown = property(UsersAttributes, _replace)
