"""Expressions, as the prover goes through them: see `proof`."""

import ast
import builtins
import operator
from typing import Any

from kuai.engine.compile.abstract_values import (
    NEST,
    OUTLINE,
    TENSOR,
    Items,
    Known,
    Once,
    Several,
    Table,
    is_plain,
    is_some_tensor,
    text_of_value,
)  # fmt: skip
from kuai.engine.compile.comprehensions import Comprehensions
from kuai.engine.compile.enumerations import is_member
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.joining import joined
from kuai.engine.compile.knowledge import Refused, done, is_pure
from kuai.engine.compile.lookups import Lookups
from kuai.engine.compile.made_functions import Made, is_made_function
from kuai.engine.compile.own_code import watch_method_of_tensors
from kuai.engine.compile.plain_sets import PlainSet
from kuai.engine.compile.proven_calls import Calls
from kuai.engine.compile.tables import is_table
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.size import Size

__all__ = ["Expressions"]

_LONGEST = 10_000  # turns of a loop
_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Pow: operator.pow,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor,
}  # fmt: skip


_COPIED = (int, float, complex, str, bytes, tuple, frozenset)  # equal ones may be two, or one
#: special methods' names
_SPECIAL = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Pow: "pow", ast.MatMult: "matmul",
    ast.Div: "truediv", ast.FloorDiv: "floordiv", ast.Mod: "mod", ast.LShift: "lshift",
    ast.RShift: "rshift", ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert", ast.Eq: "eq",
    ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
    ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor",
}  # fmt: skip


