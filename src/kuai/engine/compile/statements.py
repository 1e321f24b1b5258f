"""Statements, as the prover goes through them: see `proof`.

Where a decision is not known but the same at each replay (a shape, whether a tensor has a
gradient), both ways are gone through, and both have to be provable. What is known afterwards is
what both agree on. Nothing that the prover keeps track of may change on such a way.
"""

import ast

from kuai.engine.compile.abstract_values import (
    NEST,
    OUTLINE,
    TENSOR,
    Argument,
    Items,
    Known,
    is_some_tensor,
)  # fmt: skip
from kuai.engine.compile.contexts import is_known
from kuai.engine.compile.expressions import Expressions
from kuai.engine.compile.joining import joined
from kuai.engine.compile.kept_tensors import KeptTensors
from kuai.engine.compile.knowledge import Refused
from kuai.engine.compile.matching import Matching
from kuai.engine.compile.own_functions import Context
from kuai.engine.compile.plain_sets import PlainSet
from kuai.engine.compile.tables import is_table

__all__ = ["Statements"]

_IN_PLACE = (ast.Add, ast.Sub, ast.Mult, ast.Div)  # of which tensors know a version in place
_TAKES_BACK = ("data", "grad")  # of tensors: what is changed in place may be put back there


class _Return(Exception):
    def __init__(self, value):
        self.value = value


class _Continue(Exception):
    """The turn of a loop is over."""


class _Break(Exception):
    """A loop is over."""


class _Loop:
    """What is known of variables where a loop, or a turn of it, may have ended."""

    def __init__(self):
        self.turn, self.whole = [], []


