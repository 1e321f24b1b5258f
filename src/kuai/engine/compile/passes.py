"""Backward passes that are known: the steps that one has recorded are written down at once.

What a backward pass records is decided by the place in the tree at which it begins, by the graph
below its root, and by what the graph has saved. All of that can be compared in one go: then the
steps that followed the last time follow again, and only the gradients of leaves are made. Walking a
known graph costs about a third of visiting its nodes.

Invariants
* A pass is known only if it went through operations and leaves that nobody watches: no hooks, no
  `Function` of a user, no block that is followed. No code but the engine's own runs in it.
* Nodes are compared in the order in which they were visited (`recording.known_nodes`), their
  layouts by identity, edges by where they lead, and what they saved by its number in the record:
  equal numbers at one place in the tree are the same value.
* A pass holds nodes of the tree, layouts and numbers, and nothing of a user's.
"""

from typing import Any

from kuai.engine.autograd.residuals import OpenLayout
from kuai.engine.autograd.tape import AccumulateGrad
from kuai.engine.compile.recording import is_plain, known_nodes, number_in, placeholders
from kuai.engine.tensor.placeholder import Placeholder, array_type

__all__ = ["Pass", "Visits"]

_MOST = 4  # passes kept at one place


class Visits:
    """What a backward pass visits, noted to know it the next time.

    Args:
        record: what the pass is written down in.
        root: the node it begins at.
        gradient: the array, or placeholder, that arrives there.
    """

    def __init__(self, record, root, output, gradient):
        self.record, self.begin = record, record.node
        self.length, self.known = record.length, len(record.inputs)
        self.root, self.output, self.gradient = root, output, gradient
        self.nodes, self.leaves, self.sums = [], [], 0

    @classmethod
    def of(cls, record, edge: tuple[Any, int], gradient) -> "Visits | None":
        """Visits to note, or None where enough passes are known already."""
        if len(record.node.passes) >= _MOST:
            return None
        return cls(record, *edge, gradient)

    def note(self, node, gathered) -> bool:
        """Note one visit; False if it is one that cannot be known beforehand."""
        if not is_plain(node):
            return False
        if node.is_untouched and node.residuals is not None:
            if type(node.residuals.layout) is OpenLayout:
                return False  # its gradients are computed from the inputs, not from what it saved
            self.nodes.append((node, node.residuals))
            return True
        if type(node) is AccumulateGrad and node.variable._grad is None:
            self.leaves.append((node, gathered[0]._storage.held))
            return True
        return False

    def learn(self) -> None:
        """Have the pass known from now on, if all its steps are what the visits say."""
        record = self.record
        steps = record.steps[self.length :]
        if len(steps) != len(self.nodes) + self.sums or any(step.numbers for step in steps):
            return
        outside = self._numbers_of_saved()
        if outside is None:
            return
        gradient = number_in(record, self.gradient)
        fresh = _type_of_new(self.gradient) if gradient == -1 - self.known else None
        if gradient is None or len(record.inputs) > self.known + (fresh is not None):
            return
        order = {node: place for place, (node, _) in enumerate((*self.nodes, *self.leaves))}
        expected = [
            (residuals.layout, [(order[node], output) for node, output in node.edges], numbers)
            for (node, residuals), numbers in zip(self.nodes, outside, strict=True)
        ]
        leaves = [number_in(record, held) for _, held in self.leaves]
        known = Pass(self.output, gradient, fresh, expected, leaves, steps, record)
        self.begin.passes = (known, *self.begin.passes)

    def _numbers_of_saved(self):
        """The numbers of what each node has saved; None if something is not in the record."""
        found = []
        for _, residuals in self.nodes:
            numbers = [number_in(self.record, leaf) for leaf in residuals.leaves]
            if any([number is None or number < -self.known for number in numbers]):
                return None
            found.append(numbers)
        return found


class Pass:
    """A backward pass that is known.

    Attributes:
        expected: of each operation's node its layout, where its edges lead (the place of the node
            among those expected, the number of the output) and the numbers of what it saved.
        leaves: of each leaf the number of its gradient.
    """

    def __init__(self, output, gradient, fresh, expected, leaves, steps, record):
        self.output, self.gradient, self.fresh = output, gradient, fresh
        self.expected, self.steps = expected, steps
        self.total = len(expected) + len(leaves)
        first = steps[0].first
        self.count = record.count - first
        types = [kind for step in steps for kind in step.types]
        self.leaves = [(number, types[number - first]) for number in leaves]

    def nodes(self, record, edge, gradient):
        """The nodes of a graph, in order, if this is the pass through it; else None."""
        if edge[1] != self.output or not self._begins_with(record, gradient):
            return None
        return known_nodes(record, edge[0], self.expected, self.total)

    def _begins_with(self, record, gradient) -> bool:
        number = number_in(record, gradient)
        if number is None:
            return self.fresh is not None and _type_of_new(gradient) is self.fresh
        return number == self.gradient and self.fresh is None

    def write(self, record, gradient):
        """Write the steps down: the placeholders of the leaves' gradients."""
        before = record.node, record.count, record.length, len(record.references)
        known = len(record.inputs)
        try:
            if self.fresh is not None:
                record.inputs.append(gradient)
                record.numbers[id(gradient)] = -len(record.inputs)
            record.node = self.steps[-1]
            record.steps += self.steps
            record.length += len(self.steps)
            record.count += self.count
            return placeholders(record, self.leaves)
        except BaseException:  # what comes from outside comes anywhere
            record.back_to(*before, known)
            raise


def _type_of_new(gradient):
    """The type of a gradient that the record has not seen; None for one from another record."""
    return None if type(gradient) is Placeholder else array_type(gradient)
