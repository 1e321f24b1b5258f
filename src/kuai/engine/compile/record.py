"""Records: the operations that have been written down since the last flush.

`Record.record` is what an operation costs while it is recorded: its arguments are put into a key,
the key is compared with the next step of the record's tree (see `tree`), and placeholders are made
for the results. Nothing is computed and, on a known way, nothing traced.

Invariants
* Numbers from 0 on count results, from -1 downwards inputs, in the order of their first use.
* A placeholder belongs to one record until that is run; afterwards it stands for its array, and is
  an input wherever it is used.
* What is alive when the record is run is what somebody else holds: the record has weak references,
  and the few views that were read for nobody (`keep`) are let go before.
* All arrays of a record lie on the same devices.
"""

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.extend import source_info_util

from kuai.engine.compile import tree
from kuai.engine.compile.free_memory import FreeMemory
from kuai.engine.compile.recording import follow, placeholders
from kuai.engine.compile.tree import Constant, Node, Number, as_recorded, number_kinds
from kuai.engine.tensor import devices
from kuai.engine.tensor.placeholder import ArrayType, Placeholder, array_type
from kuai.engine.tiers.once import Once

__all__ = ["Elsewhere", "Record"]

_LARGEST = 2**63  # integers from here on do not fit into 64 bits
_MOST_SCALARS = 4096
_MOST_DESCRIBED = 256
_LARGE = 2**18  # bytes; memory for less is found quickly


class Elsewhere(Exception):
    """An operation's arrays lie on other devices than the record's."""


