"""Arithmetic: functions of the user's that compute with plain numbers, and do nothing else.

Such a function may be called at another moment than it stands in the code, and nobody will notice.
"""

import ast
import builtins
import functools
import math
import types

from kuai.engine.compile.abstract_values import is_plain, text_of_value
from kuai.engine.compile.knowledge import Refused
from kuai.engine.compile.source import tree_of

__all__ = ["watch_arithmetic"]

_BUILTINS = ("abs", "bool", "float", "int", "max", "min", "pow", "round")
_NODES = (
    ast.FunctionDef, ast.Lambda, ast.arguments, ast.arg, ast.Return, ast.If, ast.IfExp, ast.Assign,
    ast.AugAssign, ast.Expr, ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp,
    ast.Compare, ast.Call, ast.keyword, ast.Attribute, ast.operator, ast.unaryop, ast.boolop,
    ast.cmpop, ast.expr_context,
)  # fmt: skip


def watch_arithmetic(watch, function) -> None:
    """Watch all that a function of numbers depends on.

    Raises:
        Refused: it does something else than computing, or it is not known what it does.
    """
    if type(function) is functools.partial:
        if not all(map(is_plain, (*function.args, *function.keywords.values()))):
            raise Refused(f"arguments of {text_of_value(function.func)} that are no numbers")
        watch.attribute(function, "func")
        watch.attribute(function, "args")
        watch.whole(function.keywords)
        function = function.func
    name = text_of_value(function)
    if type(function) is not types.FunctionType or function.__code__.co_cellvars:
        raise Refused(f"{name}, which may do more than compute")
    tree = tree_of(function.__code__)
    if tree is None:
        raise Refused(f"{name}, whose source is not to be had")
    for attribute in ("__code__", "__defaults__", "__kwdefaults__"):
        watch.attribute(function, attribute)
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    if not all(map(is_plain, defaults)):
        raise Refused(f"{name} with defaults that are no numbers")
    if function.__kwdefaults__:
        watch.whole(function.__kwdefaults__)
    for statement in tree.body if isinstance(tree, ast.FunctionDef) else [tree.body]:
        _go_through(watch, function, statement)


def _go_through(watch, function, tree):
    """See that there is nothing but arithmetic below, and watch what it reads."""
    for node in ast.walk(tree):
        allowed = isinstance(node, _NODES) and not isinstance(node, (ast.FunctionDef, ast.Lambda))
        if isinstance(node, ast.Attribute):
            allowed = _is_of_math(function, node)
        elif isinstance(node, ast.Call):
            called = node.func
            allowed = isinstance(called, ast.Attribute) or _is_builtin(function, called)
        elif isinstance(node, (ast.Assign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            allowed = all(isinstance(each, ast.Name) for each in targets)
        if not allowed:
            kind = type(node).__name__.lower()
            raise Refused(f"{text_of_value(function)}, in which there is more ({kind})")
        if isinstance(node, ast.Name):
            _watch_name(watch, function, node.id)


def _watch_name(watch, function, name):
    """A variable of the function, or a number, the module of mathematics or a built-in function."""
    code = function.__code__
    if name in code.co_varnames:
        return
    if name in code.co_freevars:
        cell = function.__closure__[code.co_freevars.index(name)]
        watch.cell(cell)
        found = _content(cell)
    else:
        watch.entries(function.__globals__, [name])
        watch.entries(vars(builtins), [name])
        found = function.__globals__.get(name, math)  # a name of Python's is looked at in its call
    if found is not math and not is_plain(found):
        raise Refused(f"{name} in {text_of_value(function)}, which is no number")


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:
        raise Refused("a variable that has no value yet") from None


def _is_of_math(function, node) -> bool:
    owner = node.value
    in_globals = isinstance(owner, ast.Name) and owner.id not in function.__code__.co_varnames
    return in_globals and function.__globals__.get(owner.id) is math and hasattr(math, node.attr)


def _is_builtin(function, node) -> bool:
    if not isinstance(node, ast.Name) or node.id not in _BUILTINS:
        return False
    code = function.__code__
    hidden = node.id in (*code.co_varnames, *code.co_freevars) or node.id in function.__globals__
    return not hidden and type(vars(builtins)[node.id]) in (types.BuiltinFunctionType, type)
