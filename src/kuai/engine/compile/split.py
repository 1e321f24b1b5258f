"""Splits: a function of which only the beginning can be proven, in two.

Steps as people write them count, log and keep values after the arithmetic: `self.steps += 1`,
`losses.append(loss.item())`. There a proof ends (see `proof`), but what stands before may be
replayed all the same. So the statements before the one that was refused become a function of their
own, which is replayed, and the others a second one, which runs at each call as it always has. Both
are compiled from the function's own syntax tree, with its globals, its closure and its line
numbers; the first hands on the variables that the second one uses.

Where it is the very first statements that are refused, such as a counter, it is the other way
round: they run at each call, and what follows them may be replayed, or split in its turn.

Invariants
* Together the two do what the function does, in the same order. The only difference is that the
  record is run in between.
* What would notice that a function has become two is refused: variables that inner functions share,
  `nonlocal`, `super()`, `locals()`, private names that a class changes.
"""

import ast
import operator
import types
from typing import Any, TypeGuard

from kuai.engine.compile.comprehensions import shared_with_functions
from kuai.engine.compile.knowledge import Refused
from kuai.engine.compile.source import remember

__all__ = ["Split"]

_LOOKS_AT_FRAMES = frozenset(
    ["locals", "vars", "eval", "exec", "dir", "super", "_getframe", "currentframe", "stack"]
)
# what the beginning may consist of; no return, and nothing that takes a variable away
_STATEMENTS = (
    ast.Assert, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.For, ast.Global, ast.If,
    ast.Pass, ast.Raise, ast.While, ast.With,
)  # fmt: skip
_COMPREHENSIONS = (ast.DictComp, ast.GeneratorExp, ast.ListComp, ast.SetComp)
_SURE = (ast.Assign, ast.AnnAssign, ast.AugAssign)  # statements after which a variable has a value
_HANDED_ON = "handed on"  # a variable with a name that no program can have
_NO_TYPES: dict[str, Any] = {"type_params": []}  # Python 3.12 wants them to be there
_FUTURE = 0x1FE0000  # flags of `from __future__ import …` in a code object
_VARIABLE = 0x04 | 0x08  # flags of `*args` and `**kwargs`


class _InTwo:
    """A function in two."""

    def __init__(self, function, tree, count):
        self.owner = None
        if type(function) is types.MethodType:
            function, self.owner = function.__func__, function.__self__
        self.plain, self.tree, self.count = function, tree, count
        self.signs = _signs(function)
        _check(function, tree)

    def fits(self) -> bool:
        """Whether the function still is what was split."""
        return all(map(operator.is_, _signs(self.plain), self.signs))

    def _first(self, names):
        """The function up to the place where it is split; it returns the values of some names."""
        handed_on = ast.Tuple([ast.Name(name, ast.Load()) for name in names], ast.Load())
        end = ast.copy_location(ast.Return(handed_on), self.tree.body[self.count - 1])
        return self._made(self._arguments(), [*self.tree.body[: self.count], end])

    def _arguments(self, extra=()):
        """The function's own arguments, and others by keyword."""
        given = self.tree.args
        bare = [[ast.arg(each.arg) for each in row] for row in (given.posonlyargs, given.args)]
        by_keyword = [ast.arg(name) for name in (*[a.arg for a in given.kwonlyargs], *extra)]
        return ast.arguments(
            posonlyargs=bare[0], args=bare[1], kwonlyargs=by_keyword,
            kw_defaults=[None] * len(by_keyword), defaults=[],
        )  # fmt: skip

    def _made(self, arguments, body):
        """A function with other arguments and another body, which finds the same names outside."""
        function, names = self.plain, sorted(_global_names(self.tree))
        body = [statement for statement in body if not isinstance(statement, ast.Global)]
        if names:
            body.insert(0, ast.copy_location(ast.Global(names), self.tree.body[0]))
        code = _compiled(function.__code__, self.tree, arguments, body)
        contents = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        closure = tuple(contents[name] for name in code.co_freevars)
        made = types.FunctionType(code, function.__globals__, function.__name__, None, closure)
        made.__qualname__, made.__module__ = function.__qualname__, function.__module__
        return made

    def _with_defaults(self, made):
        made.__defaults__ = self.plain.__defaults__
        made.__kwdefaults__ = self.plain.__kwdefaults__
        return made if self.owner is None else types.MethodType(made, self.owner)


