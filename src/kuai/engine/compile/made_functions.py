"""Functions that a call makes, as the prover knows them: `lambda`, `def` inside, `partial`.

A function made inside is not known as an object. What is known is its code and the variables around
it, which it reads when it is called, as Python does. It may be called, and handed to what calls it
at once, such as `map` or `sorted`; nobody outside of the call can get it.
"""

import ast
import functools
import types

from kuai.engine.compile.abstract_values import Bound, Unknown, text_of_value
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused

__all__ = ["Made", "MadeFunctions", "Partial", "is_made_function", "is_partial"]

_PLACEHOLDER = getattr(functools, "Placeholder", object())  # from Python 3.14 on
_ANNOTATIONS = 0x1000000  # the flag of `from __future__ import annotations` in a code object


class Made(Unknown):
    """A function that the call makes: `lambda`, or `def` inside of a function.

    Attributes:
        frame: the one whose variables it sees, as they are when it runs.
        defaults: of its arguments.
    """

    def __init__(self, tree, code, frame, defaults):
        super().__init__("a function that the call makes")
        self.tree, self.frame, self.defaults = tree, frame, defaults
        self.__code__, self.__qualname__ = code, code.co_qualname
        self.__globals__ = frame.function.__globals__
        self.__builtins__ = frame.function.__builtins__


class Partial(Unknown):
    """A function with some of its arguments."""

    def __init__(self, function, arguments, keywords):
        super().__init__("a function with arguments")
        self.function, self.arguments, self.keywords = function, arguments, keywords


class MadeFunctions(Frame):
    """What makes functions inside of one."""

    def _value_Lambda(self, node):
        return self.make_function(node)

    def make_function(self, node):
        """The function that `lambda` or `def` makes."""
        if getattr(node, "decorator_list", ()) or getattr(node, "type_params", ()):
            raise Refused(f"{node.name}, which is made with a decorator")
        code = self._code_of(node)
        if not isinstance(node, ast.Lambda) and not self.function.__code__.co_flags & _ANNOTATIONS:
            self._check_annotations(node)
        given = node.args
        ordered = [each.arg for each in (*given.posonlyargs, *given.args)]
        defaults = [self.value(each) for each in given.defaults]
        known = dict(zip(ordered[len(ordered) - len(defaults) :], defaults, strict=True))
        for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
            if default is not None:
                known[each.arg] = self.value(default)
        return Made(node, code, self, known)

    def _check_annotations(self, node) -> None:
        """What stands after colons is computed when a function is made."""
        given = node.args
        rows = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        wanted = [each.annotation for each in rows if each is not None]
        for each in (*wanted, node.returns):
            if each is not None and not isinstance(each, ast.Constant):
                self.value(each)

    def _code_of(self, node) -> types.CodeType:
        """The code of a function inside: that of its name and line, if all of these do the same."""
        name = getattr(node, "name", "<lambda>")
        first = self._line_of(node)
        found = [
            each
            for each in _codes_in(self.function.__code__)
            if each.co_name == name and each.co_firstlineno == first
        ]
        wanted = {_variables(each) for each in found}
        if len(wanted) != 1:
            raise Refused(f"{name}, one of several functions in a line")
        return found[0]

    def _line_of(self, node) -> int:
        """The line of a node, in the file."""
        decorators = getattr(self.tree, "decorator_list", [])
        first = min([self.tree.lineno, *[each.lineno for each in decorators]])
        return self.function.__code__.co_firstlineno + node.lineno - first

    def seen_from_inside(self, name):
        """What a variable of this function holds, for a function that it has made."""
        if name in _names_of_comprehensions(self.tree):  # which are variables of their own
            raise Refused(f"{name}, which is a comprehension's as well")
        return self.value(ast.Name(name, ast.Load()))

    def made_partial(self, arguments, keywords):
        """What `functools.partial(…)` gives."""
        if not arguments or any(getattr(a, "value", None) is _PLACEHOLDER for a in arguments):
            raise Refused("a call of partial without a function, or with gaps")
        return Partial(arguments[0], list(arguments[1:]), dict(keywords))

    def opened_partial(self, thing):
        """What a function with some of its arguments, which was made before, is made of."""
        if id(thing) in self.watch.arguments:  # it would be held
            raise Refused(f"{text_of_value(thing)}, which is an argument")
        for name in ("func", "args", "keywords"):
            self.watch.attribute(thing, name)
        if any(each is _PLACEHOLDER for each in thing.args):
            raise Refused("a partial with gaps between its arguments")
        self.watch.object(thing)
        self.watch.whole(thing.keywords)
        found = self.prover.found
        keywords = {name: found(each) for name, each in thing.keywords.items()}
        return Partial(found(thing.func), list(map(found, thing.args)), keywords)


def is_made_function(value) -> bool:
    """Whether a value is a function that the call makes, or a method of the user's."""
    if isinstance(value, Bound):
        return value.function is not None  # others may be properties
    return isinstance(value, (Made, Partial))


def is_partial(thing) -> bool:
    """Whether a thing is a function with some of its arguments, and nothing else."""
    return type(thing) is functools.partial


def _codes_in(code) -> list:
    """The codes of functions inside of one, and of its comprehensions; not those further in."""
    found = []
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            found.append(each)
            found += _codes_in(each) if each.co_name in _COMPREHENSIONS else []
    return found


_COMPREHENSIONS = ("<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>")


def _variables(code):
    """What the prover reads in a code."""
    return code.co_varnames, code.co_cellvars, code.co_freevars, code.co_flags, code.co_argcount


@functools.lru_cache(maxsize=256)
def _names_of_comprehensions(tree) -> frozenset:
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.comprehension)]
    names = [n for loop in loops for n in ast.walk(loop.target) if isinstance(n, ast.Name)]
    return frozenset(name.id for name in names)
