"""Proofs: what the code of a function can read, and that it changes nothing but tensors.

The prover goes through the syntax tree of a function as Python would, with what it knows: closures,
globals, modules, optimizers are looked at as they are now, and everything that is looked at is
watched from then on (see `watch`). What operations compute is unknown; it is tensors. Where code
goes must be known: branches and loops over what is known are followed, a branch on a tensor ends
the proof. Functions of the user's that are called are gone through in the same way.

It is a list of what is allowed. Everything else, any statement, object or call that does not stand
here, is refused, which costs nothing but speed. So what is missing here can be slow, never wrong.
"""

import ast
import types

from kuai.engine.compile.abstract_values import (
    NEST,
    OUTLINE,
    TENSOR,
    Items,
    Known,
    Read,
    Several,
    is_plain,
    text_of_value,
)  # fmt: skip
from kuai.engine.compile.comprehensions import shared_with_functions
from kuai.engine.compile.contexts import is_known
from kuai.engine.compile.expressions import Expressions
from kuai.engine.compile.knowledge import Refused, complete, is_pure
from kuai.engine.compile.source import tree_of
from kuai.engine.compile.watch import Watch
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.overriding import overrides

__all__ = ["Prover"]

_DEEPEST = 40  # calls
_LONGEST = 20_000  # statements
_GENERATORS = 0x20 | 0x80 | 0x200  # flags of generators, coroutines and both
_IN_PLACE = (ast.Add, ast.Sub, ast.Mult, ast.Div)  # of which tensors know a version in place
_HARMLESS = {"__doc__", "__init__", "__module__", "__new__", "__dict__", "__weakref__"}
_HOOKS = ("hooks", "pre_hooks", "output_hooks", "post_accumulate")


class Prover:
    """Goes through a function; what it depends on is in `watch` afterwards."""

    def __init__(self):
        complete()
        self.watch = Watch()
        self.line = None  # (file, number) of where it is
        self.left = _LONGEST
        self.reads = 0  # numbers that are read from tensors
        self.changing = []  # (thing, the name of a method that changes plain values)
        self.reached = None  # the outermost function's tree, and the number of a statement

    def prove(self, function, arguments, keywords):
        """Prove that calls with such arguments do the same again as long as the watch holds.

        Returns:
            What is known of the result.

        Raises:
            Refused: it cannot be proven.
        """
        return self.call(function, arguments, keywords, 0)

    def read(self, convert=None) -> Read:
        """One more number that is read from a tensor; it may be returned, and nothing else."""
        self.reads += 1
        return Read(self.reads - 1, convert)

    # Things ---------------------------------------------------------------------------------------

    def found(self, value) -> Known:
        """Something that was found in a place that is watched."""
        if not is_plain(value):
            self.watch.object(value)
        return Known(value)

    def tensor(self, tensor) -> None:
        """Watch a tensor that is used.

        Raises:
            Refused: it is a view, or has a history or hooks.
        """
        if tensor._steps is not None or tensor._node is not None or tensor._base is not None:
            raise Refused("a tensor that is a view or has a history")
        if tensor._hooked is not None:
            self._without_hooks(tensor._hooked)
        if tensor._node_hooked:
            raise Refused("a tensor with hooks at its node")
        if type(tensor) is not Tensor and (overrides(type(tensor)) or _changes_methods(tensor)):
            raise Refused(f"a {type(tensor).__name__}, which says for itself what operations do")
        self.watch.tensor(tensor)

    def _without_hooks(self, node) -> None:
        """Watch the node of a leaf that had hooks, or may get some again."""
        self.watch.entries(vars(node), _HOOKS)
        for there in filter(None, [getattr(node, name) for name in _HOOKS]):
            inner = [hooks for hooks in there.values() if isinstance(hooks, dict)]
            if len(inner) < len(there) or any(inner):
                raise Refused("a tensor with hooks")
            for each in (there, *inner):
                self.watch.whole(each)

    # Functions ------------------------------------------------------------------------------------

    def call(self, function, arguments, keywords, depth):
        """What a function of the user's returns."""
        if type(function) is types.MethodType:
            arguments = [self.found(function.__self__), *arguments]
            function = function.__func__
        if type(function) is not types.FunctionType:
            raise Refused(f"a call of {text_of_value(function)}")
        code, name = function.__code__, function.__qualname__
        tree = tree_of(code)
        if tree is None:
            raise Refused(f"{name}, whose source is not to be had")
        if depth > _DEEPEST or code.co_flags & _GENERATORS:
            raise Refused(f"{name}, which is a generator or goes too deep")
        for attribute in ("__code__", "__defaults__", "__kwdefaults__"):
            self.watch.attribute(function, attribute)
        frame = _Frame(self, function, tree, depth)
        frame.variables = self._bound(function, tree.args, arguments, keywords)
        before, self.line = self.line, (code.co_filename, code.co_firstlineno)
        result = frame.result()
        self.line = before
        return result

    def _bound(self, function, wanted, arguments, keywords):
        """The variables that hold a call's arguments."""
        name = function.__qualname__
        if any(isinstance(each, Several) for each in arguments):
            raise Refused(f"a call of {name} with an unknown number of arguments")
        only = [a.arg for a in wanted.posonlyargs]
        ordered = [*only, *[a.arg for a in wanted.args]]
        named = [a.arg for a in wanted.kwonlyargs]
        surplus = {n: keywords[n] for n in keywords if n in only or n not in (*ordered, *named)}
        given = dict(zip(ordered, arguments, strict=False))
        by_name = {n: each for n, each in keywords.items() if n not in surplus}
        if (
            surplus and not wanted.kwarg
            or len(arguments) > len(ordered) and not wanted.vararg
            or not given.keys().isdisjoint(by_name)
        ):  # fmt: skip
            raise Refused(f"a call of {name} with other arguments than it takes")
        given |= by_name
        if wanted.vararg:
            given[wanted.vararg.arg] = Items(tuple, list(arguments[len(ordered) :]))
        if wanted.kwarg:
            given[wanted.kwarg.arg] = Items(dict, surplus)
        defaults = function.__defaults__ or ()
        known = dict(zip(ordered[len(ordered) - len(defaults) :], defaults, strict=True))
        if function.__kwdefaults__:
            self.watch.entries(function.__kwdefaults__, named)
            known |= function.__kwdefaults__
        for each in (*ordered, *named):
            if each not in given:
                if each not in known:
                    raise Refused(f"a call of {name} without {each}")
                given[each] = self.found(known[each])
        return given


