"""Calls, as the prover goes through them: see `proof`."""

import ast
import functools
import math
import operator
import types
from typing import Any

from kuai.engine.autograd import backward
from kuai.engine.autograd.function import Function
from kuai.engine.compile.abstract_values import (
    NEST,
    OUTLINE,
    TENSOR,
    Bound,
    Items,
    Known,
    Once,
    Super,
    Table,
    text_of_value,
)  # fmt: skip
from kuai.engine.compile.compiler import Compiled
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.function_like import FunctionLike, own
from kuai.engine.compile.knowledge import Refused, description_of, done, is_pure
from kuai.engine.compile.lookups import METACLASSES
from kuai.engine.compile.made_functions import Made, MadeFunctions, Partial, is_partial
from kuai.engine.compile.made_nests import MadeNests
from kuai.engine.compile.named_tuples import NamedTuples, is_made_as_usual
from kuai.engine.compile.own_functions import Context, OwnFunctions, is_function
from kuai.engine.compile.plain_methods import PlainMethods, has_method
from kuai.engine.compile.plain_sets import PlainSet, PlainSets
from kuai.engine.compile.proven_builtins import GOING_THROUGH, Builtins, is_builtin, lent
from kuai.engine.compile.tables import Tables, is_table
from kuai.engine.op.registry import REGISTRY
from kuai.engine.tensor import Tensor, modes

__all__ = ["Calls"]

_ABOUT_DTYPES = frozenset(["element_size", "is_floating_point", "is_complex", "is_signed"])
_OUTLINE_METHODS = frozenset(["size", "dim", "ndimension", "numel", "nelement"]) | _ABOUT_DTYPES
_OF_STORAGES = frozenset(["data_ptr", "is_inference", "is_pinned", "is_set_to", "is_shared"])
_DIMENSIONS = frozenset(["dim", "ndimension"])
_OF_MODES = (modes.is_grad_enabled, modes.is_inference_mode_enabled)
_SUPER: Any = super
_APPLY = vars(Function)["apply"].__func__


