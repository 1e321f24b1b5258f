"""What a recorded call does for each of its steps and results.

Where the package was built with a compiler, functions in C take the place of these and do the same
several times faster (`native/module.c` and those beside it).
"""

import weakref

from kuai.engine.autograd.residuals import Layout, Residuals
from kuai.engine.autograd.running import class_of_node, make_node
from kuai.engine.autograd.tape import AccumulateGrad, counter, edge_of
from kuai.engine.compile.holders import is_unshared
from kuai.engine.compile.tree import Number
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.placeholder import Placeholder, one_at_a_time
from kuai.engine.tensor.storage import Storage

__all__ = ["follow", "is_plain", "known_nodes", "number_in", "own_arrays", "placeholders"]
__all__ += ["run_again", "still_held"]


def run_again(recorder, operation, key, values: list | tuple, with_gradients: bool, /):
    """Run an operation on tensors if its step is the one that followed last time.

    As `autograd.running.run`, where only the recorder has to be told. None if it may be another
    step, or if more has to be looked at.
    """


def follow(record, call, arrays: list, /) -> tuple | None:
    """Write a call down if it is the step that followed last time: as `Record.record`.

    None if it may be another one, or if its numbers cannot be taken. Inputs may have been added
    then, as they may where an error is raised.
    """


def known_nodes(record, root, expected: list, total: int, /) -> list | None:
    """The nodes of a graph, if a backward pass through it is as the one that is expected.

    Args:
        root: the node that the pass begins at.
        expected: what `passes.Pass` says of each operation's node; the leaves follow them.
        total: how many nodes there are.
    """
    found: list = [None] * total
    found[0], last = root, root.sequence + 1
    for place, (layout, edges, saved) in enumerate(expected):
        node = found[place]
        if not node.is_untouched or node.sequence >= last or not is_plain(node):
            return None
        last, residuals = node.sequence, node.residuals
        if residuals is None or residuals.layout is not layout or len(edges) != len(node.edges):
            return None
        for (target, output), (into, number) in zip(edges, node.edges, strict=True):
            if found[target] is None:
                found[target] = into
            if number != output or found[target] is not into:
                return None
        if [number_in(record, leaf) for leaf in residuals.leaves] != saved:
            return None
    leaves = found[len(expected) :]
    are_fresh = len({id(leaf) for leaf in leaves}) == len(leaves) and all(
        type(leaf) is AccumulateGrad and leaf.variable._grad is None and is_plain(leaf)
        for leaf in leaves
    )
    return found if are_fresh else None


def number_in(record, held):
    """The number of a value in a record; None if it is not in there."""
    is_own = type(held) is Placeholder and held.record is record
    return held.index if is_own else record.numbers.get(id(held))


def is_plain(node) -> bool:
    """Whether nobody watches a node: a pass through it runs nothing but the engine's code."""
    return not (
        node.hooks
        or node.pre_hooks
        or (node.output_hooks and any(node.output_hooks.values()))
        or node.retained
        or node.block is not None
        or (type(node) is AccumulateGrad and node.post_accumulate)
    )


def placeholders(record, pairs: list, /) -> list[Placeholder]:
    """Placeholders in a record, of pairs of a number and a type."""
    made = [Placeholder(record, number, kind) for number, kind in pairs]
    record.references += map(weakref.ref, made)
    return made


def still_held(references: list, /) -> list:
    """What weak references lead to, where that is still there."""
    return [thing for thing in [reference() for reference in references] if thing is not None]


def own_arrays(inputs: list, positions: tuple, /) -> list:
    """The arrays of inputs that nobody else can use; None in the place of others.

    Args:
        inputs: whose placeholders nobody knows who asks, but by this list.
        positions: of those that are asked for.
    """
    found = []
    for position in positions:
        placeholder = inputs[position]
        # the list and the variable here
        is_own = type(placeholder) is Placeholder and is_unshared(placeholder, 2)
        found.append(placeholder.array if is_own else None)
    return found


try:
    from kuai.engine.compile._recording import (
        follow,
        know,
        known_nodes,
        own_arrays,
        placeholders,
        run_again,
        still_held,
    )

    _classes = Placeholder, Number, Tensor, Storage, AccumulateGrad, Residuals, Layout
    know(*_classes, edge_of, class_of_node, make_node, is_plain, counter, one_at_a_time)
except ImportError:
    pass  # no compiler was there: those above are right, and slower
