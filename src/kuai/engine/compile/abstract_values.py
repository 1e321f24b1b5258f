"""What the prover knows of a value, see `proof`."""

import types
from collections import OrderedDict

from kuai.engine.compile.knowledge import Refused
from kuai.engine.tensor import devices, dtypes
from kuai.engine.tensor.size import Size

__all__ = [
    "NEST",
    "OUTLINE",
    "TENSOR",
    "Bound",
    "Items",
    "Known",
    "Once",
    "Several",
    "is_dict",
    "is_plain",
    "text_of_value",
]

_PLAIN = (int, float, bool, complex, str, bytes, type(None), type(Ellipsis))
_PLAIN += (dtypes.dtype, devices.device, Size, range)
_NAMED = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)
_READING = ("__getitem__", "__iter__", "__len__", "__contains__", "items", "keys", "values")


class _Unknown:
    """A value that only the call itself will know."""

    def __init__(self, what):
        self.what = what

    def __repr__(self):
        return self.what


TENSOR = _Unknown("a tensor")  # exactly a Tensor
NEST = _Unknown("a result")  # a tensor, or a nest of tensors
OUTLINE = _Unknown("a shape")  # a plain value that depends on shapes and dtypes alone


class Read:
    """A Python number that is read from a tensor, the how many-th, and what converts it."""

    def __init__(self, number, convert=None):
        self.number, self.convert = number, convert


class Known:
    """A value that is known now, and watched where it was found."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class Items:
    """A tuple, list or dict that the call makes or gets; its elements may be unknown."""

    __slots__ = ("kind", "values")

    def __init__(self, kind, values):
        self.kind, self.values = kind, values

    @property
    def parts(self):
        """The elements; of a dict its values."""
        return list(self.values.values()) if self.kind is dict else self.values


class Several:
    """In a row of values: `*value`, of which it is not known how many there are."""

    def __init__(self, value):
        self.value = value


class Once(Items):
    """What an iterator gives, which can be gone through once."""

    __slots__ = ("left",)

    def __init__(self, values):
        super().__init__(types.GeneratorType, values)
        self.left = True

    @property
    def parts(self):
        """The elements."""
        return self.taken()

    def taken(self):
        """The elements, for whoever goes through them.

        Raises:
            Refused: somebody has done so before, perhaps not to the end.
        """
        if not self.left:
            raise Refused("an iterator that is gone through twice")
        self.left = False
        return self.values


class Bound:
    """A method of something; `function` is None for those of tensors and containers."""

    __slots__ = ("function", "name", "owner")

    def __init__(self, owner, name, function=None):
        self.owner, self.name, self.function = owner, name, function


def is_plain(value) -> bool:
    """Whether a value is immutable all the way down, and says all about itself."""
    if type(value) in _PLAIN:
        return True
    if type(value) is slice:
        return all(map(is_plain, (value.start, value.stop, value.step)))
    return type(value) in (tuple, frozenset) and all(map(is_plain, value))


def is_dict(thing) -> bool:
    """Whether a thing is a dict that is read as all dicts are, whatever writing it does."""
    kind = type(thing)
    if not isinstance(thing, dict) or hasattr(kind, "__missing__"):
        return False
    known = OrderedDict if isinstance(thing, OrderedDict) else dict
    return all(getattr(kind, name) is getattr(known, name) for name in _READING)


def text_of_value(value) -> str:
    """What to call a value in a reason."""
    if isinstance(value, _Unknown):
        return value.what
    if isinstance(value, Read):
        return "a number of a tensor"
    if isinstance(value, Items):
        return f"a {value.kind.__name__}"
    if isinstance(value, Several):
        return f"*{text_of_value(value.value)}"
    if isinstance(value, Bound):
        return f"the method {value.name}"
    thing = value.value if isinstance(value, Known) else value
    kind = type(thing).__name__
    if isinstance(thing, _NAMED):  # of any other thing, looking for a name may run its code
        return f"{getattr(thing, '__qualname__', thing.__name__)} ({kind})"
    return f"{_article(kind)} {kind}"


def _article(word) -> str:
    return "an" if word[:1].lower() in "aeiou" else "a"
