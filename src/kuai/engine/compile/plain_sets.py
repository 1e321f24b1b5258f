"""Sets of plain values, as the prover knows them: `{"a", "b"}`, `set(names)`, `name in SKIPPED`.

In what order a set is gone through depends on how it has grown; nobody may go through one here.
A set that somebody else has made may be asked what is in it, and is compared at each call.
"""

import ast

from kuai.engine.compile.abstract_values import Items, Known, Several, Unknown, is_plain
from kuai.engine.compile.frame import Frame
from kuai.engine.compile.knowledge import Refused, done

__all__ = ["PlainSet", "PlainSets"]

_OPERATORS = {
    ast.BitOr: set.union, ast.BitAnd: set.intersection, ast.Sub: set.difference,
    ast.BitXor: set.symmetric_difference,
}  # fmt: skip


class PlainSet(Unknown):
    """A set of plain values that the call makes."""

    def __init__(self, values):
        super().__init__("a set")
        self.values = values


class PlainSets(Frame):
    """What makes sets, and what they say."""

    def _value_Set(self, node):
        return self._set_of(self._row(node.elts))

    def _value_SetComp(self, node):
        return self._set_of(self._turns(node.generators, node.elt))

    def _set_of(self, row):
        if any(isinstance(each, Several) for each in row):
            raise Refused("a set of unknown length")
        return PlainSet(done(set, [[self.plain(each) for each in row]]))

    def in_set(self, value):
        """What is in a set; None of anything else."""
        if isinstance(value, PlainSet):
            return value.values
        thing = value.value if isinstance(value, Known) else None
        if type(thing) is set:
            if not all(map(is_plain, thing)):
                raise Refused("a set of objects")
            self.watch.set(thing)
            return thing
        return thing if type(thing) is frozenset else None

    def operate_on_sets(self, kind, operands):
        """What an operator gives of two sets; None if they are none."""
        rows = [o.values for o in operands if isinstance(o, PlainSet)]
        if type(kind) not in _OPERATORS or len(rows) < 2:
            return None
        return PlainSet(_OPERATORS[type(kind)](*rows))

    def call_set_method(self, owner, name, arguments):
        """`add` or `discard`."""
        if name not in ("add", "discard") or len(arguments) != 1 or self.prover.open:
            raise Refused(f"{name} of a set")
        done(getattr(set, name), [owner.values, self.plain(arguments[0])])
        return Known(None)

    def lent_elements(self, row) -> list:
        """The elements of something of which the order does not matter."""
        if isinstance(row, Known) and type(row.value) is set:
            raise Refused("the elements of a set")  # equal ones may be there next time
        found = self.in_set(row)
        return self.elements(row) if found is None else list(map(Known, found))

    def ordered(self, row, key) -> list:
        """The elements of something that are going to be brought in order."""
        found = self.lent_elements(row)
        if self.in_set(row) is not None:
            kinds = {type(each.value) for each in found}
            if key is not None or not (kinds <= {int} or kinds <= {str}):
                raise Refused("the order of a set")
        return found

    def dict_of_value(self, value) -> Items | None:
        """The entries of a value that is a dict; None of anything else."""
        if isinstance(value, Known) and self.is_dict(value.value):
            value = self._dict(value.value)
        return value if isinstance(value, Items) and value.kind is dict else None
