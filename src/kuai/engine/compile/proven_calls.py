"""Calls, as the prover goes through them: see `proof`."""

import ast
import math
import operator
import types
from typing import Any

from kuai.engine.autograd import backward
from kuai.engine.autograd.function import Function
from kuai.engine.compile.abstract_values import (
    NEST,
    OUTLINE,
    Bound,
    Items,
    Known,
    Loan,
    Once,
    Super,
    is_plain,
    is_some_tensor,
    text_of_value,
)  # fmt: skip
from kuai.engine.compile.compiler import Compiled
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.function_like import own
from kuai.engine.compile.knowledge import Refused, description_of, done, is_pure
from kuai.engine.compile.named_tuples import NamedTuples, is_made_as_usual
from kuai.engine.compile.own_functions import Context, OwnFunctions, is_function
from kuai.engine.op.registry import REGISTRY
from kuai.engine.tensor import Tensor

__all__ = ["Calls"]

_OUTLINE_METHODS = frozenset(["size", "dim", "ndimension", "numel", "nelement", "element_size"])
_OF_STORAGES = frozenset(["data_ptr", "is_inference", "is_pinned", "is_set_to", "is_shared"])
_DIMENSIONS = frozenset(["dim", "ndimension"])
_CHANGING = {"append": (list, 1), "extend": (list, 1), "update": (dict, 0)}
_OF_PLAIN = (abs, bool, float, int, max, min, round, str, tuple, sum)
_GOING_THROUGH = (all, any, list, max, min, sum, tuple)
_OF_SEQUENCES = (all, any, enumerate, len, list, range, reversed, zip)


_SUPER: Any = super
_APPLY = vars(Function)["apply"].__func__


