"""Attributes, as the prover looks them up: see `proof`."""

import abc
import collections
import types
from typing import Any

from kuai.engine.compile.abstract_values import (
    DICT_METHODS,
    NEST,
    OUTLINE,
    TENSOR,
    Argument,
    Bound,
    Items,
    Known,
    Super,
    is_dict,
    is_named_tuple,
    is_plain,
    is_some_tensor,
    text_of_value,
    watch_named_tuple,
)  # fmt: skip
from kuai.engine.compile.enumerations import Enumerations, is_enumeration, is_member
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.function_like import FunctionLike
from kuai.engine.compile.knowledge import Refused, description_of
from kuai.engine.compile.own_functions import Context, OwnFunctions, is_function
from kuai.engine.compile.plain_methods import has_method
from kuai.engine.compile.plain_sets import PlainSet
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.attributes import own_of

__all__ = ["METACLASSES", "Lookups"]

_ALWAYS_TRUE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)
_MISSING = object()
METACLASSES = (type, abc.ABCMeta)
# how attributes are found: these do the same
_ORDINARY = (object.__getattribute__, types.SimpleNamespace.__getattribute__)
_TENSOR_PROPERTIES = frozenset(["T", "H", "mT", "mH", "real", "imag", "values", "indices", "data"])
_OUTLINES = frozenset(["shape", "dtype", "device", "ndim", "itemsize", "nbytes"])
_NAMES = frozenset(["__name__", "__qualname__"])  # of classes, which are kept with them
#: of dtypes and devices: plain values, never None
_OF_OUTLINES = frozenset(["is_floating_point", "is_complex", "is_signed", "itemsize", "type"])
_FLAGS = frozenset(["requires_grad", "is_leaf", "is_cuda", "is_cpu"])


_FIELD = type(vars(collections.namedtuple("_Row", "field"))["field"])


def _watched_name(name, found):
    """By what name something of a class is watched: methods of classes are made when read."""
    return f"{name}.__func__" if type(found) is classmethod else name