class Calls(
    OwnFunctions, NamedTuples, Builtins, MadeFunctions, MadeNests, PlainMethods, PlainSets,
    Tables, Frame,
):  # fmt: skip
    """The calls of one function, and what they give."""

    def _value_Call(self, node):
        function = self.value(node.func)
        arguments = self._row_for(function, node)
        return self.call_value(function, arguments, self._keywords(node.keywords))

    def call_value(self, function, arguments, keywords):
        """What a call of a value gives."""
        if isinstance(function, Bound):
            return self._call_method(function, arguments, keywords)
        if isinstance(function, Made):
            return self.prover.call_made(function, arguments, keywords, self.depth + 1)
        if isinstance(function, Known) and is_partial(function.value):
            function = self.opened_partial(function.value)
        if isinstance(function, Partial):
            row = [*function.arguments, *arguments]
            return self.call_value(function.function, row, function.keywords | keywords)
        if not isinstance(function, Known):
            raise Refused(f"a call of {text_of_value(function)}")
        return self._call(function.value, arguments, keywords)

    def _row_for(self, function, node):
        """The arguments by position; a generator is one only where it is gone through at once."""
        owner = getattr(function, "owner", None)  # of a method
        is_text = isinstance(owner, Known) and type(owner.value) is str
        is_joining = is_text and getattr(function, "name", None) == "join"
        thing = function.value if isinstance(function, Known) else None
        if node.args and (is_joining or any(thing is each for each in GOING_THROUGH)):
            first, *others = node.args
            rest = [*others, *[each.value for each in node.keywords]]
            names = any(isinstance(each, ast.NamedExpr) for each in ast.walk(first))
            if not (names or isinstance(first, ast.Starred)) and all(map(_computes_nothing, rest)):
                stops = (thing is any or thing is all) and not isinstance(first, ast.ListComp)
                self.prover.open += stops  # it may do so before it has come to the last element
                row = [self.gone_through(first)]
                self.prover.open -= stops
                return [*row, *self._row(others)]
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
        found = self.dict_of_value(value)
        if found is None:
            raise Refused(f"{text_of_value(value)}, where a dict is needed")
        return found.values

    def _call(self, function, arguments, keywords):
        if function is _SUPER and not keywords:
            return self._super(arguments)
        if is_builtin(function):
            return self.call_builtin(function, arguments, keywords)
        if type(function) is types.BuiltinFunctionType and function.__module__ == math.__name__:
            return self._call_plain(function, arguments, keywords)
        if function is functools.partial:
            return self.made_partial(arguments, keywords)
        if any(function is each for each in _OF_MODES) and not arguments and not keywords:
            return OUTLINE  # modes are the same at each replay
        if is_pure(function) and getattr(function, "__name__", None) == "is_tensor":
            return self._is_some_tensor(*arguments, *keywords.values())
        if is_pure(function):
            self._note_operation(getattr(function, "__name__", "_"), keywords)
            return self._result(arguments, keywords)
        if function is backward.grad:
            return self._gradients(arguments, keywords)
        if function is backward.run_backward:
            self._result(arguments, keywords)
            self.prover.has_gradients = True
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
        if description is None and (code := self._code_of_call(function)) is not None:
            return self.prover.call(code, [Known(function), *arguments], keywords, self.depth + 1)
        if description is None or description.call is None:
            raise Refused(f"a call of {text_of_value(function)}")
        return self._call_thing(function, description.call, arguments, keywords)

    def _code_of_call(self, thing):
        """The function of the user's that a call of an object runs."""
        kind = type(thing)
        if type(kind) not in METACLASSES or issubclass(kind, type) or FunctionLike in kind.__mro__:
            return None
        found = next((vars(c)["__call__"] for c in kind.__mro__ if "__call__" in vars(c)), None)
        if type(found) is not types.FunctionType:
            return None
        self.watch.object(thing)
        self.watch.attribute(kind, "__call__")
        return found

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

    def _is_some_tensor(self, value):
        """What `is_tensor` says."""
        if value is NEST:
            return OUTLINE  # the same at each replay
        self.argument(value)
        return Known(self.is_tensor(value))

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
        kind = self.value(ast.Name("__class__", ast.Load()))
        return kind, self.variables.get(code.co_varnames[0])

    def _call_plain(self, function, arguments, keywords):
        """A function of numbers."""
        if any(argument is OUTLINE for argument in (*arguments, *keywords.values())):
            for argument in (*arguments, *keywords.values()):
                self.argument(argument)
            return OUTLINE
        named = {name: self.plain(argument) for name, argument in keywords.items()}
        row = [self.plain(argument) for argument in arguments]
        return Known(done(lambda: function(*row, **named), []))

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
        is_dict = isinstance(owner, Items) or isinstance(owner, Known) and self.is_dict(owner.value)
        if name == "get" and not keywords and is_dict:
            return self._get(owner, *arguments)
        if isinstance(owner, PlainSet):
            return self.call_set_method(owner, name, arguments)
        if isinstance(owner, Known) and has_method(owner.value, name):
            return self.call_plain_method(owner.value, name, arguments, keywords)
        if isinstance(owner, Known) and self.is_dict(owner.value):
            owner = self._dict(owner.value)
        if isinstance(owner, Items) and self.changes(owner, name):
            return self.change_nest(owner, name, arguments, keywords)
        if isinstance(owner, Items):
            if name == "copy" and owner.kind in (list, dict) and not isinstance(owner, Table):
                return self.call_builtin(owner.kind, [owner, *arguments], keywords)
            return _call_dict_method(owner, name, arguments)
        description = description_of(owner.value)
        if description is not None and name in description.parts and not (arguments or keywords):
            return Once(self._parts(description.parts[name](self.prover, owner.value)))
        if description is not None and name in description.tables and not (arguments or keywords):
            keys = description.tables[name](self.prover, owner.value)
            return Table(dict, dict.fromkeys(keys, TENSOR), is_made=True)
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
        default = Known(None) if default is None else default
        if isinstance(owner, Items) and owner.kind is dict:
            return owner.values.get(self.plain(key), default)
        thing: Any = owner.value if isinstance(owner, Known) else None
        if not is_table(thing):
            raise Refused(f"get of {text_of_value(owner)}")
        return self.entry(thing, key) if self.has_entry(thing, self.key_of(key)) else default

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

    def outline_of(self, owner, name, arguments):
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
        if name in _OUTLINE_METHODS - _ABOUT_DTYPES and not keywords:
            return self.outline_of(owner, name, arguments)
        if name == "backward":
            self.prover.has_gradients = True
            return Known(None)
        if name == "item":
            return self.prover.read()
        if name not in REGISTRY.methods:
            raise Refused(f"{name} of a tensor")
        return OUTLINE if name in _OUTLINE_METHODS else NEST


def _computes_nothing(node) -> bool:
    """Whether it makes no difference when an expression is looked at."""
    if isinstance(node, ast.Lambda):
        return not node.args.defaults and not any(node.args.kw_defaults)
    return isinstance(node, (ast.Constant, ast.Name))


def _call_dict_method(owner, name, arguments):
    if owner.kind is not dict or name not in ("items", "keys", "values") or arguments:
        raise Refused(f"{name} of {text_of_value(owner)}")
    keys, kind = [Known(key) for key in owner.values], type(getattr({}, name)())
    row: list = keys if name == "keys" else owner.parts
    if name == "items":
        row = [Items(tuple, list(pair)) for pair in zip(keys, owner.parts, strict=True)]
    return Items(kind, row, loans=lent([owner]))