class Record:
    """The steps since the last flush."""

    __slots__ = (
        "__weakref__", "count", "device", "given", "inputs", "length", "memory", "node", "numbers",
        "recorder", "references", "shadow", "sharding", "spares", "steps", "views",
    )  # fmt: skip
    node: Node

    def __init__(self, recorder, root: Node):
        self.recorder, self.node = recorder, root
        self.inputs, self.numbers = [], {}  # what goes in; id -> its number
        self.references = []  # weak ones, to the placeholders by their numbers
        self.steps = []  # the nodes on the way, which another thread may take out of the tree
        self.views = []
        self.spares = FreeMemory()
        # of inputs, by their numbers: Python numbers, and whether an optimizer gave them
        self.given, self.memory = {}, []  # memory: those that are only to be written into
        self.count = self.length = 0
        self.shadow = None  # while new nodes are made: a known one that this one resembles
        self.device = self.sharding = None

    # Writing down -----------------------------------------------------------------------------

    def record(self, call, arrays):
        """Write a call down: how its results are nested, and their placeholders.

        None if that cannot be recorded, because an argument is traced by somebody else.

        Raises:
            Elsewhere: its arrays lie on other devices than those of the record.
        """
        known = len(self.inputs)
        before = self.node, self.count, self.length, len(self.references)
        try:
            written = follow(self, call, arrays)
            if written is not None:
                return written
            if len(self.inputs) > known:
                self._forget_inputs(known)
            numbers, key, (node, count, _, _) = self.numbers, [call], before
            for array in arrays:
                kind = type(array)
                if kind is Placeholder:
                    if array.record is self:
                        key.append(array.index)
                        continue
                elif kind in number_kinds:
                    key.append(self._number(call, kind, array))
                    continue
                number = numbers.get(id(array))
                if number is None:
                    number = self._new_input(array, kind)
                    if number is None:
                        self._forget_inputs(known)
                        return None
                key.append(number)
            key = tuple(key)
            last = node.last
            child = last[1] if last[0] == key else self._next(key, call, arrays, known)
            if child.numbers and not self._take_numbers(child, arrays, call.varying):
                self._forget_inputs(known)
                return None
            self.node = child
            self.steps.append(child)
            self.length += 1
            made = placeholders(self, list(enumerate(child.types, count)))
            self.count = count + len(made)
            return child.structure, made
        except BaseException:  # what comes from outside comes anywhere
            self.back_to(*before, known)
            raise

    def back_to(self, node, count, length, results, known) -> None:
        """Have it as it was before something that has not been written down as a whole.

        Args:
            results: how many there were that somebody could hold.
            known: how many inputs there were.
        """
        self.node, self.count, self.length = node, count, length
        del self.steps[length:], self.references[results:]
        self._forget_inputs(known)

    def _number(self, call, kind, number):
        """The part of a key that a Python number is."""
        if call.varying:
            return number_kinds[kind]
        if number == 0 and kind in (float, complex):
            return (kind, repr(number))  # -0.0 equals 0.0, but is another number
        return (kind, number)

    def _take_numbers(self, child, arrays, varying) -> bool:
        """Add the numbers among a step's arguments to the inputs; whether JAX can take them."""
        for position in child.numbers:
            number = arrays[position]
            if type(number) is int and not -_LARGEST <= number < _LARGEST:
                return False  # run at once, JAX says what is wrong with it
            self.given[len(self.inputs)] = number, varying
            self.inputs.append(scalar(number))
        return True

    def _new_input(self, array, kind):
        """The part of a key that a new input is; None for what cannot be one."""
        if kind is Placeholder:
            if array.record is not None:
                array.resolve("a value of another thread")
            found = array.type
            if found.sharding is None:
                found = array.type = array_type(array.array)
        elif isinstance(array, jax.core.Tracer) or not isinstance(
            array, (jax.Array, np.ndarray, np.generic)
        ):
            return None
        else:
            found = array_type(array)
        device = found.device
        if device is not self.device and device is not None and device != self.device:
            self._lie_on(found)
        self.inputs.append(array)
        self.numbers[id(array)] = -len(self.inputs)
        return found

    def _lie_on(self, found):
        """Note, with the first input that lies somewhere, where all of them have to lie."""
        if self.device is not None:
            raise Elsewhere
        self.device = found.device
        alone = isinstance(found.sharding, jax.sharding.SingleDeviceSharding)
        self.sharding = found.sharding if alone else None

    def makes_on(self, device) -> bool:
        """Whether results that are made of nothing would lie on a device."""
        if self.device is None and not self.inputs and devices.is_default(device):
            self.device, self.sharding = device, jax.sharding.SingleDeviceSharding(device)
        return self.device is device

    def _forget_inputs(self, known):
        for array in self.inputs[known:]:
            self.numbers.pop(id(array), None)
        del self.inputs[known:]
        for number in [number for number in self.given if number >= known]:
            del self.given[number]
        if not self.length:
            self.device = self.sharding = None

    # Walking the tree -------------------------------------------------------------------------

    def _next(self, key, call, arrays, known):
        """The next step's node, if it is not the one that followed last time."""
        node = self.node
        child = node.children.get(key)
        if child is None:
            child = self._loosened(node, key, call, arrays, known)
        else:
            node.last = (key, child)
        return child

    def _loosened(self, node, key, call, arrays, known):
        """The child for a key that is not known, perhaps one in which numbers are inputs."""
        for positions in node.loose:
            loosened = _with_inputs(key, positions)
            child = node.children.get(loosened)
            if child is not None:
                node.last = (loosened, child)
                return child
        alike = self.shadow or node
        self.shadow = alike.children.get(key)
        if self.shadow is None:
            positions, self.shadow = _alike(alike, key, alike is not node)
            if positions:
                key = _with_inputs(key, positions)
                node.loose = (*node.loose, positions)
        child = self._new_node(node, key, call, arrays, known)
        node.children[key] = child
        node.last = (key, child)
        return child

    def _new_node(self, node, key, call, arrays, known):
        sharding = self.sharding if self.device is not None else _default_sharding()
        types, structure, once = _described(call, arrays, sharding, self.recorder.eagerly)
        arguments, numbers = _arguments(key[1:], arrays, known)
        scope = str(source_info_util.current_name_stack())
        first = self.count
        return Node(node, key, call, arguments, numbers, first, types, structure, once, scope)

    # What happens to placeholders -------------------------------------------------------------

    def put(self, placeholder, storage) -> None:
        """Note that a storage gets a placeholder in the place of what it held before.

        The result may then be written into the memory of that, if it is an input.
        """
        before = storage.held
        if self.recorder.undo is not None:
            self.recorder.undo.append((storage, "held", before))
        if type(before) is Placeholder and before.record is self:
            placeholder.takes, placeholder.wants_memory = before.takes, before.wants_memory
            return
        placeholder.takes = self.numbers.get(id(before))
        if placeholder.takes is None:
            self.spare(before)
            self.want_memory(placeholder)

    def spare(self, held) -> None:
        """Note that the memory of an array may be free when the record is run."""
        if type(held) is Placeholder and held.record is None and held.type.size >= _LARGE:
            self.spares.add(held)

    def want_memory(self, held) -> None:
        """Note that a result could be written into memory that is free."""
        if type(held) is Placeholder and held.record is self and held.type.size >= _LARGE:
            held.wants_memory = True

    def find_memory(self, alive) -> None:
        """Give results that want it the memory of arrays nobody holds any more.

        Where there is none they get new memory all the same, so that there is one program for both.
        """
        if self.sharding is None:
            return
        spares, self.spares = self.spares, FreeMemory()
        for placeholder in alive:
            if placeholder.wants_memory and placeholder.takes is None:
                self.memory.append(len(self.inputs))
                self.inputs.append(spares.take(placeholder.type, self.sharding))
                placeholder.takes = -len(self.inputs)

    def keep(self, placeholder) -> None:
        """Keep what a view reads until the record is run."""
        self.views.append(placeholder)

    def flush(self, what: str) -> None:
        """Run the record, because somebody needs `what`."""
        self.recorder.flush(what, self)


