"""Expressions, as the prover goes through them: see `proof`."""

import abc
import ast
import builtins
import operator
import types

from kuai.engine.compile.abstract_values import (
    NEST,
    OUTLINE,
    TENSOR,
    Bound,
    Items,
    Known,
    Once,
    Several,
    is_dict,
    is_plain,
    text_of_value,
)  # fmt: skip
from kuai.engine.compile.comprehensions import Comprehensions
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused, description_of, done, is_pure
from kuai.engine.compile.proven_calls import Calls
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.attributes import own, own_of

__all__ = ["Expressions"]

_MISSING = object()
_METACLASSES = (type, abc.ABCMeta)
# how attributes are found: these do the same
_ORDINARY = (object.__getattribute__, types.SimpleNamespace.__getattribute__)
_LONGEST = 10_000  # turns of a loop
_TENSOR_PROPERTIES = frozenset(["T", "H", "mT", "mH", "real", "imag", "values", "indices", "data"])
_OUTLINES = frozenset(["shape", "dtype", "device", "ndim", "itemsize", "nbytes"])
_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Pow: operator.pow,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor,
}  # fmt: skip


#: special methods' names
_SPECIAL = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Pow: "pow", ast.MatMult: "matmul",
    ast.Div: "truediv", ast.FloorDiv: "floordiv", ast.Mod: "mod", ast.LShift: "lshift",
    ast.RShift: "rshift", ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert", ast.Eq: "eq",
    ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
    ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor",
}  # fmt: skip


