"""Where the results of a recorded call's program go: see `replay`."""

import numpy as np

from kuai.engine.autograd.function import FunctionNode
from kuai.engine.autograd.tape import AccumulateGrad
from kuai.engine.compile.abstract_values import (
    OUTLINE,
    TENSOR,
    Items,
    Known,
    Read,
    is_named_tuple,
    is_plain,
)
from kuai.engine.compile.knowledge import Refused
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.attributes import own
from kuai.engine.tensor.placeholder import Placeholder

__all__ = ["After"]

_NESTS = (tuple, list, dict)


class New:
    """A tensor that the call has made, with what is left of its graph.

    Attributes:
        is_shared: whether the call gives it, or its storage, under another name as well.
        last: what was built last, for those who share it; until the call has returned.
    """

    def __init__(self, number, tensor):
        self.number, self.is_shared, self.last = number, False, None
        self._note(tensor)

    def _note(self, tensor):
        self.output = tensor._output
        self.node = None if tensor._node is None else tensor._node.another()
        if self.node is not None:
            self.node.show_edges()  # those of the call that was recorded are seen by its caller
        self.version, self.storage = tensor._storage.version, type(tensor._storage)

    def build(self, made, arguments):
        """The tensor, given the program's results as placeholders, and the call's tensors."""
        storage = self.storage(made[self.number])  # in inference mode, one of another class
        storage.version = self.version
        tensor = self._on(storage)
        if self.is_shared:
            self.last = tensor
        return tensor

    def _on(self, storage):
        tensor = object.__new__(Tensor)
        tensor._storage = storage
        if self.node is not None:
            # a node of its own: what is registered there is not the next call's
            tensor._node, tensor._output = self.node.another(), self.output
        return tensor


class Detached(New):
    """A tensor on the storage of another one that the call makes before it."""

    def __init__(self, first, tensor):
        self.first, self.number, self.is_shared, self.last = first, first.number, False, None
        self._note(tensor)

    def build(self, made, arguments):
        """The tensor, when the other one has been built."""
        tensor = self._on(self.first.last._storage)
        if self.is_shared:
            self.last = tensor
        return tensor


class Again:
    """A tensor that the call gives under another name as well."""

    def __init__(self, first):
        self.first = first

    def build(self, made, arguments):
        """The tensor, when it has been built."""
        return self.first.last


class Number:
    """A Python number that is read from a result."""

    def __init__(self, number, convert):
        self.number, self.convert = number, convert

    def build(self, made, arguments):
        """The number, given the program's results as placeholders."""
        value = made[self.number].array.item()
        return value if self.convert is None else self.convert(value)


class Same:
    """An object that was there before: a parameter, a number."""

    def __init__(self, thing):
        self.thing = thing

    def build(self, made, arguments):
        """The thing."""
        return self.thing


class Given:
    """One of the tensors among the arguments."""

    def __init__(self, number):
        self.number = number

    def build(self, made, arguments):
        """The tensor."""
        return arguments[self.number]


class Share:
    """A tensor on the storage of another."""

    def __init__(self, storage):
        self.storage = storage

    def build(self, made, arguments):
        """The tensor, given the program's results as placeholders."""
        tensor = object.__new__(Tensor)
        tensor._storage = self.storage
        return tensor


class Nest:
    """A tuple, list or dict of results."""

    def __init__(self, kind, parts):
        self.kind, self.parts = kind, parts

    def build(self, made, arguments):
        """The nest, given the program's results as placeholders."""
        if self.kind is dict:
            return {key: part.build(made, arguments) for key, part in self.parts.items()}
        row = [part.build(made, arguments) for part in self.parts]
        return row if self.kind is list else tuple.__new__(self.kind, row)


