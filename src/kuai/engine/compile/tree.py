"""Trees of records: what has been recorded before, and the programs that run it.

A record is a row of steps, each a call with its arguments: results of earlier steps, inputs,
constants. Records that begin alike share the nodes of their beginning. A record under way stands at
a node; its next step leads to a child, known (one comparison) or new. Where a record ends, its node
has the programs for it, by which results are wanted (see `program`).

Numbers are constants of a program at first, because XLA makes more of `x ** 2` than of `x ** n`.
Where one has changed, it is an input from then on (`Node.loose`).

Nothing in a tree belongs to a user: no tensor, no array, no function that operations have not been
made of. Programs are kept in a bounded number for all trees together.
"""

import collections
import contextlib
import weakref
from typing import Any

import jax

from kuai.engine.tensor import portable
from kuai.engine.tensor.acceleration import (
    is_accelerated,
    is_cudnn_enabled,
    is_tensor_float_allowed,
    whole_program,
)

__all__ = ["Constant", "Node", "Number", "forget_least_used", "number_kinds", "switches", "used"]

_MOST_PROGRAMS = 512
_MOST_CHOSEN = 8
_config: Any = jax.config  # whose settings JAX gives no types


class Number:
    """In a key: a Python number of one type that is an input."""

    __slots__ = ("kind",)

    def __init__(self, kind):
        self.kind = kind


number_kinds = {kind: Number(kind) for kind in (int, float, bool, complex)}


class Constant:
    """Among a step's arguments: a number that is part of the program."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class Node:
    """One step of the records that come through here.

    Attributes:
        call: what is called.
        arguments: of each argument the number of a result (0, 1, …), that of an input (-1, -2, …),
            or a `Constant`.
        types: of the results, which have the numbers from `first` on.
        structure: how the results are nested, as `Call.describe` says it.
        once: what interprets it, where a record may be run without a program; else None.
        scope: the name of the block it stands in.
        last: the key and the child that were taken last.
        numbers: the positions of arguments that are numbers and inputs.
        loose: positions in keys at which numbers have changed.
        passes: the backward passes that have begun here (see `passes`).
        programs: those for a record that ends here, by their keys (see `program`).
        chosen: what was wanted lately -> the program that gives it.
    """

    __slots__ = (
        "arguments", "call", "children", "chosen", "first", "key", "last", "loose", "numbers",
        "once", "parent", "passes", "programs", "scope", "structure", "types", "visits",
        "__weakref__",
    )  # fmt: skip
    last: tuple[Any, Any]

    def __init__(self, parent, key, call, arguments, numbers, first, types, structure, once, scope):
        # weak: a tree is held by its root, and goes at once when its function goes
        self.parent = None if parent is None else weakref.ref(parent)
        self.key, self.call = key, call
        self.arguments, self.numbers = arguments, numbers
        self.first, self.types, self.structure, self.scope = first, types, structure, scope
        self.once = once
        self.children, self.last, self.loose = {}, (None, None), ()
        self.programs, self.chosen, self.passes, self.visits = {}, {}, (), 0

    def choose(self, wanted, program) -> None:
        """Note which program gives what is wanted."""
        if len(self.chosen) >= _MOST_CHOSEN:
            self.chosen.clear()
        self.chosen[wanted] = program

    def prune(self) -> None:
        """Take away this node and those before it, as far as nothing is kept in them."""
        self._forget_passes()
        node = self
        while node.parent is not None and not node.children and not node.programs:
            parent = node.parent()
            if parent is None:
                return
            parent.children.pop(node.key, None)
            parent.last = (None, None)
            node = parent

    def _forget_passes(self) -> None:
        """Forget the passes that may lead to nodes which are taken away."""
        node = self
        while node is not None:
            node.passes = ()
            node = None if node.parent is None else node.parent()


def switches() -> tuple:
    """What changes how operations are traced, beside their arguments."""
    of_gpus = is_tensor_float_allowed(), is_cudnn_enabled(), _config.jax_default_matmul_precision
    return is_accelerated(), portable.is_portable(), of_gpus


def new_root() -> Node:
    """The beginning of records."""
    return Node(None, None, None, (), (), 0, (), None, None, None)


class Roots:
    """The beginnings of one function's records, one for each way in which operations are traced."""

    def __init__(self):
        self.nodes = {}

    def now(self) -> Node:
        """The beginning for the present switches."""
        key = switches()
        found = self.nodes.get(key)
        if found is None:
            found = self.nodes.setdefault(key, new_root())
        return found


@contextlib.contextmanager
def as_recorded():
    """The context in which calls are described, traced and run for a record."""
    with whole_program():
        yield


# The programs of all trees ------------------------------------------------------------------------

# id of a program -> weak references to it and to its node, the least used first
_kept: collections.OrderedDict[int, tuple] = collections.OrderedDict()


def used(program, node) -> None:
    """Note that a program is used."""
    key = id(program)
    if key not in _kept:
        gone = weakref.ref(program, lambda _: _kept.pop(key, None))
        _kept[key] = gone, weakref.ref(node)
    _kept.move_to_end(key)


def forget_least_used() -> None:
    """Forget the programs that have not been used for longest, if there are too many."""
    while len(_kept) > _MOST_PROGRAMS:
        _, (reference, node_reference) = _kept.popitem(last=False)
        program, node = reference(), node_reference()
        if program is not None and node is not None:
            node.programs.pop(program.key, None)
            node.chosen.clear()
            node.prune()
