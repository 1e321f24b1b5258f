"""Comprehensions, as the prover goes through them: see `proof`."""

import ast

from kuai.engine.compile.abstract_values import Items
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused

__all__ = ["Comprehensions", "shared_with_functions"]

_FUNCTIONS = (ast.AsyncFunctionDef, ast.ClassDef, ast.FunctionDef, ast.Lambda)


class Comprehensions(Frame):
    """The comprehensions of one function. Their variables are their own."""

    def _value_ListComp(self, node):
        return Items(list, self.comprehended(node))

    def _value_DictComp(self, node):
        pair = ast.Tuple([node.key, node.value], ast.Load())
        pairs = [pair.values for pair in self._turns(node.generators, pair)]
        return Items(dict, {self.plain(key): value for key, value in pairs})

    def comprehended(self, node) -> list:
        """The elements that a comprehension makes, one after the other."""
        return self._turns(node.generators, node.elt)

    def _turns(self, generators, element) -> list:
        """The values of an expression for all turns of some loops inside of each other."""
        if not generators:
            return [self.value(element)]
        first, *others = generators
        if first.is_async:
            raise Refused("an asynchronous comprehension")
        found, before = [], dict(self.variables)
        for part in self.elements(self.value(first.iter)):
            self.prover.left -= 1
            if self.prover.left < 0:
                raise Refused("a long comprehension")
            self._name(first.target, part)
            if all([self.is_true(self.value(test)) for test in first.ifs]):
                found += self._turns(others, element)
        self.variables = before
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


def shared_with_functions(tree, names) -> set:
    """Which of a function's variables functions inside of it may use; comprehensions are none."""
    inner = [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS) and node is not tree]
    return set(names) if inner else set()
