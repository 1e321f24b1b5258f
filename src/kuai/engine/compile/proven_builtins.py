"""Python's own functions, as the prover calls them: `len`, `zip`, `sorted`, `max`, `dict`, …

They are known by what they are, not by their names: whoever has another `sorted` is not understood.
What is computed here is computed by Python itself, of plain values.
"""

import ast
from typing import Any

from kuai.engine.compile.abstract_values import (
    NEST,
    OUTLINE,
    Items,
    Known,
    Loan,
    Once,
    Table,
    is_plain,
    is_some_tensor,
    text_of_value,
)  # fmt: skip
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused, done
from kuai.engine.compile.made_functions import is_made_function
from kuai.engine.compile.plain_sets import PlainSet
from kuai.engine.tensor import Tensor

__all__ = ["BUILTINS", "GOING_THROUGH", "Builtins", "is_builtin", "lent"]

_OF_PLAIN = (abs, bool, divmod, float, int, pow, range, round, str)
BUILTINS = (
    *_OF_PLAIN, all, any, callable, dict, enumerate, filter, frozenset, getattr, hasattr,
    isinstance, len, list, map, max, min, reversed, set, sorted, sum, tuple, type, zip,
)  # fmt: skip
#: those that take all elements of their first argument at once
GOING_THROUGH = (all, any, dict, frozenset, list, max, min, set, sorted, sum, tuple)
_KEYWORDS = {
    dict: None, enumerate: {"start"}, max: {"default", "key"}, min: {"default", "key"},
    sorted: {"key", "reverse"}, sum: {"start"}, zip: {"strict"},
}  # fmt: skip
_EMPTY = {dict: dict, list: list, tuple: tuple}
#: kinds of which a result may be, and that are always the same ones
_OF_RESULTS = (Tensor, tuple, list, dict, type(None), bool, int, float, str)


def is_builtin(function) -> bool:
    """Whether a function is one of those that are known here."""
    return any(function is each for each in BUILTINS)