class Expressions(Calls, Comprehensions, Lookups, Frame):
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

    def _value_NamedExpr(self, node):
        if self.unsure:
            raise Refused(f"a name that is given on one way only ({ast.unparse(node)})")
        value = self.value(node.value)
        self.assign_name(node.target.id, value)
        self.named[node.target.id] = value
        return value

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
        if name in free and isinstance(function, Made):
            return function.frame.seen_from_inside(name)
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
        return Items(list, row, is_made=True)

    def _row(self, nodes):
        """The values of expressions, among which may be `*expression`."""
        found = []
        for node in nodes:
            if not isinstance(node, ast.Starred):
                found.append(self.value(node))
                continue
            inner = self.gone_through(node.value)
            unknown = inner is OUTLINE or inner is NEST
            if unknown:
                self.watch_method("__iter__")
            found += [Several(inner)] if unknown else self.elements(inner)
        return found

    def _value_Dict(self, node):
        found = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found.update(self._dict_of(value))
            else:
                name = self.plain(self.value(key))
                found[name] = self.value(value)
        return Items(dict, found, is_made=True)

    def _value_JoinedStr(self, node):
        return Known("".join(str(self.plain(self.value(part))) for part in node.values))

    def _value_FormattedValue(self, node):
        convert = {-1: lambda value: value, 97: ascii, 114: repr, 115: str}[node.conversion]
        spec = "" if node.format_spec is None else self.plain(self.value(node.format_spec))
        return Known(done(format, [convert(self.plain(self.value(node.value))), spec]))

    def _value_Slice(self, node):
        ends = [node.lower, node.upper, node.step]
        return Known(slice(*[None if end is None else self.plain(self.value(end)) for end in ends]))

    # Operators ------------------------------------------------------------------------------------

    def _value_IfExp(self, node):
        test = self.value(node.test)
        if test is OUTLINE:
            return self._one_of_both(node.body, node.orelse)
        return self.value(node.body if self.is_true(test) else node.orelse)

    def _one_of_both(self, *nodes):
        """What is known of a value that is that of one of two expressions."""
        self.prover.open += 1
        self.unsure += 1
        values = [{"": self.value(node)} for node in nodes]
        self.unsure -= 1
        self.prover.open -= 1
        found = joined(values, self.is_tensor)
        if not found:
            raise Refused("a choice between values of two kinds")
        return found[""]

    def _value_BoolOp(self, node):
        stop = isinstance(node.op, ast.Or)
        found = Known(None)
        for number, each in enumerate(node.values):
            found = self.value(each)
            if found is OUTLINE and number + 1 < len(node.values):
                rest = ast.BoolOp(node.op, [*node.values[number + 1 :], ast.Constant(stop)])
                self._one_of_both(rest, ast.Constant(stop))  # which are plain
                return OUTLINE
            if found is not OUTLINE and self.is_true(found) is stop:
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
            other = self._compared_with(kind, each)
            found = self._compared(kind, one, other)
            if len(node.ops) > 1 and not self.is_true(found):
                break
            one = other
        return found

    def _compared(self, operator_node, one, other):
        kind = type(operator_node)
        if kind in (ast.Is, ast.IsNot):
            same = _is_same(one, other)
            return OUTLINE if same is OUTLINE else Known(same is (kind is ast.Is))
        if kind in (ast.In, ast.NotIn):
            return Known(self._is_in(one, other) is (kind is ast.In))
        if kind in (ast.Eq, ast.NotEq) and all(map(_is_ordinary_class, (one, other))):
            return Known((one.value is other.value) is (kind is ast.Eq))
        if kind in (ast.Eq, ast.NotEq) and any(map(_is_known_member, (one, other))):
            return Known(self.are_equal(one, other) is (kind is ast.Eq))
        return self.operate(operator_node, [one, other])

    def _compared_with(self, operator_node, node):
        """What something is compared with; what a set of literals holds is looked up only."""
        if isinstance(node, ast.Set) and isinstance(operator_node, (ast.In, ast.NotIn)):
            return Items(tuple, self._row(node.elts))
        return self.value(node)

    def _is_in(self, one, row) -> bool:
        """Whether a list, tuple or dict has a value, or a text has a part."""
        row = self.opened(row)
        thing: Any = row.value if isinstance(row, Known) else None
        if is_table(thing):
            return self.has_entry(thing, self.key_of(one))
        if self.is_dict(thing):
            return self.has_entry(thing, self.plain(one))
        if isinstance(row, Items) and row.kind is dict:
            return self.plain(one) in row.values
        if (found := self.in_set(row)) is not None:
            return done(operator.contains, [found, self.plain(one)])
        if type(thing) is list or isinstance(row, Items) and not isinstance(row, Once):
            return any([self.are_equal(one, each) for each in self.elements(row)])
        return done(operator.contains, [self.plain(row), self.plain(one)])

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
                return Items(one.kind, [*one.values, *other.values], one.kind is list)
        if isinstance(kind, ast.Mult) and any(isinstance(o, Items) for o in operands):
            return self._repeated(*operands)
        if isinstance(kind, ast.BitOr):
            dicts = [d.values for d in map(self.dict_of_value, operands) if d is not None]
            if len(dicts) == 2 and not any(isinstance(o, Table) for o in operands):
                return Items(dict, dicts[0] | dicts[1], is_made=True)
        if (found := self.operate_on_sets(kind, operands)) is not None:
            return found
        function = _OPERATORS.get(type(kind))
        if function is None:
            raise Refused(f"an operator ({type(kind).__name__})")
        plain = [self.plain(o) for o in operands]
        if function in (operator.mul, operator.pow) and not all(map(_is_small, plain)):
            raise Refused("an operator on large values")
        return Known(done(function, plain))

    def _repeated(self, one, other):
        """A list or tuple several times."""
        row, count = (one, other) if isinstance(one, Items) else (other, one)
        count = self.plain(count)
        if row.kind not in (list, tuple) or type(count) is not int:
            raise Refused("an operator (Mult)")
        if len(row.values) * count > _LONGEST:
            raise Refused("a long list")
        return Items(row.kind, row.values * count, row.kind is list)

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
        watch_method_of_tensors(self.watch, name)

    # Elements -------------------------------------------------------------------------------------

    def _value_Subscript(self, node):
        owner = self.opened(self.value(node.value))
        if self.is_tensor(owner) or owner in (NEST, OUTLINE):
            self.watch_method("__getitem__")
            self.index(node.slice)
            return owner if owner in (NEST, OUTLINE) else TENSOR
        thing = owner.value if isinstance(owner, Known) else None
        if is_table(thing):
            return self.entry(thing, self.value(node.slice))
        key = self.plain(self.value(node.slice))
        if isinstance(owner, Items) and not isinstance(owner, Once):
            found = done(operator.getitem, [owner.values, key])
            kind = list if owner.kind is list else tuple
            return Items(kind, found, kind is list) if type(key) is slice else found
        if self.is_dict(thing):
            self.watch.entries(thing, [key])
        elif type(thing) is list:
            self.watch.list(thing)
        elif type(thing) not in (tuple, Size):
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
        value = self.opened(value)
        if isinstance(value, Items):
            for loan in value.loans:
                loan.check()
            return [Known(key) for key in value.values] if value.kind is dict else value.values
        thing = value.value if isinstance(value, Known) else value
        if self.is_dict(thing):
            return self.elements(self._dict(thing))
        if type(thing) is list:
            self.watch.list(thing)
        elif type(thing) not in (tuple, range, Size):
            self._describe(value, "__iter__")
        if len(thing) > _LONGEST:
            raise Refused("a long loop")
        return [self.prover.found(part) for part in thing]

    def turns(self, value):
        """The same one after the other, for code that may change what is gone through."""
        loans = getattr(value, "loans", ())
        for number, part in enumerate(self.elements(value), 1):
            yield part
            for loan in loans:
                loan.check(number)

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
        if isinstance(value, Known) and Tensor in type(value.value).__mro__:
            self.prover.tensor(value.value)
            return True
        return is_some_tensor(value)

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
        if is_made_function(value):
            return True
        if (found := self.in_set(value)) is not None:
            return bool(found)
        if isinstance(value, Known) and not is_plain(value.value):
            return self.is_thing_true(value)
        return bool(self.plain(value))


def _is_same(one, other):
    """Whether two values are the same object, if that is known; or OUTLINE."""
    if isinstance(one, Known) and isinstance(other, Known):
        if type(one.value) in _COPIED and type(other.value) in _COPIED:
            raise Refused("a comparison of the identities of plain values")
        return one.value is other.value
    known, unknown = (one, other) if isinstance(one, Known) else (other, one)
    never_none = is_some_tensor(unknown) or unknown is OUTLINE
    never_none |= isinstance(unknown, (Items, PlainSet)) or is_made_function(unknown)
    if isinstance(known, Known) and known.value is None:
        return False if never_none else _is_none(unknown)
    raise Refused("a comparison of identities")


def _is_none(value):
    """Whether a value is None, such as a gradient: that is the same at each replay."""
    if value is NEST:
        return OUTLINE
    raise Refused("a comparison of identities")


def _is_known_member(value) -> bool:
    return isinstance(value, Known) and is_member(value.value)


def _is_ordinary_class(value) -> bool:
    """Whether a value is a class that is equal to itself only."""
    return isinstance(value, Known) and type(value.value) is type


def _is_small(value) -> bool:
    """Whether a value can be multiplied, or raised to another, without growing beyond reason."""
    return isinstance(value, (float, complex)) or isinstance(value, int) and abs(value) < 2**16


def _content(cell, name):
    try:
        return cell.cell_contents
    except ValueError:
        raise Refused(f"{name}, which has no value yet") from None
