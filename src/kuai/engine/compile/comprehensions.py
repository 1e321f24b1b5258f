"""Comprehensions, as the prover goes through them: see `proof`."""

import ast

from kuai.engine.compile.abstract_values import NEST, OUTLINE, Items, Once, Several
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused

__all__ = ["Comprehensions", "shared_with_functions"]

_FUNCTIONS = (ast.AsyncFunctionDef, ast.ClassDef, ast.FunctionDef, ast.Lambda)


class Comprehensions(Frame):
    """The comprehensions of one function. Their variables are their own."""

    def _value_ListComp(self, node):
        return self._row_of(node, lambda row: Items(list, row, is_made=True))

    def _row_of(self, node, make):
        """What is made of a comprehension's elements, or NEST if it is not known how many."""
        row = self._turns(node.generators, node.elt)
        is_unknown = any(isinstance(each, Several) for each in row)
        return self._of_unknown_length(row) if is_unknown else make(row)

    def _of_unknown_length(self, row):
        """A list of tensors, some of which may not be in it."""
        for each in row:
            value = each.value if isinstance(each, Several) else each
            if value is not NEST and not self.is_tensor(value):
                raise Refused("a list of unknown length")
        return NEST

    def _value_DictComp(self, node):
        pair = ast.Tuple([node.key, node.value], ast.Load())
        row = _of_known_length(self._turns(node.generators, pair))
        pairs = [each.values for each in row]
        return Items(dict, {self.plain(key): value for key, value in pairs}, is_made=True)

    def gone_through(self, node):
        """What an expression gives where its elements are taken at once, before all else."""
        if isinstance(node, ast.GeneratorExp):
            return self._row_of(node, Once)
        kind, row = self._mapping(node)
        if kind is map:
            return self.mapped(row[0], row[1:])
        if kind is filter:
            return Once(list(self.filter_turns(*row)))
        return self.value(node)

    def turns_of(self, node):
        """What a loop over an expression goes through, one after the other."""
        kind, row = self._mapping(node)
        if kind is map:
            return self.map_turns(row[0], row[1:])
        if kind is filter:
            return self.filter_turns(*row)
        return self.turns(self.value(node))

    def _mapping(self, node):
        """`map` or `filter` and their arguments, where an expression is a call of one of them."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            kind = getattr(self.value(node.func), "value", None)
            row = self._row(node.args) if kind is map or kind is filter else []
            if kind is map and len(row) > 1 or kind is filter and len(row) == 2:
                return kind, row
        return None, []

    def _turns(self, generators, element) -> list:
        """The values of an expression for all turns of some loops inside of each other."""
        if not generators:
            return [self.value(element)]
        first, *others = generators
        if first.is_async:
            raise Refused("an asynchronous comprehension")
        found, before = [], dict(self.variables)
        outside, self.named = self.named, {}
        source = self.value(first.iter)
        # a result has as many parts at each replay, but it is not known here how many
        is_result = source is NEST or self.is_tensor(source)
        if is_result:
            self.watch_method("__iter__")
        for part in [NEST] if is_result else self.turns(source):
            self.prover.left -= 1
            if self.prover.left < 0:
                raise Refused("a long comprehension")
            self._name(first.target, part)
            self.unsure += is_result
            self.prover.open += is_result
            taken = self._is_taken(first.ifs)
            self.prover.open -= is_result
            if taken is OUTLINE or (taken and is_result):
                self.prover.open += 1
                self.unsure += 1
                found += [Several(value) for value in self._turns(others, element)]
                self.unsure -= 1
                self.prover.open -= 1
            elif taken:
                found += self._turns(others, element)
            self.unsure -= is_result
        self.variables = before | self.named  # which are not the comprehension's own
        self.named = outside | self.named
        return found

    def _is_taken(self, tests):
        """Whether all conditions hold; OUTLINE if that is the same at each replay."""
        found = True
        for test in tests:
            value = self.value(test)
            if value is OUTLINE:
                found = OUTLINE
            elif not self.is_true(value):
                return False
        return found

    def _name(self, target, value) -> None:
        """Give the variables of a comprehension their values."""
        if isinstance(target, ast.Name):
            self.variables[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            for each, part in self.pairs(target.elts, value):
                self._name(each, part)
        else:
            raise Refused(f"a comprehension that assigns to {ast.unparse(target)}")


def _of_known_length(row) -> list:
    if any(isinstance(each, Several) for each in row):
        raise Refused("a row of unknown length")
    return row


def shared_with_functions(tree, names) -> set:
    """Which of a function's variables functions inside of it may use; comprehensions are none."""
    inner = [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS) and node is not tree]
    return set(names) if inner else set()