class _Return(Exception):
    def __init__(self, value):
        self.value = value


class _Frame(Expressions):
    """One function while the prover goes through its statements."""

    def __init__(self, prover, function, tree, depth):
        self.prover, self.watch = prover, prover.watch
        self.function, self.tree, self.depth = function, tree, depth
        self.variables = {}
        code = function.__code__
        self.shared = shared_with_functions(tree, code.co_cellvars)
        self.locals = {*code.co_varnames, *code.co_cellvars}

    def result(self):
        """What the function returns."""
        if isinstance(self.tree, ast.Lambda):
            return self.value(self.tree.body)
        try:
            self.run(self.tree.body)
        except _Return as end:
            return end.value
        return Known(None)

    def run(self, statements) -> None:
        """Go through statements."""
        for number, statement in enumerate(statements):
            self._note_line(statement)
            if self.depth == 0 and statements is self.tree.body:
                self.prover.reached = self.tree, number
            handler = getattr(self, f"_run_{type(statement).__name__}", None)
            if handler is None or self.prover.left < 0:
                raise Refused(f"a statement ({type(statement).__name__.lower()})")
            handler(statement)

    def _note_line(self, statement) -> None:
        code, decorators = self.function.__code__, getattr(self.tree, "decorator_list", [])
        first = min([self.tree.lineno, *[d.lineno for d in decorators]])
        self.prover.line = code.co_filename, code.co_firstlineno + statement.lineno - first
        self.prover.left -= 1

    def _run_Expr(self, statement):
        self.value(statement.value)

    def _run_Pass(self, statement):
        pass

    def _run_Return(self, statement):
        raise _Return(Known(None) if statement.value is None else self.value(statement.value))

    def _run_Assign(self, statement):
        value = self.value(statement.value)
        for target in statement.targets:
            self._assign(target, value)

    def _run_AnnAssign(self, statement):
        if statement.value is not None:
            self._assign(statement.target, self.value(statement.value))

    def _run_AugAssign(self, statement):
        if not isinstance(statement.target, ast.Name):
            raise Refused(f"a change of {ast.unparse(statement.target)}")
        old = self.value(ast.Name(statement.target.id, ast.Load()))
        if isinstance(old, Items) and old.kind is list:
            raise Refused("a list that grows")  # under all of its names
        new = self.operate(statement.op, [old, self.value(statement.value)])
        in_place = type(statement.op) in _IN_PLACE and self.is_tensor(old)
        self._assign(statement.target, old if in_place else new)

    def _run_If(self, statement):
        test = self.value(statement.test)
        if test is OUTLINE and _only_raises(statement):
            return  # the same shapes decide it in the same way
        self.run(statement.body if self.is_true(test) else statement.orelse)

    def _run_Assert(self, statement):
        test = self.value(statement.test)
        if test is not OUTLINE and not self.is_true(test):
            raise Refused("an assertion that fails")

    def _run_For(self, statement):
        if statement.orelse:
            raise Refused("a loop with an else")
        for part in self.elements(self.value(statement.iter)):
            self._assign(statement.target, part)
            self.run(statement.body)

    def _run_With(self, statement):
        for item in statement.items:
            if item.optional_vars is not None or not is_known(self, item.context_expr):
                raise Refused(f"a context ({ast.unparse(item.context_expr)})")
        self.run(statement.body)

    # Assignments ----------------------------------------------------------------------------------

    def _assign(self, target, value):
        if isinstance(target, ast.Name):
            if target.id not in self.locals or target.id in self.shared:
                raise Refused(f"an assignment to {target.id}, which other functions see")
            self.variables[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target.elts, value)
        elif isinstance(target, ast.Subscript) and self._is_written(self.value(target.value)):
            self.watch_method("__setitem__")
            self.index(target.slice)
            self.argument(value)
        elif isinstance(target, ast.Attribute) and target.attr == "grad":
            self._drop_gradient(self.value(target.value), value)
        else:
            raise Refused(f"an assignment to {ast.unparse(target)}")

    def _is_written(self, owner) -> bool:
        """Whether what an element is written to is a tensor, or else an error."""
        return owner is NEST or self.is_tensor(owner)

    def _drop_gradient(self, owner, value):
        known = isinstance(owner, Known) and self.is_tensor(owner)
        if not known or not isinstance(value, Known) or value.value is not None:
            raise Refused("an assignment to a gradient")
        self.watch_method("grad")

    def _unpack(self, targets, value):
        for target, part in self.pairs(targets, value):
            self._assign(target, part)

    def pairs(self, targets, value):
        """The targets that a value is unpacked to, each with its part of it."""
        unknown = value in (NEST, TENSOR, OUTLINE)
        parts = [value] * len(targets) if unknown else self.elements(value)
        if len(parts) != len(targets) or any(isinstance(t, ast.Starred) for t in targets):
            raise Refused("values that are unpacked")
        return zip(targets, parts, strict=True)


def _changes_methods(tensor) -> bool:
    """Whether a class that is not Kuai's own has something that tensors have in their own way."""
    kinds = type(tensor).__mro__
    own = [k for k in kinds[: kinds.index(Tensor)] if not k.__module__.startswith("kuai.")]
    return any(hasattr(Tensor, name) for kind in own for name in vars(kind).keys() - _HARMLESS)


def _only_raises(statement) -> bool:
    return not statement.orelse and all(isinstance(s, ast.Raise) for s in statement.body)


def abstract(value, watch):
    """What the prover knows of an argument.

    Raises:
        Refused: it is of a kind that cannot be compared at each call.
    """
    if type(value) is Tensor:
        return TENSOR
    if type(value) in (tuple, list):
        return Items(type(value), [abstract(each, watch) for each in value])
    if type(value) is dict and all(map(is_plain, value)):
        return Items(dict, {key: abstract(each, watch) for key, each in value.items()})
    if is_plain(value) or is_pure(value):
        return Known(value)
    if isinstance(value, (Tensor, types.FunctionType, types.MethodType)):
        raise Refused(f"an argument that is {text_of_value(value)}")
    watch.argument(value)
    return Known(value)
