"""Attributes, as the prover looks them up: see `proof`."""

import abc
import types

from kuai.engine.compile.abstract_values import (
    NEST,
    OUTLINE,
    Argument,
    Bound,
    Items,
    Known,
    is_dict,
    is_plain,
    text_of_value,
)  # fmt: skip
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused, description_of
from kuai.engine.tensor.attributes import own, own_of

__all__ = ["Lookups"]

_MISSING = object()
_METACLASSES = (type, abc.ABCMeta)
# how attributes are found: these do the same
_ORDINARY = (object.__getattribute__, types.SimpleNamespace.__getattribute__)
_TENSOR_PROPERTIES = frozenset(["T", "H", "mT", "mH", "real", "imag", "values", "indices", "data"])
_OUTLINES = frozenset(["shape", "dtype", "device", "ndim", "itemsize", "nbytes"])
_FLAGS = frozenset(["requires_grad", "is_leaf"])


class Lookups(Frame):
    """The attributes of things."""

    def _value_Attribute(self, node):
        owner, name = self.value(node.value), node.attr
        if self.is_tensor(owner) or owner is NEST:
            self.watch_method(name)
            if isinstance(owner, Known):
                self._none_of_its_own(owner.value, name)
            if name in _OUTLINES or name in _FLAGS:
                outline = self.outline(owner)
                return Known(outline[name]) if name in outline else OUTLINE
            if name == "grad" and isinstance(owner, Known):
                return NEST  # or None
            return NEST if name in _TENSOR_PROPERTIES else Bound(owner, name)
        if isinstance(owner, Items) or isinstance(owner, Known) and is_dict(owner.value):
            return Bound(owner, name)
        if not isinstance(owner, Known):
            raise Refused(f"{name} of {text_of_value(owner)}")
        if is_plain(owner.value):
            return self._attribute_of_plain(owner, name)
        if type(owner.value) is types.ModuleType:
            return self._own(owner, vars(owner.value), name)
        return self._attribute(owner, name)

    def _none_of_its_own(self, tensor, name) -> None:
        """Watch that nothing that somebody has put into a tensor hides a method of that name."""
        self.watch.entries(own(tensor), [name])
        if name in own(tensor):
            raise Refused(f"{name} of a tensor, which is its own")

    def _attribute_of_plain(self, owner, name):
        """What an immutable value says of itself, such as the type of a device."""
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
        if kind is type:
            return self._class_attribute(owner, name)
        if type(kind) not in _METACLASSES or kind.__getattribute__ not in _ORDINARY:
            raise Refused(f"{name} of {text_of_value(owner)}")
        attributes = own_of(thing)
        if attributes is None:
            raise Refused(f"{name} of {text_of_value(owner)}")
        for each in (name, "__getattribute__"):
            self.watch.attribute(kind, each)
        of_class = next((vars(c)[name] for c in kind.__mro__ if name in vars(c)), _MISSING)
        is_method = type(of_class) is types.FunctionType
        if type(of_class) is property:
            return self.prover.call(of_class.fget, [owner], {}, self.depth + 1)
        is_static = type(of_class) is staticmethod
        if not (is_method or is_static) and hasattr(type(of_class), "__get__"):
            raise Refused(f"{name} of {text_of_value(owner)}, which is computed")
        self.watch.entries(attributes, [name])
        if name in attributes:
            return self.prover.found(attributes[name])
        if is_static:
            return self.prover.found(of_class.__func__)
        if is_method:
            return Bound(owner, name, of_class)
        if of_class is not _MISSING:
            return self.prover.found(of_class)
        description = description_of(thing)
        for slots in description.slots(self.prover, thing) if description is not None else ():
            self.watch.entries(slots, [name])
            if name in slots:
                return self.prover.found(slots[name])
        raise Refused(f"{name} of {text_of_value(owner)}")

    def _class_attribute(self, owner, name):
        """An attribute of a class, such as one that holds options."""
        self.watch.attribute(owner.value, name)
        there = [vars(each) for each in owner.value.__mro__ if name in vars(each)]
        found = there[0][name] if there else _MISSING
        if type(found) is staticmethod:
            return self.prover.found(found.__func__)
        plain = type(found) is types.FunctionType or not hasattr(type(found), "__get__")
        if found is _MISSING or not plain:
            raise Refused(f"{name} of {text_of_value(owner)}")
        return self.prover.found(found)

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
