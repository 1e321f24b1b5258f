"""What the prover knows of a value, see `proof`.

Of things of the user's it asks `type`, never `isinstance`, which may run code of theirs.
"""

import types
from collections import OrderedDict
from operator import is_

from kuai.engine.compile.knowledge import Refused
from kuai.engine.tensor import devices, dtypes
from kuai.engine.tensor.size import Size

__all__ = [
    "DICT_METHODS",
    "NEST",
    "OUTLINE",
    "TENSOR",
    "Argument",
    "Bound",
    "Items",
    "Known",
    "Loan",
    "Once",
    "Several",
    "Super",
    "Table",
    "Unknown",
    "is_dict",
    "is_named_tuple",
    "is_plain",
    "is_some_tensor",
    "text_of_value",
    "watch_named_tuple",
]

_PLAIN = (int, float, bool, complex, str, bytes, type(None), type(Ellipsis))
_PLAIN += (dtypes.dtype, devices.device, Size, range)
_NAMED = (types.FunctionType, types.BuiltinFunctionType, type)
_READING = ("__getitem__", "__iter__", "__len__", "__contains__", "items", "keys", "values")
_READING += ("__getattribute__",)
_TUPLE_METHODS = ("__getitem__", "__iter__", "__len__", "__getattribute__")
_NOT_OF_TUPLES = ("__bool__", "__reversed__")  # which would say something else than the elements
DICT_METHODS = (*_READING, "__missing__")  # which decide how a dict is read


class Unknown:
    """A value that only the call itself will know."""

    def __init__(self, what):
        self.what = what

    def __repr__(self):
        return self.what


TENSOR = Unknown("a tensor")  # exactly a Tensor
NEST = Unknown("a result")  # a tensor, or a nest of tensors, or None
# a plain value, not None, that depends on shapes, dtypes and what is compared: the same at each
# replay, though it is not known which
OUTLINE = Unknown("a shape")


class Argument(Unknown):
    """A Tensor that the call was given; shape, dtype and device are part of its signature."""

    def __init__(self, tensor):
        super().__init__("a tensor")
        self.outline = {"shape": tensor.shape, "ndim": tensor.ndim}
        self.outline |= {"dtype": tensor.dtype, "device": tensor.device}


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
    """A tuple, list or dict that the call makes or gets; its elements may be unknown.

    Attributes:
        is_made: whether the call has made it, so that it may change it.
        loans: of what it is read from late: see `Loan`.
    """

    __slots__ = ("is_made", "kind", "loans", "values")

    def __init__(self, kind, values, is_made=False, loans=()):
        self.kind, self.values, self.is_made, self.loans = kind, values, is_made, loans

    def put(self, key, value) -> None:
        """Set an element."""
        if self.kind is list and (type(key) is not int or abs(key) >= len(self.values)):
            raise Refused("a place that is not in a list")
        self.values[key] = value

    @property
    def parts(self):
        """The elements; of a dict its values."""
        return list(self.values.values()) if self.kind is dict else self.values


class Table(Items):
    """A dict of a class of its own, which is read and changed as all dicts are."""

    __slots__ = ()


class Loan:
    """A list or dict of which an iterator or a view reads the elements when they are wanted.

    Args:
        nest: it has to stay as it is until then.
        in_order: whether elements that have been read may change.
    """

    def __init__(self, nest, in_order=True):
        self.nest, self.in_order, self.then = nest, in_order, list(nest.parts)

    def check(self, count=0) -> None:
        """See that nothing has changed that comes after the first elements.

        Raises:
            Refused: something has.
        """
        first, now = count if self.in_order else 0, self.nest.parts
        if len(now) != len(self.then) or not all(map(is_, now[first:], self.then[first:])):
            raise Refused("a list or dict that changes while something goes through it")


class Super:
    """What `super()` gives: the methods of a thing that come after those of a class."""

    def __init__(self, kind, owner):
        self.kind, self.owner = kind, owner


class Several:
    """In a row of values: `*value`, of which it is not known how many there are."""

    def __init__(self, value):
        self.value = value


class Once(Items):
    """What an iterator gives, which can be gone through once."""

    __slots__ = ("left",)

    def __init__(self, values, loans=()):
        super().__init__(types.GeneratorType, values, loans=loans)
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
        for loan in self.loans:
            loan.check()
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


def is_some_tensor(value) -> bool:
    """Whether a value is exactly a Tensor, though not known which."""
    return value is TENSOR or isinstance(value, Argument)


def is_dict(thing) -> bool:
    """Whether a thing is a dict that is read as all dicts are, whatever writing it does."""
    kind = type(thing)  # `isinstance` would ask the thing, whose class may say something else
    if dict not in kind.__mro__ or hasattr(kind, "__missing__"):
        return False
    known = OrderedDict if OrderedDict in kind.__mro__ else dict
    return all(getattr(kind, name) is getattr(known, name) for name in _READING)


def is_named_tuple(kind) -> bool:
    """Whether a class makes tuples that are read as all tuples are, and have names for it."""
    if type(kind) is not type or not issubclass(kind, tuple) or kind.__dictoffset__:
        return False
    fields = getattr(kind, "_fields", None)
    if type(fields) is not tuple or not fields:
        return False
    if any(hasattr(kind, name) for name in _NOT_OF_TUPLES):
        return False
    if any("__class__" in vars(each) for each in kind.__mro__[:-1]):
        return False
    return all(getattr(kind, name) is getattr(tuple, name) for name in _TUPLE_METHODS)


def watch_named_tuple(watch, kind) -> None:
    """Watch what decides how such tuples are read."""
    for name in (*_TUPLE_METHODS, *_NOT_OF_TUPLES):
        watch.attribute(kind, name)


def text_of_value(value) -> str:
    """What to call a value in a reason."""
    if isinstance(value, Unknown):
        return value.what
    if isinstance(value, Read):
        return "a number of a tensor"
    if isinstance(value, Items):
        return f"a {value.kind.__name__}"
    if isinstance(value, Several):
        return f"*{text_of_value(value.value)}"
    if isinstance(value, Super):
        return "super()"
    if isinstance(value, Bound):
        return f"the method {value.name}"
    thing = value.value if isinstance(value, Known) else value
    kind = type(thing).__name__
    # of others than these, also of modules, looking for a name may run code
    if issubclass(type(thing), types.ModuleType):
        return f"{vars(thing).get('__name__', 'a module')} ({kind})"
    if issubclass(type(thing), _NAMED):
        return f"{getattr(thing, '__qualname__', thing.__name__)} ({kind})"
    return f"{_article(kind)} {kind}"


def _article(word) -> str:
    return "an" if word[:1].lower() in "aeiou" else "a"