class Split(_InTwo):
    """A function in two, of which the beginning may be replayed.

    Args:
        function: a function of the user's, or a bound method.
        tree: its syntax tree.
        count: how many of its statements are the beginning.

    Attributes:
        beginning: takes what the function takes, and returns the values of `names` in a tuple.
        rest: takes the same, and those values by a keyword (see `keywords`).

    Raises:
        Refused: somebody would notice.
    """

    def __init__(self, function, tree, count):
        super().__init__(function, tree, count)
        self.names = _handed_on(self.plain.__code__, tree, count)
        self.beginning = self._with_defaults(self._first(self.names))
        arriving: list[ast.stmt] = [
            ast.Assign([ast.Name(name, ast.Store())], _popped()) for name in self.names
        ]
        arriving.append(ast.Delete([ast.Name(_HANDED_ON, ast.Del())]))
        for statement in arriving:
            ast.copy_location(statement, tree.body[count])
        body = [*arriving, *tree.body[count:]]
        self.rest = self._with_defaults(self._made(self._arguments((_HANDED_ON,)), body))

    def keywords(self, values) -> dict:
        """What the beginning has returned, as a keyword for the rest.

        The rest empties the list, so that nobody else holds what its variables held.
        """
        return {_HANDED_ON: list(values[::-1])}


class Prologue(_InTwo):
    """A function in two, of which what follows the first statements may be replayed.

    Args:
        function: a function of the user's, or a bound method.
        tree: its syntax tree.
        count: how many of its statements run at each call.

    Attributes:
        first: takes what the function takes, and returns the values of `names` in a tuple.
        rest: takes these by their names.

    Raises:
        Refused: somebody would notice.
    """

    def __init__(self, function, tree, count):
        super().__init__(function, tree, count)
        then, code = tree.body[count:], self.plain.__code__
        given = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        used = {node.id for node in _nodes(then) if isinstance(node, ast.Name)}
        made = _handed_on(code, tree, count)
        self.names = sorted({*made, *[name for name in given if name in used]})
        self.first = self._with_defaults(self._first(self.names))
        arguments = ast.arguments(
            posonlyargs=[], args=[], kwonlyargs=[ast.arg(name) for name in self.names],
            kw_defaults=[None] * len(self.names), defaults=[],
        )  # fmt: skip
        self.rest = self._made(arguments, then)

    def as_split(self) -> Split:
        """The same two parts, the first of which hands on what nobody else holds."""
        function = self.plain if self.owner is None else types.MethodType(self.plain, self.owner)
        return Split(function, self.tree, self.count)


def _signs(function):
    """What the parts have been made of, to be compared."""
    return function.__code__, function.__defaults__, function.__kwdefaults__


def _popped():
    """The expression that takes one value out of what was handed on."""
    pop = ast.Attribute(ast.Name(_HANDED_ON, ast.Load()), "pop", ast.Load())
    return ast.Call(pop, [], [])


def _handed_on(code, tree, count):
    """The variables that the rest uses and the beginning gives a value, whichever way it takes."""
    beginning, rest = tree.body[:count], tree.body[count:]
    if any(isinstance(n, (ast.Lambda, ast.NamedExpr)) for n in _nodes(beginning)):
        raise Refused("variables of inner expressions")
    first, then = _without_inner(beginning, rest)
    if not all(isinstance(n, _STATEMENTS) for n in first if isinstance(n, ast.stmt)):
        raise Refused("a statement that a beginning may not have")
    given = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    stored = {n.id for n in first if _is_stored(n)}
    unknown = {n.id for n in first if isinstance(n, ast.Name)} - stored - given
    unknown |= (
        {n.id for n in then if isinstance(n, ast.Name)}
        - stored
        - given
        - {n.id for n in then if _is_stored(n)}
    )
    if not unknown.isdisjoint(code.co_varnames):
        raise Refused("a variable that may have no value")
    stored -= _global_names(tree)
    wanted = stored & {n.id for n in then if isinstance(n, ast.Name)}
    always = [
        each
        for each in _always_run(beginning)
        if isinstance(each, _SURE) and getattr(each, "value", None) is not None
    ]
    sure = {n.id for n in _nodes(always) if _is_stored(n)}
    if not wanted <= sure | given:
        raise Refused("a variable that has a value on some ways only")
    return sorted(wanted)