class Builtins(Frame):
    """The calls of Python's own functions."""

    def call_builtin(self, function, arguments, keywords):
        """What one of them gives."""
        allowed: Any = _KEYWORDS.get(function, ())
        if allowed is not None and not keywords.keys() <= {*allowed}:
            raise Refused(f"a call of {function.__name__}")
        if function in _OF_PLAIN:
            return self._of_plain(function, arguments)
        if not arguments and function in _EMPTY and (function is dict or not keywords):
            return Items(function, dict(keywords) if function is dict else [], is_made=True)
        if not arguments and function not in (set, frozenset):
            raise Refused(f"a call of {function.__name__}")
        handler = getattr(self, f"_builtin_{function.__name__}")
        try:
            return handler(*arguments, **keywords)
        except TypeError:  # Python says so, too
            raise Refused(f"a call of {function.__name__} with such arguments") from None

    def _of_plain(self, function, arguments):
        """A function of plain values; of shapes that are not known, another such thing."""
        if not arguments:
            raise Refused(f"a call of {function.__name__}")
        one = arguments[0]
        if function is abs and (self.is_tensor(one) or one is NEST):
            self.watch_method("__abs__")
            return NEST
        if function in (float, int) and (self.is_tensor(one) or one is NEST):
            self.watch_method(f"__{function.__name__}__")
            return self.prover.read(function)
        if function is bool and one is not OUTLINE:
            return Known(self.is_true(one))
        if any(argument is OUTLINE for argument in arguments) and function is not range:
            for argument in arguments:
                self.argument(argument)
            return OUTLINE
        if function is pow and not all([_is_small(self.plain(each)) for each in arguments]):
            raise Refused("a power of large values")
        return Known(done(function, [self.plain(argument) for argument in arguments]))

    # Rows -----------------------------------------------------------------------------------------

    def _builtin_len(self, thing):
        if self.is_tensor(thing) or thing is NEST:
            self.watch_method("__len__")
            return self.outline_of(thing, "size", [Known(0)])
        if isinstance(thing, Once):
            raise Refused("the length of an iterator")
        if (found := self.in_set(thing)) is not None:
            return Known(len(found))
        if isinstance(thing, Known) and type(thing.value) is str:
            return Known(len(thing.value))
        if isinstance(thing, Known) and self.is_dict(thing.value):
            self.watch.size(thing.value)  # what it holds may be another thing at each call
            return Known(len(thing.value))
        return Known(len(self.elements(thing)))

    def _builtin_list(self, row):
        if row is NEST:
            self.watch_method("__iter__")
            return NEST
        return Items(list, list(self.elements(row)), is_made=True)

    def _builtin_tuple(self, row):
        if row is NEST:
            self.watch_method("__iter__")
            return NEST
        if _is_plain_value(row):
            return self._of_plain(tuple, [row])
        return Items(tuple, list(self.elements(row)))

    def _builtin_dict(self, given=None, /, **keywords):
        found = {}
        if given is not None and (inner := self.dict_of_value(given)) is not None:
            found.update(inner.values)
        elif given is not None:
            for pair in self.elements(given):
                parts = self.elements(pair)
                if len(parts) != 2:
                    raise Refused("a dict of something else than pairs")
                found[self.plain(parts[0])] = parts[1]
        return Items(dict, found | keywords, is_made=True)

    def _builtin_set(self, *rows):
        row = [self.plain(each) for row in rows for each in self.lent_elements(row)]
        return PlainSet(done(set, [row]))

    def _builtin_frozenset(self, *rows):
        row = [self.plain(each) for row in rows for each in self.lent_elements(row)]
        return Known(done(frozenset, [row]))

    def _builtin_all(self, row):
        return self._decide(all, self.elements(row))

    def _builtin_any(self, row):
        return self._decide(any, self.elements(row))

    def _decide(self, function, row):
        """`all` or `any`; what is the same at each replay decides the same."""
        plain = [self.is_true(each) for each in row if each is not OUTLINE]
        return Known(function(plain)) if len(plain) == len(row) else OUTLINE

    def _builtin_sum(self, row, start=None):
        if start is None and _is_plain_value(row):
            return self._of_plain(sum, [row])
        if row is NEST:  # of unknown length, but the same at each replay
            for name in ("__iter__", "__add__", "__radd__"):
                self.watch_method(name)
            self.argument(Known(0) if start is None else start)
            return NEST
        total = Known(0) if start is None else start
        for part in self.elements(row):
            total = self.operate(ast.Add(), [total, part])
        return total

    def _builtin_reversed(self, row):
        return Once(self.elements(row)[::-1], lent([row], in_order=False))

    def _builtin_zip(self, *arguments, strict=None):
        rows = [self.elements(argument) for argument in arguments]
        if strict is not None and self.is_true(strict) and len({len(row) for row in rows}) > 1:
            raise Refused("rows of different lengths")
        made = [Items(tuple, list(row)) for row in zip(*rows, strict=False)]
        return Once(made, lent(arguments))

    def _builtin_enumerate(self, row, start=None):
        first = 0 if start is None else self.plain(start)
        if type(first) is not int:
            raise Refused("a count that begins with no number")
        made = [Items(tuple, [Known(i), p]) for i, p in enumerate(self.elements(row), first)]
        return Once(made, lent([row]))

    # Order ----------------------------------------------------------------------------------------

    def _builtin_max(self, *arguments, key=None, default=None):
        return self._extreme(max, arguments, key, default)

    def _builtin_min(self, *arguments, key=None, default=None):
        return self._extreme(min, arguments, key, default)

    def _extreme(self, function, arguments, key, default):
        if arguments[0] is OUTLINE and len(arguments) == 1 and key is None:
            return OUTLINE
        row = self.ordered(arguments[0], key) if len(arguments) == 1 else list(arguments)
        if not row and default is not None and len(arguments) == 1:
            return default
        if any(each is OUTLINE for each in row) and key is None and default is None:
            return self._of_plain(function, row)
        keys = self._keys(row, key)
        return row[done(lambda: function(range(len(row)), key=keys.__getitem__), [])]

    def _builtin_sorted(self, row, key=None, reverse=None):
        row = self.ordered(row, key)
        keys, back = self._keys(row, key), reverse is not None and self.is_true(reverse)
        order = done(lambda: sorted(range(len(row)), key=keys.__getitem__, reverse=back), [])
        return Items(list, [row[number] for number in order], is_made=True)

    def _keys(self, row, function) -> list:
        """What elements are compared by."""
        if isinstance(function, Known) and function.value is None:
            function = None
        if function is not None:
            return [self.plain(self.call_value(function, [each], {})) for each in row]
        if not all(isinstance(each, Items) and each.kind is tuple and each.values for each in row):
            return [self.plain(each) for each in row]
        first = [self.plain(each.values[0]) for each in row]
        # of pairs with different first elements nothing else is compared
        if len({*first}) == len(first) and all(type(each) in (int, str) for each in first):
            return first
        return [self.plain(each) for each in row]

    # Functions ------------------------------------------------------------------------------------

    def _builtin_map(self, function, *rows):
        raise Refused("a map that is not gone through at once")

    def _builtin_filter(self, function, row):
        raise Refused("a filter that is not gone through at once")

    def mapped(self, function, rows):
        """The elements of `map(function, *rows)`, for whoever goes through it at once."""
        if len(rows) == 1 and (rows[0] is NEST or self.is_tensor(rows[0])):
            return self._mapped_result(function)
        return Once(list(self.map_turns(function, rows)))

    def map_turns(self, function, rows):
        """The elements of `map(function, *rows)`, each when it is wanted."""
        for row in zip(*map(self.turns, rows), strict=False):
            yield self.call_value(function, list(row), {})

    def _mapped_result(self, function):
        """The same for a result, of which it is not known how many parts it has."""
        self.watch_method("__iter__")
        self.prover.open += 1
        found = self.call_value(function, [NEST], {})
        self.prover.open -= 1
        if found is not NEST and not self.is_tensor(found):
            raise Refused("a row of unknown length")
        return NEST

    def filter_turns(self, function, row):
        """The elements of `filter(function, row)`, each when it is wanted."""
        same = isinstance(function, Known) and function.value is None
        for each in self.turns(row):
            if self.is_true(each if same else self.call_value(function, [each], {})):
                yield each

    def _builtin_callable(self, thing):
        if is_made_function(thing):
            return Known(True)
        if thing is OUTLINE or isinstance(thing, Items) and thing.kind in _EMPTY:
            return Known(False)
        if not isinstance(thing, Known):
            raise Refused(f"callable of {text_of_value(thing)}")
        if is_plain(thing.value):
            return Known(False)
        kind = type(thing.value)
        if not any("__call__" in vars(each) for each in kind.__mro__):
            raise Refused(f"callable of {text_of_value(thing)}")
        self.watch.object(thing.value)
        self.watch.attribute(kind, "__call__")
        return Known(callable(thing.value))

    # Kinds ----------------------------------------------------------------------------------------

    def _builtin_type(self, thing, *others):
        if others:
            raise Refused("a class that the call makes")
        if is_some_tensor(thing):
            return Known(Tensor)
        if isinstance(thing, Items) and not isinstance(thing, (Once, Table)):
            return Known(thing.kind)
        if not isinstance(thing, Known):
            raise Refused(f"the type of {text_of_value(thing)}")
        if not is_plain(thing.value):
            self.watch.object(thing.value)
        return self.prover.found(type(thing.value))

    def _builtin_isinstance(self, value, kinds):
        """`isinstance`, of classes that say nothing of their own about it."""
        is_row = isinstance(kinds, Items) or type(getattr(kinds, "value", None)) is tuple
        row: list[Any] = self.elements(kinds) if is_row else [kinds]
        if not all(isinstance(each, Known) and self._decides_as_usual(each.value) for each in row):
            raise Refused("isinstance with classes that decide for themselves")
        classes = tuple([each.value for each in row])
        if is_some_tensor(value):
            return self._is_of(Tensor, classes)
        if isinstance(value, Items) and not isinstance(value, Table):
            return self._is_of(value.kind, classes)
        if value is NEST and all(any(each is k for k in _OF_RESULTS) for each in classes):
            return OUTLINE  # an operation gives the same kind of thing at each replay
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

    # Attributes by name ---------------------------------------------------------------------------

    def _builtin_getattr(self, owner, name, *default):
        name = self._attribute_name(name)
        if default and not self._has(owner, name):
            return default[0]
        return self.attribute(owner, name)

    def _builtin_hasattr(self, owner, name):
        return Known(self._has(owner, self._attribute_name(name)))

    def _has(self, owner, name) -> bool:
        """Whether a value has an attribute of that name.

        Raises:
            Refused: that is not sure.
        """
        if isinstance(owner, Items) and owner.kind in _EMPTY and not isinstance(owner, Table):
            return hasattr(owner.kind, name)
        if not isinstance(owner, Known) or self.is_dict(owner.value):
            raise Refused(f"whether {text_of_value(owner)} has {name}")
        if self.lacks(owner, name):
            return False
        if not self.is_tensor(owner):
            self.attribute(owner, name)
        elif not hasattr(Tensor, name):
            raise Refused(f"whether {text_of_value(owner)} has {name}")
        return True

    def _attribute_name(self, name) -> str:
        name = self.plain(name)
        if type(name) is not str or "." in name:
            raise Refused("an attribute with a name that no code can write")
        return name


def _is_plain_value(value) -> bool:
    """Whether a value is known and plain."""
    return isinstance(value, Known) and is_plain(value.value)


def _is_small(value) -> bool:
    return isinstance(value, float) or isinstance(value, int) and abs(value) < 2**16


def lent(arguments, in_order=True) -> list:
    """Loans of everything among some arguments that the call may still change."""
    nests = [each for each in arguments if isinstance(each, Items)]
    further = [loan for nest in nests for loan in nest.loans]
    return [Loan(nest, in_order) for nest in nests if nest.is_made] + further