class Statements(Expressions, Matching, KeptTensors):
    """The statements of one function."""

    def result(self):
        """What the function returns."""
        if isinstance(self.tree, ast.Lambda):
            return self.value(self.tree.body)
        try:
            self.run(self.tree.body)
            last = Known(None)
        except _Return as end:
            last = end.value
        while self.open:
            self._close()
        if not self.returned:
            return last
        found = joined([{"": value} for value in (*self.returned, last)], self.is_tensor)
        if not found:
            raise Refused("a decision between results of two kinds")
        return found[""]

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

    _run_Global = _run_Nonlocal = _run_Pass  # such variables may be read

    def _run_Return(self, statement):
        found = Known(None) if statement.value is None else self.value(statement.value)
        if self.open and self.loops:
            raise Refused("a decision that ends the function in a loop")
        raise _Return(found)

    def _run_Assign(self, statement):
        row = isinstance(statement.targets[0], (ast.List, ast.Tuple))
        value = self.gone_through(statement.value) if row else self.value(statement.value)
        for target in statement.targets:
            self._assign(target, value)

    def _run_AnnAssign(self, statement):
        if statement.value is not None:
            self._assign(statement.target, self.value(statement.value))

    def _run_FunctionDef(self, statement):
        self.assign_name(statement.name, self.make_function(statement))

    def _run_Delete(self, statement):
        for target in statement.targets:
            if isinstance(target, ast.Name) and target.id in self.variables:
                del self.variables[target.id]
            elif isinstance(target, ast.Subscript):
                self.delete_element(target)
            else:
                raise Refused(f"a deletion of {ast.unparse(target)}")

    def _run_Assert(self, statement):
        test = self.value(statement.test)
        if test is not OUTLINE and not self.is_true(test):
            raise Refused("an assertion that fails")

    def _run_With(self, statement):
        for item in statement.items:
            if item.optional_vars is not None or not is_known(self, item.context_expr):
                raise Refused(f"a context ({ast.unparse(item.context_expr)})")
        self.run(statement.body)

    def _run_Try(self, statement):
        """Where nothing is raised; a handler must raise something itself, which ends the call."""
        leaving = (ast.Return, ast.Break, ast.Continue)
        for each in (*statement.handlers, *statement.finalbody):
            if any(isinstance(node, leaving) for node in ast.walk(each)):
                raise Refused("an error that is caught")
        if not all(isinstance(each.body[-1], ast.Raise) for each in statement.handlers):
            raise Refused("an error that is caught")
        try:
            self.run([*statement.body, *statement.orelse])
        except (_Return, _Continue, _Break):
            self.run(statement.finalbody)
            raise
        self.run(statement.finalbody)

    # Decisions ------------------------------------------------------------------------------------

    def _run_If(self, statement):
        test = self.value(statement.test)
        if test is not OUTLINE:
            self.run(statement.body if self.is_true(test) else statement.orelse)
        elif not _only_raises(statement):  # the same shapes decide that in the same way
            self._go_both_ways([statement.body, statement.orelse])

    def _go_both_ways(self, branches) -> None:
        before, ends = self.variables, []
        for branch in branches:
            self.variables = dict(before)
            if self._goes_on(branch):
                ends.append(self.variables)
        if not ends and not self.loops:
            raise _Return(self.returned.pop())  # whichever it is
        if not ends:
            raise _Continue  # wherever it goes on, that is known
        self.variables = joined(ends, self.is_tensor)

    def _goes_on(self, branch) -> bool:
        """Whether what follows a branch is reached from it."""
        self._open()
        try:
            self.run(branch)
            return True
        except (_Continue, _Break) as end:
            loop = self.loops[-1]
            (loop.turn if isinstance(end, _Continue) else loop.whole).append(self.variables)
            self._open()  # what follows in the loop may be run or not
            return False
        except _Return as end:
            self.returned.append(end.value)
            self._open()  # the same of the rest of the function
            return False
        finally:
            self._close()

    def _open(self):
        self.open += 1
        self.prover.open += 1

    def _close(self):
        self.open -= 1
        self.prover.open -= 1

    # Loops ----------------------------------------------------------------------------------------

    def _run_For(self, statement):
        loop, before = _Loop(), self.open
        self.loops.append(loop)
        for part in self.turns_of(statement.iter):
            self._assign(statement.target, part)
            if not self._turn(statement.body, loop) and self.open == before:
                break  # for sure; otherwise there may be more turns
        self._leave(loop, before, statement.orelse)

    def _run_While(self, statement):
        loop, before = _Loop(), self.open
        self.loops.append(loop)
        while self._goes_round(statement.test):
            if not self._turn(statement.body, loop) and self.open == before:
                break
        self._leave(loop, before, statement.orelse)

    def _goes_round(self, test) -> bool:
        value = self.value(test)
        if value is OUTLINE:
            raise Refused("a loop of unknown length")
        return self.is_true(value)

    def _leave(self, loop, before, otherwise) -> None:
        """Go on behind a loop; what stands in its `else` is run where nothing has ended it."""
        self.loops.pop()
        if otherwise and self.open > before:
            raise Refused("a loop that may end, with an else")
        self.variables = joined([self.variables, *loop.whole], self.is_tensor)
        while self.open > before:
            self._close()
        if otherwise and not loop.whole:
            self.run(otherwise)

    def _turn(self, body, loop) -> bool:
        """Go through a loop's body once; whether that was not its last turn."""
        loop.turn, goes_on = [], True
        try:
            self.run(body)
        except _Continue:
            pass
        except _Break:
            goes_on = False
            loop.whole.append(self.variables)
        self.variables = joined([self.variables, *loop.turn], self.is_tensor)
        return goes_on

    def _run_Continue(self, statement):
        raise _Continue

    def _run_Break(self, statement):
        raise _Break

    # Assignments ----------------------------------------------------------------------------------

    def _run_AugAssign(self, statement):
        target, kind = statement.target, statement.op
        if not isinstance(target, ast.Name):
            self._change_in_place(target, kind, statement.value)
            return
        old = self.value(ast.Name(target.id, ast.Load()))
        if isinstance(old, Items) and old.kind in (list, dict):
            self.grow(old, kind, self.gone_through(statement.value))
            return
        if isinstance(old, PlainSet):
            raise Refused("a set that grows")  # under all of its names
        new = self.operate(kind, [old, self.value(statement.value)])
        in_place = type(kind) in _IN_PLACE and self.is_tensor(old)
        self._assign(target, old if in_place else new)

    def _change_in_place(self, target, kind, operand) -> None:
        """`owner.name += …`, `owner[key] += …`: a tensor is changed, and put back where it was."""
        reading = type(target)(target.value, *_rest_of(target), ast.Load())
        old = self.value(reading)
        owner = self.value(target.value)
        if isinstance(target, ast.Subscript) and self._is_written(owner):
            self.watch_method("__setitem__")
        elif type(kind) not in _IN_PLACE or not self._takes_back(owner, target, old):
            raise Refused(f"a change of {ast.unparse(target)}")
        self.operate(kind, [old, self.value(operand)])

    def _takes_back(self, owner, target, old) -> bool:
        """Whether nothing happens but that a tensor is put where it is already."""
        if isinstance(target, ast.Attribute) and self.is_tensor(owner):
            return target.attr in _TAKES_BACK
        if not self.is_tensor(old):
            return False
        if isinstance(target, ast.Attribute):
            return isinstance(owner, Known) and self.takes_back(owner.value, target.attr)
        if isinstance(owner, Items):
            return owner.kind in (list, dict)
        return isinstance(owner, Known) and type(owner.value) in (list, dict)

    def _assign(self, target, value):
        if isinstance(target, ast.Name):
            self.assign_name(target.id, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target.elts, value)
        elif isinstance(target, ast.Subscript):
            self._assign_element(target, self.value(target.value), value)
        elif isinstance(target, ast.Attribute):
            self._assign_attribute(target, self.value(target.value), value)
        else:
            raise Refused(f"an assignment to {ast.unparse(target)}")

    def assign_name(self, name, value):
        """Give a variable a value."""
        if name not in self.locals:
            raise Refused(f"an assignment to {name}, which other functions see")
        self.variables[name] = value

    def _assign_attribute(self, target, owner, value):
        if isinstance(owner, Context):
            self.set_attribute_of_context(owner, target.attr, value)
        elif target.attr == "grad":
            self._set_gradient(owner, value)
        elif owner is NEST or self.is_tensor(owner):
            raise Refused(f"an assignment to {ast.unparse(target)}")
        else:
            self.keep(owner, target.attr, value)

    def _assign_element(self, target, owner, value):
        if isinstance(owner, Items):
            self.change(owner, "__setitem__")
            owner.put(self.plain(self.value(target.slice)), value)
            return
        thing = owner.value if isinstance(owner, Known) else None
        if is_table(thing):
            self.keep_in(thing, self.value(target.slice), value)
            return
        if not self._is_written(owner):
            raise Refused(f"an assignment to {ast.unparse(target)}")
        self.watch_method("__setitem__")
        self.index(target.slice)
        self.argument(value)

    def _set_gradient(self, owner, value):
        """`tensor.grad = …`: None, or what the call has made, as it is afterwards."""
        known = isinstance(owner, Known) and self.is_tensor(owner)
        if isinstance(value, Known):
            is_new = value.value is None
        else:
            is_new = value is NEST or self.is_tensor(value)
        if not known or not is_new:
            raise Refused("an assignment to a gradient")
        self.watch_method("grad")

    def _unpack(self, targets, value):
        for target, part in self.pairs(targets, value):
            self._assign(target, part)

    def pairs(self, targets, value):
        """The targets that a value is unpacked to, each with its part of it."""
        unknown = value is NEST or value is OUTLINE or is_some_tensor(value)
        part = TENSOR if isinstance(value, Argument) else value  # of another shape
        if unknown:
            self.watch_method("__iter__")
        parts = [part] * len(targets) if unknown else self.elements(value)
        starred = [i for i, each in enumerate(targets) if isinstance(each, ast.Starred)]
        if starred and unknown:  # some of the parts, in a list
            parts[starred[0]] = NEST if value is not OUTLINE else OUTLINE
            targets = [t.value if isinstance(t, ast.Starred) else t for t in targets]
        elif starred and len(parts) >= len(targets) - 1:
            first, last = starred[0], starred[0] + 1 - len(targets) + len(parts)
            taken = Items(list, list(parts[first:last]), is_made=True)
            parts = [*parts[:first], taken, *parts[last:]]
            targets = [
                getattr(each, "value", each) if i == first else each
                for i, each in enumerate(targets)
            ]
        elif starred or len(parts) != len(targets):
            raise Refused("values that are unpacked")
        return zip(targets, parts, strict=True)

    def _is_written(self, owner) -> bool:
        """Whether what an element is written to is a tensor, or else an error."""
        return owner is NEST or self.is_tensor(owner)


def _rest_of(target):
    return [target.slice] if isinstance(target, ast.Subscript) else [target.attr]


def _only_raises(statement) -> bool:
    return not statement.orelse and all(isinstance(s, ast.Raise) for s in statement.body)