class Calls(OwnFunctions, NamedTuples, Frame):
    """The calls of one function, and what they give."""

    def _value_Call(self, node):
        function = self.value(node.func)
        arguments = self._row_for(function, node)
        keywords = self._keywords(node.keywords)
        if isinstance(function, Bound):
            return self._call_method(function, arguments, keywords)
        if not isinstance(function, Known):
            raise Refused(f"a call of {text_of_value(function)}")
        return self._call(function.value, arguments, keywords)

    def _row_for(self, function, node):
        """The arguments by position; a generator is one only where it is gone through at once."""
        alone = len(node.args) == 1 and not node.keywords and isinstance(function, Known)
        if alone and any(function.value is each for each in _GOING_THROUGH):
            if not isinstance(node.args[0], ast.Starred):
                return [self.gone_through(node.args[0])]
        return self._row(node.args)

    def _keywords(self, nodes):
        """Arguments by keyword, among which may be `**expression`."""
        found = {}
        for node in nodes:
            given = {node.arg: self.value(node.value)} if node.arg else self._dict_of(node.value)
            if not found.keys().isdisjoint(given) or not all(type(n) is str for n in given):
                raise Refused("arguments in a dict that do not fit")
            found |= given
        return found

    def _dict_of(self, node):
        """The entries of an expression that is a dict."""
        value = self.value(node)
        if isinstance(value, Known) and self.is_dict(value.value):
            value = self._dict(value.value)
        if not isinstance(value, Items) or value.kind is not dict:
            raise Refused(f"{text_of_value(value)} as arguments by keyword")
        return value.values

    def _call(self, function, arguments, keywords):
        if function is isinstance and len(arguments) == 2 and not keywords:
            return self._is_instance(*arguments)
        if function is getattr and len(arguments) == 2:
            return self._named_attribute(*arguments)
        if function is _SUPER and not keywords:
            return self._super(arguments)
        if any(function is each for each in (*_OF_PLAIN, *_OF_SEQUENCES)):
            return self._call_builtin(function, arguments, keywords)
        if type(function) is types.BuiltinFunctionType and function.__module__ == math.__name__:
            return self._call_plain(function, arguments)
        if is_pure(function):
            self._note_operation(getattr(function, "__name__", "_"), keywords)
            return self._result(arguments, keywords)
        if function is backward.grad:
            return self._gradients(arguments, keywords)
        if function is backward.run_backward:
            self._result(arguments, keywords)
            return Known(None)
        if type(function) is types.MethodType and function.__func__ is _APPLY:
            return self.apply(function.__self__, arguments, keywords)
        if type(function) in (types.FunctionType, types.MethodType):
            return self.prover.call(function, arguments, keywords, self.depth + 1)
        if type(function) is Compiled and not function._given and not function._named:
            self.watch.entries(own(function), ["_function", "_given", "_named"])
            return self._call(function._function, arguments, keywords)  # it is part of this record
        if is_made_as_usual(function):
            return self.make_named_tuple(function, arguments, keywords)
        description = description_of(function)
        if description is None or description.call is None:
            raise Refused(f"a call of {text_of_value(function)}")
        return self._call_thing(function, description.call, arguments, keywords)

    def _call_thing(self, thing, call, arguments, keywords):
        """A call of what a layer above knows: its own code, or a function of the user's."""
        inner = call(self.prover, thing)
        if inner is None:
            return self._result(arguments, keywords)
        return self.prover.call(inner, [Known(thing), *arguments], keywords, self.depth + 1)

    def _result(self, arguments, keywords):
        """What an operation gives for some arguments."""
        for value in (*arguments, *keywords.values()):
            self.argument(value)
        return NEST

    def _gradients(self, arguments, keywords):
        """The gradients of `autograd.grad`: as many as there are inputs; some may be None."""
        named = dict(zip(("outputs", "inputs"), arguments, strict=False)) | keywords
        inputs = named.get("inputs")
        if inputs is None or "outputs" not in named:
            raise Refused("gradients of nothing")
        row = None if inputs is NEST else [inputs]
        if row is not None and not self.is_tensor(inputs):
            row = list(self.elements(inputs))
        others = [value for value in (*arguments, *keywords.values()) if value is not inputs]
        for value in (*others, *(row or ())):
            self.argument(value)
        return NEST if row is None else Items(tuple, [NEST] * len(row))

    def _note_operation(self, name, keywords) -> None:
        """Refuse what says more of a tensor than its values, shape and dtype.

        After one that may change a tensor's shape, those of arguments are not known any more.
        """
        if name in _OF_STORAGES:
            raise Refused(f"{name}, which is not the same at each call")
        if name.endswith("_") or "out" in keywords:
            self.prover.knows_shapes = False

    def _super(self, arguments):
        """`super()` in a method of a class, or with a class and an object."""
        kind, owner = arguments if len(arguments) == 2 else self._class_and_object(arguments)
        if not isinstance(kind, Known) or not isinstance(owner, Known):
            raise Refused("super() of something else than a class and its object")
        thing = owner.value
        if issubclass(type(thing), (type, Tensor, dict)) or kind.value not in type(thing).__mro__:
            raise Refused(f"super() of {text_of_value(thing)}")
        return Super(kind.value, owner)

    def _class_and_object(self, arguments):
        """The class that a method stands in, and what it is called for."""
        code = self.function.__code__
        if arguments or "__class__" not in code.co_freevars or not code.co_argcount:
            raise Refused("super() of something else than a class and its object")
        cell = self.function.__closure__[code.co_freevars.index("__class__")]
        self.watch.cell(cell)
        return Known(cell.cell_contents), self.variables.get(code.co_varnames[0])

    def _named_attribute(self, owner, name):
        if type(self.plain(name)) is not str or "." in self.plain(name):
            raise Refused("an attribute with a name that no code can write")
        return self.attribute(owner, self.plain(name))

    def _is_instance(self, value, kinds):
        """`isinstance`, of classes that say nothing of their own about it."""
        row = kinds.values if isinstance(kinds, Items) else [kinds]
        if not all(isinstance(each, Known) and self._decides_as_usual(each.value) for each in row):
            raise Refused("isinstance with classes that decide for themselves")
        classes = tuple([each.value for each in row])
        if is_some_tensor(value):
            return self._is_of(Tensor, classes)
        if isinstance(value, Items):
            return self._is_of(value.kind, classes)
        if not isinstance(value, Known):
            raise Refused(f"isinstance of {text_of_value(value)}")
        if not is_plain(value.value):
            if any("__class__" in vars(kind) for kind in type(value.value).__mro__[:-1]):
                raise Refused(f"{text_of_value(value)}, which says for itself what class it has")
            self.watch.object(value.value)
        return self._is_of(type(value.value), classes)

    def _is_of(self, kind, classes):
        """Whether a class is one of some, or inherits from one; its bases may change."""
        self.watch.attribute(kind, "__mro__")
        return Known(any(each in kind.__mro__ for each in classes))

    def _decides_as_usual(self, kind) -> bool:
        """Whether a class leaves it to Python what its instances are."""
        if not isinstance(kind, type):
            return False
        self.watch.attribute(type(kind), "__instancecheck__")
        return type(kind).__instancecheck__ is type.__instancecheck__

    def _call_builtin(self, function, arguments, keywords):
        if function is zip and keywords.keys() == {"strict"}:
            return self._zip(arguments, self.is_true(keywords["strict"]))
        if function is enumerate and len(arguments) == 2:
            return self._enumerate(arguments[0], self.plain(arguments[1]))
        if keywords or not arguments:
            raise Refused(f"a call of {function.__name__}")
        if function is len and (self.is_tensor(arguments[0]) or arguments[0] is NEST):
            self.watch_method("__len__")
            return self._outline_of(arguments[0], "size", [Known(0)])
        if function is len and isinstance(arguments[0], Once):
            raise Refused("the length of an iterator")
        if function is range:
            return self._call_plain(function, arguments)
        if function in (float, int) and (self.is_tensor(arguments[0]) or arguments[0] is NEST):
            self.watch_method(f"__{function.__name__}__")
            return self.prover.read(function)
        if function is sum and not _is_plain_value(arguments[0]):
            return self._sum(*arguments)
        if function in (list, tuple) and arguments[0] is NEST:
            self.watch_method("__iter__")
            return NEST
        if function is tuple and not _is_plain_value(arguments[0]):
            return Items(tuple, list(self.elements(arguments[0])))
        if function in _OF_PLAIN:
            return self._call_plain(function, arguments)
        if function is zip:
            return self._zip(arguments, strict=False)
        if len(arguments) > 1:
            raise Refused(f"a call of {function.__name__}")
        if function is enumerate:
            return self._enumerate(arguments[0], 0)
        row = self.elements(arguments[0])
        if function is len:
            return Known(len(row))
        if function in (all, any):
            return self._decide(function, row)
        if function is reversed:
            return Once(row[::-1], _lent(arguments, in_order=False))
        return Items(list, list(row), is_made=True)

    def _decide(self, function, row):
        """`all` or `any`; what is the same at each replay decides the same."""
        plain = [self.is_true(each) for each in row if each is not OUTLINE]
        return Known(function(plain)) if len(plain) == len(row) else OUTLINE

    def _zip(self, arguments, strict):
        rows = [self.elements(argument) for argument in arguments]
        if strict and len({len(row) for row in rows}) > 1:
            raise Refused("rows of different lengths")
        made = [Items(tuple, list(row)) for row in zip(*rows, strict=False)]
        return Once(made, _lent(arguments))

    def _enumerate(self, argument, first):
        if type(first) is not int:
            raise Refused("a count that begins with no number")
        row = [Items(tuple, [Known(i), p]) for i, p in enumerate(self.elements(argument), first)]
        return Once(row, _lent([argument]))

    def _sum(self, row, begin=None):
        total = Known(0) if begin is None else begin
        for part in self.elements(row):
            total = self.operate(ast.Add(), [total, part])
        return total

    def _call_plain(self, function, arguments):
        arguments = [Items(tuple, a.taken()) if isinstance(a, Once) else a for a in arguments]
        if any(argument is OUTLINE for argument in arguments) and function is not range:
            for argument in arguments:
                self.argument(argument)
            return OUTLINE
        return Known(done(function, [self.plain(argument) for argument in arguments]))

    def _call_method(self, bound, arguments, keywords):
        owner: Any = bound.owner
        name = bound.name
        if isinstance(owner, Context):
            if keywords:
                raise Refused(f"{name} of a context with arguments by keyword")
            return self.call_context(owner, name, arguments)
        if name == "apply" and isinstance(owner, Known) and is_function(owner.value):
            return self.apply(owner.value, arguments, keywords)
        if bound.function is not None and not name:
            return self.prover.call(bound.function, [owner, *arguments], keywords, self.depth + 1)
        if name == "_replace" and isinstance(owner, Items):
            return self.replace_fields(owner, arguments, keywords)
        if self.is_tensor(owner) or owner is NEST:
            return self._call_tensor_method(owner, name, arguments, keywords)
        if name == "get" and not keywords:
            return self._get(owner, *arguments)
        if isinstance(owner, Known) and self.is_dict(owner.value):
            owner = self._dict(owner.value)
        if isinstance(owner, Items) and name in _CHANGING:
            return self._change_nest(owner, name, arguments, keywords)
        if isinstance(owner, Items):
            return _call_dict_method(owner, name, arguments)
        description = description_of(owner.value)
        if description is not None and name in description.parts and not (arguments or keywords):
            return Once(self._parts(description.parts[name](self.prover, owner.value)))
        if description is not None and name in description.changing:
            return self._call_changing(description, owner.value, name, arguments or keywords)
        if description is not None and name in description.methods:
            if name == "train" and (arguments or keywords):
                raise Refused("a mode that is given")  # without, it is known which
            self._describe(owner, name)
            return self._result(arguments, keywords)
        if description is not None and name in description.calls:
            call = description.calls[name]
            return self._call_thing(owner.value, call, arguments, keywords)
        return self.prover.call(bound.function, [owner, *arguments], keywords, self.depth + 1)

    def _get(self, owner, key=None, default=None):
        """`get` of a dict."""
        if key is None or not (isinstance(owner, Items) or self.is_dict(owner.value)):
            raise Refused(f"get of {text_of_value(owner)}")
        key, default = self.plain(key), Known(None) if default is None else default
        if isinstance(owner, Items) and owner.kind is dict:
            return owner.values.get(key, default)
        thing = owner.value if isinstance(owner, Known) else None
        if type(thing) is not dict:
            raise Refused(f"get of {text_of_value(owner)}")
        self.watch.entries(thing, [key])
        return self.prover.found(thing[key]) if key in thing else default

    def _call_changing(self, description, thing, name, arguments):
        if arguments:
            raise Refused(f"{name} of {text_of_value(thing)} with arguments")
        if self.prover.open:
            raise Refused(f"{name} of {text_of_value(thing)} on one way only")
        description.changing[name](self.prover, thing)
        self.prover.changing.append((thing, name))
        return Known(None)

    def _parts(self, values):
        """What was found in places that are watched; rows of that for tuples."""
        return [
            Items(tuple, self._parts(each)) if type(each) is tuple else self.prover.found(each)
            for each in values
        ]

    def _describe(self, owner, name) -> None:
        """Watch what a known method of something depends on."""
        thing = owner.value if isinstance(owner, Known) else owner
        description = description_of(thing)
        if description is None or name not in description.methods:
            raise Refused(f"{name} of {text_of_value(owner)}")
        description.methods[name](self.prover, thing)

    def change(self, nest, how) -> None:
        """Make sure that a list or dict may be changed: the call has made it.

        Raises:
            Refused: somebody else may have it, or that is done on one way only.
        """
        if not nest.is_made or self.prover.open:
            raise Refused(f"{how} of {text_of_value(nest)}")

    def _change_nest(self, nest, name, arguments, keywords):
        kind, count = _CHANGING[name]
        self.change(nest, name)
        if nest.kind is not kind or len(arguments) != count or keywords and kind is list:
            raise Refused(f"{name} of {text_of_value(nest)}")
        if name == "append":
            nest.values.append(arguments[0])
        elif name == "extend":
            nest.values.extend(list(self.elements(arguments[0])))
        else:
            nest.values.update(keywords)
        return Known(None)

    def _outline_of(self, owner, name, arguments):
        """What a method says of a tensor's shape."""
        shape = self.outline(owner).get("shape")
        if shape is None or len(arguments) > (name == "size"):
            return OUTLINE
        if name == "size":
            places = [self.plain(each) for each in arguments]
            return Known(done(operator.getitem, [shape, *places]) if places else shape)
        return Known(len(shape) if name in _DIMENSIONS else shape.numel())

    def _call_tensor_method(self, owner, name, arguments, keywords):
        self._result(arguments, keywords)
        self._note_operation(name, keywords)
        if name in _OUTLINE_METHODS and name != "element_size" and not keywords:
            return self._outline_of(owner, name, arguments)
        if name == "backward":
            return Known(None)
        if name == "item":
            return self.prover.read()
        if name not in REGISTRY.methods:
            raise Refused(f"{name} of a tensor")
        return OUTLINE if name in _OUTLINE_METHODS else NEST


def _is_plain_value(value) -> bool:
    """Whether a value is known and plain."""
    return isinstance(value, Known) and is_plain(value.value)


def _call_dict_method(owner, name, arguments):
    if owner.kind is not dict or name not in ("items", "keys", "values") or arguments:
        raise Refused(f"{name} of {text_of_value(owner)}")
    keys, kind = [Known(key) for key in owner.values], type(getattr({}, name)())
    row: list = keys if name == "keys" else owner.parts
    if name == "items":
        row = [Items(tuple, list(pair)) for pair in zip(keys, owner.parts, strict=True)]
    return Items(kind, row, loans=_lent([owner]))


def _lent(arguments, in_order=True) -> list:
    """Loans of everything among some arguments that the call may still change."""
    nests = [each for each in arguments if isinstance(each, Items)]
    further = [loan for nest in nests for loan in nest.loans]
    return [Loan(nest, in_order) for nest in nests if nest.is_made] + further