class Expressions(Calls, Comprehensions, Frame):
    """The expressions of one function, and what may be done with their values."""

    def value(self, node):
        """What an expression gives.

        Raises:
            Refused: it is none of those that are known.
        """
        handler = getattr(self, f"_value_{type(node).__name__}", None)
        if handler is None:
            raise Refused(f"an expression ({ast.unparse(node)})")
        return handler(node)

    # Names and literals ---------------------------------------------------------------------------

    def _value_Constant(self, node):
        return Known(node.value)

    def _value_Name(self, node):
        name, function = node.id, self.function
        if name in self.variables:
            return self.variables[name]
        if name in self.locals or function.__builtins__ is not vars(builtins):
            raise Refused(f"{name}, which has no value yet")
        free = function.__code__.co_freevars
        if name in free:
            cell = function.__closure__[free.index(name)]
            self.watch.cell(cell)
            return self.prover.found(_content(cell, name))
        self.watch.entries(function.__globals__, [name])
        if name in function.__globals__:
            return self.prover.found(function.__globals__[name])
        self.watch.entries(vars(builtins), [name])
        if not hasattr(builtins, name):
            raise Refused(f"{name}, which is not there")
        return Known(getattr(builtins, name))

    def _value_Tuple(self, node):
        row = self._row(node.elts)
        if not any(isinstance(each, Several) for each in row):
            return Items(tuple, row)
        for each in row:
            self.argument(each)
        unknown = any(self.is_tensor(e) or getattr(e, "value", e) is NEST for e in row)
        return NEST if unknown else OUTLINE

    def _value_List(self, node):
        row = self._row(node.elts)
        if any(isinstance(each, Several) for each in row):
            raise Refused("a list of unknown length")
        return Items(list, row)

    def _row(self, nodes):
        """The values of expressions, among which may be `*expression`."""
        found = []
        for node in nodes:
            if not isinstance(node, ast.Starred):
                found.append(self.value(node))
                continue
            inner = self.value(node.value)
            unknown = inner is OUTLINE or inner is NEST
            found += [Several(inner)] if unknown else self.elements(inner)
        return found

    def _value_Dict(self, node):
        if None in node.keys:
            raise Refused("a dict made of another")
        keys = [self.plain(self.value(key)) for key in node.keys]
        return Items(dict, dict(zip(keys, map(self.value, node.values), strict=True)))

    # Operators ------------------------------------------------------------------------------------

    def _value_IfExp(self, node):
        return self.value(node.body if self.is_true(self.value(node.test)) else node.orelse)

    def _value_BoolOp(self, node):
        stop = isinstance(node.op, ast.Or)
        found = Known(None)
        for each in node.values:
            found = self.value(each)
            if self.is_true(found) is stop:
                break
        return found

    def _value_UnaryOp(self, node):
        operand = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return OUTLINE if operand is OUTLINE else Known(not self.is_true(operand))
        return self.operate(node.op, [operand])

    def _value_BinOp(self, node):
        return self.operate(node.op, [self.value(node.left), self.value(node.right)])

    def _value_Compare(self, node):
        one = found = self.value(node.left)
        for kind, each in zip(node.ops, node.comparators, strict=True):
            other = self.value(each)
            found = self._compared(kind, one, other)
            if len(node.ops) > 1 and not self.is_true(found):
                break
            one = other
        return found

    def _compared(self, operator_node, one, other):
        kind = type(operator_node)
        if kind in (ast.Is, ast.IsNot):
            return Known(_is_same(one, other) is (kind is ast.Is))
        if kind in (ast.In, ast.NotIn):
            keys = isinstance(other, Items) and other.kind is dict
            there = other.values if keys else self.plain(other)
            return Known((self.plain(one) in there) is (kind is ast.In))
        return self.operate(operator_node, [one, other])

    def operate(self, kind, operands):
        """An operator's result."""
        if any([self.is_tensor(o) or o is NEST for o in operands]):
            self._watch_operator(type(kind))
            for operand in operands:
                self.argument(operand)
            return TENSOR if self._gives_a_tensor(kind, operands) else NEST
        if any(operand is OUTLINE for operand in operands):
            for operand in operands:
                self.argument(operand)
            return OUTLINE
        if isinstance(kind, ast.Add) and all(isinstance(o, Items) for o in operands):
            one, other = operands
            if one.kind is other.kind and one.kind in (list, tuple):
                return Items(one.kind, [*one.values, *other.values])
        function = _OPERATORS.get(type(kind))
        if function is None:
            raise Refused(f"an operator ({type(kind).__name__})")
        plain = [self.plain(o) for o in operands]
        if function in (operator.mul, operator.pow) and not all(map(_is_small, plain)):
            raise Refused("an operator on large values")
        return Known(done(function, plain))

    def _gives_a_tensor(self, kind, operands) -> bool:
        """Whether operands of which one is a tensor or a nest give a tensor: not a longer tuple."""
        is_number = [isinstance(o, Known) and type(o.value) in (int, float) for o in operands]
        if len(operands) == 1 or any(is_number) and not isinstance(kind, ast.Mult):
            return True
        return any(map(self.is_tensor, operands))

    def _watch_operator(self, kind) -> None:
        """Watch the methods of tensors that an operator calls; somebody may replace them."""
        for prefix in ("", "r", "i"):
            name = f"__{prefix}{_SPECIAL[kind]}__"
            if hasattr(Tensor, name):
                self.watch_method(name)

    def watch_method(self, name) -> None:
        """Watch a method of tensors, which has to be Kuai's own."""
        self.watch.attribute(Tensor, name)
        found = getattr(Tensor, name, None)
        if type(found) is types.FunctionType:
            if not found.__globals__.get("__name__", "").startswith("kuai."):
                raise Refused(f"{name} of a tensor, which somebody has replaced")

    # Elements -------------------------------------------------------------------------------------

    def _value_Subscript(self, node):
        owner = self.value(node.value)
        if self.is_tensor(owner) or owner in (NEST, OUTLINE):
            self.watch_method("__getitem__")
            self.index(node.slice)
            return owner if owner in (NEST, OUTLINE) else TENSOR
        key = self.plain(self.value(node.slice))
        if isinstance(owner, Items) and not isinstance(owner, Once):
            return done(operator.getitem, [owner.values, key])
        thing = owner.value if isinstance(owner, Known) else None
        if is_dict(thing):
            self.watch.entries(thing, [key])
        elif type(thing) is list:
            self.watch.list(thing)
        elif type(thing) is not tuple:
            self._describe(owner, "__getitem__")
        return self.prover.found(done(operator.getitem, [thing, key]))

    def index(self, node) -> None:
        """Make sure that a tensor can be indexed with an expression."""
        for part in node.elts if isinstance(node, ast.Tuple) else [node]:
            ends = [part]
            if isinstance(part, ast.Slice):
                ends = [end for end in (part.lower, part.upper, part.step) if end is not None]
            for end in ends:
                self.argument(self.value(end))

    def elements(self, value) -> list:
        """What a loop over a value goes through."""
        if isinstance(value, Once):
            return value.taken()
        if isinstance(value, Items):
            return [Known(key) for key in value.values] if value.kind is dict else value.values
        thing = value.value if isinstance(value, Known) else value
        if is_dict(thing):
            return self.elements(self._dict(thing))
        if type(thing) is list:
            self.watch.list(thing)
        elif type(thing) not in (tuple, range):
            self._describe(value, "__iter__")
        if len(thing) > _LONGEST:
            raise Refused("a long loop")
        return [self.prover.found(part) for part in thing]

    # What may be done with values -----------------------------------------------------------------

    def _dict(self, thing):
        """The whole of a dict that is known."""
        self.watch.object(thing)
        self.watch.whole(thing, ordered=True)
        keys = list(thing)
        if not all(map(is_plain, keys)):
            raise Refused("a dict whose keys are objects")
        return Items(dict, {key: self.prover.found(thing[key]) for key in keys})

    def is_tensor(self, value) -> bool:
        """Whether a value is a tensor; one that is known is watched."""
        if isinstance(value, Known) and isinstance(value.value, Tensor):
            self.prover.tensor(value.value)
            return True
        return value is TENSOR

    def argument(self, value) -> None:
        """Make sure that an operation may get a value."""
        if self.is_tensor(value) or value in (NEST, OUTLINE) or isinstance(value, Several):
            return
        if isinstance(value, Known):
            thing = value.value
            if is_plain(thing) or is_pure(thing) or any(thing is k for k in (int, float, bool)):
                return
            if type(thing) in (list, tuple):
                value = Items(list, self.elements(value))
        if isinstance(value, Once):
            value = Items(list, value.taken())
        if not isinstance(value, Items):
            raise Refused(f"{text_of_value(value)} as an argument")
        for part in value.parts:
            self.argument(part)

    def plain(self, value):
        """A plain value."""
        if isinstance(value, Known) and is_plain(value.value):
            return value.value
        if isinstance(value, Items) and value.kind is tuple:
            return tuple(map(self.plain, value.values))
        raise Refused(f"{text_of_value(value)}, where a plain value is needed")

    def is_true(self, value) -> bool:
        """Which way a decision on a value goes."""
        if isinstance(value, Items):
            return bool(value.values) or isinstance(value, Once)
        return bool(self.plain(value))

    # Attributes -----------------------------------------------------------------------------------

    def _value_Attribute(self, node):
        owner, name = self.value(node.value), node.attr
        if self.is_tensor(owner) or owner is NEST:
            self.watch_method(name)
            if isinstance(owner, Known):
                self._none_of_its_own(owner.value, name)
            if name in _OUTLINES:
                return OUTLINE
            if name == "grad" and isinstance(owner, Known):
                return NEST  # or None, about which nothing can be decided here
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
        if not is_method and of_class is not _MISSING and hasattr(type(of_class), "__get__"):
            raise Refused(f"{name} of {text_of_value(owner)}, which is computed")
        self.watch.entries(attributes, [name])
        if name in attributes:
            return self.prover.found(attributes[name])
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
        if not there or hasattr(type(there[0][name]), "__get__"):
            raise Refused(f"{name} of {text_of_value(owner)}")
        return self.prover.found(there[0][name])


def _is_same(one, other) -> bool:
    """Whether two values are the same object, if that is known."""
    if isinstance(one, Known) and isinstance(other, Known):
        return one.value is other.value
    known, unknown = (one, other) if isinstance(one, Known) else (other, one)
    never_none = unknown in (TENSOR, OUTLINE) or isinstance(unknown, Items)
    if isinstance(known, Known) and known.value is None and never_none:
        return False
    raise Refused("a comparison of identities")


def _is_small(value) -> bool:
    """Whether a value can be multiplied, or raised to another, without growing beyond reason."""
    return isinstance(value, (float, complex)) or isinstance(value, int) and abs(value) < 2**16


def _content(cell, name):
    try:
        return cell.cell_contents
    except ValueError:
        raise Refused(f"{name}, which has no value yet") from None