def _global_names(tree) -> set:
    """The variables of a function that are its module's."""
    return {n for each in ast.walk(tree) if isinstance(each, ast.Global) for n in each.names}


def _without_inner(*parts):
    """The nodes of statements, but for the variables that comprehensions have for themselves."""
    rows = [_nodes(statements) for statements in parts]
    loops = [n for row in rows for n in row if isinstance(n, ast.comprehension)]
    inner = {n.id for loop in loops for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
    within = {id(n) for row in rows for each in row for n in _inside(each)}
    names = [n for row in rows for n in row if isinstance(n, ast.Name)]
    if any(n.id in inner and id(n) not in within for n in names):
        raise Refused("a name for two variables")
    return [[n for n in row if not (isinstance(n, ast.Name) and n.id in inner)] for row in rows]


def _inside(node):
    """What is computed inside of a comprehension: all but what its first loop goes through."""
    if not isinstance(node, _COMPREHENSIONS):
        return []
    outside = {id(n) for n in ast.walk(node.generators[0].iter)}
    return [n for n in ast.walk(node) if id(n) not in outside]


def _always_run(statements):
    for statement in statements:
        if isinstance(statement, ast.With):
            yield from _always_run(statement.body)
        yield statement


def _nodes(statements):
    return [node for statement in statements for node in ast.walk(statement)]


def _is_stored(node) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _check(function, tree):
    """Refuse what would notice that the function has become two."""
    code = function.__code__
    shared = shared_with_functions(tree, code.co_cellvars)
    if shared or code.co_flags & _VARIABLE or "__class__" in code.co_freevars:
        raise Refused("variables that other functions see")
    if not _LOOKS_AT_FRAMES.isdisjoint(code.co_names):
        raise Refused("code that looks at its frame")
    for node in ast.walk(tree):
        if isinstance(node, ast.Nonlocal):
            raise Refused("variables that are not its own")
        if isinstance(node, ast.Global) and not any(node is each for each in tree.body):
            raise Refused("a variable that is not its own, which is said in a block")
        fields = ("id", "attr", "arg", "name", "asname", "rest")  # in classes, most are known
        names = [getattr(node, field, None) for field in fields]
        if any(isinstance(n, str) and n[:2] == "__" and n[-2:] != "__" for n in names):
            raise Refused("a name that is private to a class")


def _compiled(code, tree, arguments, body):
    """The code of a function with other arguments and another body."""
    # with its decorators, which are not run: with them its first line is that of the first one
    inner = _definition(tree.name, arguments, body, tree.decorator_list)
    ast.copy_location(inner, tree)
    # inside of a function that has them, names from outside become parts of the closure
    outside = ast.arguments(
        posonlyargs=[], args=[ast.arg(name) for name in code.co_freevars], kwonlyargs=[],
        kw_defaults=[], defaults=[],
    )  # fmt: skip
    outer = ast.copy_location(_definition("outside", outside, [inner]), tree)
    module = ast.fix_missing_locations(ast.Module([outer], []))
    flags = code.co_flags & _FUTURE
    made = compile(module, code.co_filename, "exec", flags, dont_inherit=True)
    made = _code_in(_code_in(made, "outside"), tree.name)
    made = made.replace(co_qualname=code.co_qualname)
    remember(made, inner)
    return made


def _definition(name, arguments, body, decorators=()):
    return ast.FunctionDef(
        name=name, args=arguments, body=body, decorator_list=list(decorators), returns=None,
        **_NO_TYPES,
    )  # fmt: skip


def _code_in(code, name):
    """The code of the function that another one defines."""
    found = [c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name]
    return found[-1]