class Lookups(OwnFunctions, Enumerations, Frame):
    """The attributes of things."""

    def _value_Attribute(self, node):
        return self.attribute(self.value(node.value), node.attr)

    def attribute(self, owner, name):
        """What an attribute of a value gives."""
        if self.is_tensor(owner) or owner is NEST:
            self.watch_method(name)
            if isinstance(owner, Known):
                self._none_of_its_own(owner.value, name)
            if name in _OUTLINES or name in _FLAGS:
                outline = self.outline(owner)
                return Known(outline[name]) if name in outline else OUTLINE
            if name == "grad" and isinstance(owner, Known):
                self.watch.gradient(owner.value)
                return NEST  # or None
            if name == "data" and self._is_plain_tensor(owner):
                return TENSOR
            return NEST if name in _TENSOR_PROPERTIES else Bound(owner, name)
        if isinstance(owner, Context):
            return self.attribute_of_context(owner, name)
        if isinstance(owner, Super):
            return self._inherited(owner, name)
        owner = self.opened(owner)
        if isinstance(owner, Items):
            if issubclass(owner.kind, tuple) and owner.kind is not tuple:
                return self._of_named_tuple(owner, name)
            return Bound(owner, name)
        if isinstance(owner, Known) and self.is_dict(owner.value):
            self._none_of_its_own(owner.value, name)
            return Bound(owner, name)
        if isinstance(owner, PlainSet):
            return Bound(owner, name)
        if owner is OUTLINE and name in _OF_OUTLINES:
            return OUTLINE
        if not isinstance(owner, Known):
            raise Refused(f"{name} of {text_of_value(owner)}")
        if is_plain(owner.value):
            return self._attribute_of_plain(owner, name)
        if type(owner.value) is types.ModuleType:
            return self._own(owner, vars(owner.value), name)
        return self._attribute(owner, name)

    def _is_plain_tensor(self, value) -> bool:
        """Whether a tensor's class is one of Kuai's own, so that its values are a Tensor."""
        if isinstance(value, Known):
            return type(value.value).__module__.startswith("kuai.")
        return is_some_tensor(value)

    def opened(self, value):
        """A tuple with names for its elements as what it holds; anything else as it is."""
        kind = type(value.value) if isinstance(value, Known) else None
        if kind is None or not is_named_tuple(kind):
            return value
        watch_named_tuple(self.watch, kind)
        return Items(kind, [self.prover.found(each) for each in tuple.__iter__(value.value)])

    def _none_of_its_own(self, thing, name) -> None:
        """Watch that nothing that somebody has put into a thing hides a method of that name."""
        attributes = own_of(thing)
        if attributes is None:
            return
        self.watch.entries(attributes, [name])
        if name in attributes:
            raise Refused(f"{name} of {text_of_value(thing)}, which is its own")

    def is_dict(self, thing) -> bool:
        """Whether a thing is read as all dicts are; what decides that in its class is watched."""
        if not is_dict(thing):
            return False
        for name in DICT_METHODS if type(thing) is not dict else ():
            self.watch.attribute(type(thing), name)
        return True

    def _attribute_of_plain(self, owner, name):
        """What an immutable value says of itself, such as the type of a device."""
        if has_method(owner.value, name):
            return Bound(owner, name)
        found = getattr(owner.value, name, _MISSING)
        if not is_plain(found):
            raise Refused(f"{name} of {text_of_value(owner)}")
        return Known(found)

    def _own(self, owner, there, name):
        self.watch.entries(there, [name])
        if name not in there:
            raise Refused(f"{name} of {text_of_value(owner)}, which is computed")
        return self.prover.found(there[name])

    def _attribute(self, owner, name):
        """An attribute of an object, as `object.__getattribute__` finds it."""
        thing = owner.value
        kind = type(thing)
        if FunctionLike in kind.__mro__:  # `isinstance` would ask the thing
            raise Refused(f"{name} of a compiled function")
        if kind is type:
            return self._class_attribute(owner, name)
        if is_enumeration(thing):
            return self.member(owner, name)
        if is_member(thing):
            return self.of_member(owner, name)
        if type(kind) not in METACLASSES or kind.__getattribute__ not in _ORDINARY:
            raise Refused(f"{name} of {text_of_value(owner)}")
        of_class: Any = next((vars(c)[name] for c in kind.__mro__ if name in vars(c)), _MISSING)
        for each in (_watched_name(name, of_class), "__getattribute__"):
            self.watch.attribute(kind, each)
        if type(of_class) is types.MemberDescriptorType:
            return self._in_slot(owner, name, of_class)
        attributes = own_of(thing)
        if attributes is None:
            raise Refused(f"{name} of {text_of_value(owner)}")
        is_method = type(of_class) is types.FunctionType
        if type(of_class) is property:
            return self.prover.call(of_class.fget, [owner], {}, self.depth + 1)
        inner = getattr(of_class, "__func__", None)
        is_static, is_of_class = type(of_class) is staticmethod, type(of_class) is classmethod
        if not (is_method or is_static or is_of_class) and self._is_computed(of_class):
            raise Refused(f"{name} of {text_of_value(owner)}, which is computed")
        if (slot := self.slot_at(attributes, name)) is not None:
            return slot.read()
        self.watch.entries(attributes, [name])
        if name in attributes:
            return self.prover.found(attributes[name])
        if is_static:
            return self.prover.found(inner)
        if is_of_class:
            return Bound(self.prover.found(kind), "", inner)
        if is_method:
            return Bound(owner, name, of_class)
        if of_class is not _MISSING:
            return self.prover.found(of_class)
        description = description_of(thing)
        for slots in description.slots(self.prover, thing) if description is not None else ():
            if (slot := self.slot_at(slots, name)) is not None:
                return slot.read()
            self.watch.entries(slots, [name])
            if name in slots:
                return self.prover.found(slots[name])
        raise Refused(f"{name} of {text_of_value(owner)}")

    def lacks(self, owner, name) -> bool:
        """Whether it is sure that a value has no attribute of that name; that is watched."""
        thing = owner.value if isinstance(owner, Known) else None
        kind = type(thing)
        if not isinstance(owner, Known) or issubclass(kind, (type, types.ModuleType)):
            return False
        if is_plain(thing):
            return not hasattr(thing, name)
        if FunctionLike in kind.__mro__ or is_dict(thing) or is_named_tuple(kind):
            return False
        attributes = own_of(thing) if kind.__getattribute__ in _ORDINARY else None
        known = any(name in vars(each) for each in kind.__mro__)
        if known or type(kind) not in (*METACLASSES, type(Tensor)):
            return False
        if attributes is None or name in attributes:
            return False
        places = [attributes]
        if any("__getattr__" in vars(each) for each in kind.__mro__):
            description = description_of(thing)
            slots = () if description is None else description.slots(self.prover, thing)
            if not slots or any(name in there for there in slots):
                return False
            places += slots
        for each in (name, "__getattribute__", "__getattr__"):
            self.watch.attribute(kind, each)
        for there in places:
            self.watch.entries(there, [name])
        return True

    def is_thing_true(self, owner) -> bool:
        """Whether an object is true: a list or dict that is not empty, or one that is neither."""
        thing, kind = owner.value, type(owner.value)
        if kind in _ALWAYS_TRUE:
            return True
        if kind is list:
            self.watch.list(thing)
            return bool(thing)
        if self.is_dict(thing) and not hasattr(kind, "__bool__") and kind.__len__ is dict.__len__:
            self.watch.attribute(kind, "__bool__")
            self.watch.size(thing)
            return bool(thing)
        if type(kind) not in METACLASSES or issubclass(kind, Tensor) or is_dict(thing):
            raise Refused(f"{text_of_value(owner)}, where a plain value is needed")
        for name in ("__bool__", "__len__"):
            self.watch.attribute(kind, name)
            if hasattr(kind, name):
                raise Refused(f"{text_of_value(owner)}, which says for itself whether it is true")
        self.watch.object(thing)
        return True

    def _in_slot(self, owner, name, of_class):
        """What an object of a class with `__slots__` holds."""
        thing = owner.value
        if id(thing) in self.watch.arguments:  # it would be held
            raise Refused(f"{name} of {text_of_value(owner)}, which is an argument")
        try:
            found = of_class.__get__(thing, type(thing))
        except AttributeError:
            raise Refused(f"{name} of {text_of_value(owner)}, which has no value") from None
        self.watch.object(thing)
        self.watch.slot(thing, of_class)
        return self.prover.found(found)

    def _is_computed(self, of_class) -> bool:
        """Whether what a class has gives something else when it is read from an instance."""
        kind = type(of_class)
        if not is_plain(of_class) and of_class is not _MISSING:
            self.watch.attribute(kind, "__get__")  # which may come later
        return hasattr(kind, "__get__")

    def _class_attribute(self, owner, name):
        """An attribute of a class, such as one that holds options."""
        if name == "apply" and is_function(owner.value):
            return Bound(owner, name)
        if name in _NAMES and getattr(owner.value, name) is getattr(owner.value, name):
            self.watch.attribute(owner.value, name)
            return Known(getattr(owner.value, name))
        there = [vars(each) for each in owner.value.__mro__ if name in vars(each)]
        found = there[0][name] if there else _MISSING
        self.watch.attribute(owner.value, _watched_name(name, found))
        if type(found) is classmethod:
            return Bound(owner, "", found.__func__)
        if type(found) is staticmethod:
            return self.prover.found(found.__func__)
        plain = type(found) is types.FunctionType or not self._is_computed(found)
        if found is _MISSING or not plain:
            raise Refused(f"{name} of {text_of_value(owner)}")
        return self.prover.found(found)

    def _inherited(self, found, name):
        """What `super().name` gives."""
        kind = type(found.owner.value)
        self.watch.attribute(kind, "__mro__")
        for each in kind.__mro__[kind.__mro__.index(found.kind) + 1 :]:
            of_class: Any = vars(each).get(name, _MISSING)
            self.watch.attribute(each, _watched_name(name, of_class))
            if type(of_class) is types.FunctionType:
                return Bound(found.owner, "", of_class)
            if of_class is not _MISSING:
                break
        raise Refused(f"{name} of super()")

    def _of_named_tuple(self, owner, name):
        """A field of a tuple whose fields have names, or a method that its class has."""
        kind = owner.kind
        found = next((vars(c)[name] for c in kind.__mro__ if name in vars(c)), _MISSING)
        self.watch.attribute(kind, _watched_name(name, found))
        if type(found) is _FIELD:
            return owner.values[found.__reduce__()[1][0]]
        if type(found) is types.FunctionType and name[0] != "_":
            return Bound(owner, "", found)
        if type(found) is property:
            return self.prover.call(found.fget, [owner], {}, self.depth + 1)
        if name == "_replace":
            return Bound(owner, name)
        raise Refused(f"{name} of a {kind.__name__}")

    def outline(self, value) -> dict:
        """Shape, dtype and device of an argument, if nothing can have changed them."""
        return value.outline if isinstance(value, Argument) and self.prover.knows_shapes else {}

    def takes_back(self, thing, name) -> bool:
        """Whether assigning to an attribute what it holds changes nothing."""
        kind = type(thing)
        if any(name in vars(each) for each in kind.__mro__):
            return False
        for each in (name, "__setattr__"):
            self.watch.attribute(kind, each)
        if kind.__setattr__ is object.__setattr__:
            return True
        description = description_of(thing)
        if description is None or description.assigning is None:
            return False
        description.assigning(self.prover, thing)
        return True