def example(array):
    """Something of an argument's shape and dtype, to trace with."""
    if type(array) is Placeholder:
        return array.type.struct
    return array if type(array) in number_kinds else array_type(array).struct


def _described(call, arrays, sharding, once):
    """What a call describes; what was asked for lately is kept.

    Args:
        once: whether it may be run without a program.
    """
    key = tree.switches(), sharding, once, *map(_kind, arrays)
    known = call.described
    found = known.get(key)
    if found is None:
        with as_recorded():
            *found, closed = call.describe([example(array) for array in arrays], sharding)
        found = (*found, Once(closed) if once else None)
        if len(known) >= _MOST_DESCRIBED:
            known.clear()
        if not any([type(array) is int for array in arrays]):  # some are too large to be taken
            known[key] = found
    return found


def _kind(array):
    if type(array) is Placeholder:
        return array.type
    return type(array) if type(array) in number_kinds else array_type(array)


def _arguments(parts, arrays, known):
    """What a step's arguments are, and the positions of those that are numbers and inputs.

    New inputs are counted from `known` on, first the arrays, then the numbers.
    """
    numbers = tuple(i for i, part in enumerate(parts) if type(part) is Number)
    fresh = [i for i, part in enumerate(parts) if type(part) is ArrayType]
    order = {position: -known - 1 - i for i, position in enumerate((*fresh, *numbers))}
    found = []
    for position, (part, array) in enumerate(zip(parts, arrays, strict=True)):
        constant = Constant(array) if type(part) is tuple else part
        found.append(order.get(position, constant))
    return tuple(found), numbers


def _with_inputs(key, positions):
    """The key with inputs in the place of constants; None if there are none."""
    made = list(key)
    for position in positions:
        if position >= len(key) or type(key[position]) is not tuple:
            return None
        made[position] = number_kinds[key[position][0]]
    return tuple(made)


def scalar(number):
    """A Python number as an array, as JAX would make one of it; those used lately are kept."""
    key = (type(number), repr(number) if number == 0 else number)
    found = _scalars.get(key)
    if found is None:
        if len(_scalars) >= _MOST_SCALARS:
            _scalars.clear()
        found = _scalars[key] = jnp.asarray(number)
    return found


_scalars: dict[tuple, jax.Array] = {}


def _alike(node, key, is_shadow):
    """At which positions the key of a child has other numbers, if that is all, and the child.

    On the way that a shadow shows, inputs have other places: there were numbers among them since.
    """
    for other in reversed(node.children):
        if other[0] is key[0]:
            positions = _changed_numbers(other, key, is_shadow)
            if positions is not None:
                return positions, node.children[other]
    return (), None


def _changed_numbers(one, other, is_shadow):
    """At which positions two keys have different numbers, if nothing else differs; else None."""
    if len(one) != len(other):
        return None
    found = []
    for position, (before, now) in enumerate(zip(one, other, strict=True)):
        if before == now and type(before) is type(now):
            continue
        if is_shadow and type(before) is type(now) is int and before < 0 and now < 0:
            continue
        if type(now) is not tuple:
            return None
        was_number = type(before) is tuple and before[0] is now[0]
        if not was_number and before is not number_kinds[now[0]]:
            return None
        found.append(position)
    return tuple(found)


def _default_sharding():
    return jax.sharding.SingleDeviceSharding(devices.jax_device("cpu"))