class After:
    """What a call has changed, and where each of its program's results went.

    Attributes:
        written: (storage, number of the result, how often it was written).
        counted: (storage of a generator's offset, how far it went, how often it was written).
        grads: (tensor, number of the result, how often it was written) for gradients that are new.
        dropped: tensors that have lost the gradient they had.
        changed: the same for gradients that have got other values.
        result: what the call returned.
        made: the parts of that which are made of results.
        shared: those of them that something else has to do with as well.
    """

    def __init__(self, before, run, alive, result, expected):
        self.before, self._asked = before, run.asked
        self._numbers = {id(placeholder): n for n, placeholder in alive.items()}
        self._placed: list[int] = []
        self.written, self.counted, self.grads, self.dropped, self.changed = [], [], [], [], []
        self._find_storages()
        self._find_grads()
        self.made, self.shared = [], []
        self._tensors, self._storages = {}, {}  # id -> the part that makes it
        self._nests = {}  # id -> a part that is made anew; kept, so that ids stay unique
        self._slots = {}  # id of what stands there -> slot
        for slot, *_ in before.slots:
            slot.part = self._found(slot.now, TENSOR)
            self._slots[id(slot.now)] = slot
        for row in before.rows:
            self._find_row(row)
        self.result = self._found(result, expected)
        placed = {*self._placed, *[read.number for read in self.made if type(read) is Number]}
        if len(self._placed) > len(set(self._placed)) or placed != {*self._numbers.values()}:
            raise Refused("a result that is kept somewhere, or in two places")

    def _place(self, held) -> int:
        number = self._numbers.get(id(held))
        if number is None:
            raise Refused("a value that the call puts in another place")
        self._placed.append(number)
        return number

    def _find_storages(self):
        for storage, version, reference in self.before.storages:
            if id(storage) in self.before.offsets and type(storage.held) is np.int64:
                times = storage.held - self.before.offsets[id(storage)][1]
                if self.before.draws[id(storage)] != set(range(times)):
                    raise Refused("random numbers that another thread has drawn as well")
                self.counted.append((storage, times, storage.version - version))
            elif storage.version != version or reference() is not storage.held:
                number = self._place(storage.held)
                self.written.append((storage, number, storage.version - version))

    def _find_row(self, row):
        """The tuple that stands in a slot now; of that a replay makes another one."""
        if not row.is_there() or not all(type(each.now) is Tensor for each in row.each):
            raise Refused("a tuple that is replaced by something else")
        self._refuse_known(row.now)
        self._slots[id(row.now)] = row

    def _find_grads(self):
        for tensor, (reference, version) in zip(
            self.before.tensors, self.before.grads, strict=True
        ):
            grad, old = tensor._grad, reference()
            if grad is None:
                self.dropped.append(tensor)  # perhaps it had none before, either
            elif grad is not old:
                if type(grad) is not Tensor or own(grad).keys() != {"_storage"}:
                    raise Refused("a gradient with a history")
                number = self._place(grad._storage.held)
                self.grads.append((tensor, number, grad._storage.version))
            elif id(grad._storage.held) in self._numbers:
                number = self._place(grad._storage.held)
                self.changed.append((tensor, number, grad._storage.version - version))

    def _found(self, result, expected):
        """How to make what was returned."""
        kind = type(result)
        if id(result) in self._slots:
            return self._slots[id(result)]
        if id(result) in self._tensors:
            return Again(self._shared(self._tensors[id(result)]))
        if isinstance(expected, Read):
            asked = self._asked[expected.number]
            if type(asked) is not Placeholder or id(asked) not in self._numbers:
                raise Refused("a number that is read from elsewhere")
            self.made.append(Number(self._numbers[id(asked)], expected.convert))
            return self.made[-1]
        known = None
        if isinstance(expected, Items) and expected.kind is kind:
            known = expected.values
        if is_plain(result) and known is None:
            return self._plain(result, expected)
        if id(result) in self.before.watch.tensors:
            return Same(result)
        if isinstance(expected, Known) and result is expected.value:
            return self._same(result)
        is_nest = kind in _NESTS or known is not None and is_named_tuple(kind)
        if is_nest:
            self._refuse_known(result)
        if known is not None and (not is_nest or len(known) != len(result)):
            raise Refused("a result of another kind or length")
        if is_nest and kind is not dict:
            parts = [None] * len(result) if known is None else known
            return Nest(kind, list(map(self._found, result, parts)))
        if kind is dict:
            parts = {} if known is None else known
            return Nest(kind, {k: self._found(part, parts.get(k)) for k, part in result.items()})
        given = [n for n, each in enumerate(self.before.arguments) if each is result]
        if len(given) > 1:
            raise Refused("an argument that is given twice")
        if given:
            return Given(given[0])
        if kind is not Tensor or result._steps is not None or result._base is not None:
            raise Refused("a result of another kind")
        if result._requires_grad or result._hooked or result._retains_grad:
            raise Refused("a result with a gradient of its own")
        if id(result._storage) in self.before.ids and result._node is None:
            self._refuse_known(result)
            return Share(result._storage)
        if not _is_spent(result._node):
            raise Refused("a result with a graph")
        first = self._storages.get(id(result._storage))
        if first is None:
            made = New(self._place(result._storage.held), result)
            self._storages[id(result._storage)] = made
        else:
            made = Detached(self._shared(first), result)
        self._tensors[id(result)] = made
        self.made.append(made)
        return made

    def _shared(self, part):
        """A part that something else has to do with as well."""
        part.is_shared = True
        self.shared.append(part)
        return part

    def _plain(self, result, expected):
        """A plain value that is the same at each replay."""
        is_known = isinstance(expected, Known) or expected is OUTLINE
        if result is not None and not is_known:
            raise Refused("a plain value that an operation gives")
        return Same(result)

    def _refuse_known(self, nest):
        """Refuse what has another name already: of this, a replay makes a new one each time."""
        if id(nest) in self._nests or self.before.has_nest(nest):
            raise Refused("a result that is known under two names")
        self._nests[id(nest)] = nest

    def _same(self, thing):
        """An object that was found in a place that is watched."""
        if id(thing) in self.before.watch.arguments:
            raise Refused("an argument that is returned")
        return Same(thing)


def _is_spent(root) -> bool:
    """Whether a graph holds no arrays any more, so that any number of results can share it."""
    seen, stack = set(), [root]
    while stack:
        node = stack.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if type(node) is AccumulateGrad:
            continue
        if isinstance(node, FunctionNode):
            if node.hooks or node.pre_hooks or node.output_hooks or not _is_shared(node.ctx):
                return False
            stack += [edge[0] for edge in node.edges if edge is not None]
            continue
        if not node.is_untouched or node.hooks or node.pre_hooks or node.output_hooks:
            return False
        if not node.let_go():
            return False
        stack += [edge[0] for edge in node.edges if edge is not None]
    return True


def _is_shared(context) -> bool:
    """Whether a context says the same at each call: nothing is saved, but plain values."""
    return not context._saved and all(map(is_plain, vars(context).values()))
