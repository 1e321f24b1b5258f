"""The syntax tree of a function, checked against the function's code.

The text that Python finds for a function may be another one: the file has been edited since, or a
line has several functions. So the whole file is compiled again, and the function's very code has to
be among what comes out. Names that are private to a class are written as they are in the code.
"""

import ast
import functools
import linecache
import types
import weakref

__all__ = ["remember", "tree_of"]

# id of a code object -> a weak reference to it, and its tree. Not by the code itself: functions
# that are made anew for each fold of the data have equal codes, and go one after the other.
_made: dict[int, tuple] = {}


def remember(code: types.CodeType, tree) -> None:
    """Note the tree of a function that has been made of one, and stands in no file."""
    key = id(code)
    _made[key] = weakref.ref(code, lambda _: _made.pop(key, None)), tree


def tree_of(code: types.CodeType):
    """The `ast.FunctionDef` or `ast.Lambda` that a function's code was made of, or None."""
    reference, tree = _made.get(id(code), (None, None))
    if reference is not None and reference() is code:
        return tree
    return _tree_in_file(code)


@functools.lru_cache(maxsize=1024)
def _tree_in_file(code):
    text = "".join(linecache.getlines(code.co_filename))
    trees, codes = _compiled(code.co_filename, text) if text else ({}, set())
    found = trees.get((code.co_firstlineno, code.co_name), [])
    if len(found) > 1 and code.co_name == "<lambda>":
        places = set(code.co_positions())  # (first line, last line, first column, last column)
        found = [tree for tree in found if _place(tree.body) in places]
    return found[0] if len(found) == 1 and code in codes else None


def _place(node):
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


@functools.lru_cache(maxsize=64)
def _compiled(name, text):
    """The functions of a file: their trees by first line and name, and the set of their codes."""
    try:
        module = ast.parse(text)
        _PrivateNames().visit(module)
        codes, stack = set(), [compile(text, name, "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):
        return {}, set()
    while stack:
        inner = [c for c in stack.pop().co_consts if isinstance(c, types.CodeType)]
        codes.update(inner)
        stack += inner
    trees: dict[tuple[int, str], list] = {}
    for tree in ast.walk(module):
        if isinstance(tree, ast.Lambda):
            trees.setdefault((tree.lineno, "<lambda>"), []).append(tree)
        elif isinstance(tree, ast.FunctionDef):
            first = min([tree.lineno, *[each.lineno for each in tree.decorator_list]])
            trees.setdefault((first, tree.name), []).append(tree)
    return trees, codes


class _PrivateNames(ast.NodeVisitor):
    """Writes `__name` as `_Class__name` inside of a class, as Python does."""

    def __init__(self):
        self.owner = ""  # the class's name without the underscores at its beginning

    def visit_ClassDef(self, node):
        """Everything in a class's body is its own; bases and decorators are not."""
        for outside in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(outside)
        before, self.owner = self.owner, node.name.lstrip("_")
        for statement in node.body:
            self.visit(statement)
        self.owner = before

    def generic_visit(self, node):
        """Names of variables, attributes and parameters; those of keywords in calls stay."""
        for field in ("id", "attr", "arg", "name"):
            name = getattr(node, field, None)
            if type(name) is str and _is_private(name) and not isinstance(node, _KEEP_THEIR_NAMES):
                if self.owner:
                    setattr(node, field, f"_{self.owner}{name}")
        super().generic_visit(node)


# the code of a function keeps the name that stands there
_KEEP_THEIR_NAMES = (ast.keyword, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.alias)


def _is_private(name) -> bool:
    return name.startswith("__") and not name.endswith("__")
