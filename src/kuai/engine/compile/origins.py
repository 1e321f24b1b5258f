"""Where the inputs of a recorded call's program come from: see `replay`."""

import threading
import weakref

import numpy as np

from kuai.engine.compile.knowledge import Refused
from kuai.engine.compile.record import scalar
from kuai.engine.compile.signatures import is_readable
from kuai.engine.tensor import Tensor, devices, randomness, views
from kuai.engine.tensor.attributes import own
from kuai.engine.tensor.placeholder import Placeholder, array_type

__all__ = ["Before", "FromArgument", "FromGrad", "FromNumber", "FromOffset", "FromStorage"]
__all__ += ["Unchanging", "are_apart", "outline_of"]


class FromStorage:
    """What a storage holds."""

    def __init__(self, storage):
        self.place = storage

    def fetch(self, arguments):
        """The input for a call with these arguments, which are tensors."""
        return self.place.held


class FromGrad:
    """The gradient that a tensor has."""

    def __init__(self, tensor):
        self.place = tensor

    def fetch(self, arguments):
        """The input for a call with these arguments."""
        return self.place._grad._storage.held


class FromArgument:
    """An argument."""

    def __init__(self, number):
        self.number = number

    def fetch(self, arguments):
        """The input for a call with these arguments."""
        return views.held(arguments[self.number])


class FromNumber:
    """A number in a dictionary, such as an optimizer's learning rate."""

    def __init__(self, mapping, key):
        self.mapping, self.key = mapping, key

    def fetch(self, arguments):
        """The input for a call with these arguments."""
        return scalar(self.mapping[self.key])


class FromOffset:
    """The offset of a generator at one of its draws."""

    def __init__(self, storage, ahead):
        self.storage, self.ahead = storage, ahead

    def fetch(self, arguments):
        """The input for a call with these arguments."""
        return self.storage.held + self.ahead


class Unchanging:
    """An array that is always the same."""

    def __init__(self, array):
        self.array = array

    def fetch(self, arguments):
        """The input for a call with these arguments."""
        return self.array


class Before:
    """What stood where before a call; nothing is kept alive by that.

    Attributes:
        tensors: those that are watched; `grads` has a reference to the gradient of each, and how
            often that was written.
        looked_at: (tensor, what is known of its gradient) where Python looks at that.
        storages: (storage, its version, a reference to what it held).
        slots: (slot, the tensor that stands there, how often it was written).
        rows: the slots of whole tuples of them.
    """

    def __init__(self, watch, arguments, nests=(), slots=()):
        self.watch, self.arguments = watch, arguments
        self._nests = {id(nest) for nest in nests}
        self.tensors = list(watch.tensors.values())
        for tensor in self.tensors:
            if tensor._steps is not None:
                tensor._cache = None  # the call reads it out of its base, and so does each replay
        self.grads = [_gradient(tensor._grad) for tensor in self.tensors]
        self.had_grads = [tensor._grad is not None for tensor in self.tensors]
        self.looked_at = [(t, outline_of(t._grad)) for t in watch.gradients.values()]
        self._origins: dict[int, list] = {}
        self.numbers = {place: m.get(key) for place, (m, key) in watch.numbers.items()}
        storages = {id(s): s for s in self._all_storages()}
        self.storages = [(s, s.version, _reference(s.held)) for s in storages.values()]
        self.ids = set(storages)
        self._arguments_held = [_reference(views.held(tensor)) for tensor in arguments]
        for storage in storages.values():
            self._note(storage.held, FromStorage(storage))
        self.offsets = {}  # id of a generator's storage -> (generator, offset), if that is a number
        for generator in randomness.generators():
            offset = generator._offset.held
            if type(offset) is np.int64:
                self.offsets[id(generator._offset)] = generator, offset
                generator.drawn = []
        for tensor in self.tensors:
            grad = tensor._grad
            if grad is not None and grad._steps is None:
                self._note(grad._storage.held, FromGrad(tensor))
        for number, tensor in enumerate(arguments):
            self._note(views.held(tensor), FromArgument(number))
        self.rows = [slot for slot in slots if slot.is_row]
        single = [each for slot in slots for each in slot.each]
        self.slots = [(slot, slot.now, slot.now._storage.version) for slot in single]
        self.read_slots = [slot for slot in single if slot.is_read]
        for slot in self.read_slots:
            slot.kind = outline_of(slot.now)
            if not slot.fits():
                raise Refused(f"{slot.name}, which somebody has set")
            self._note(slot.now._storage.held, slot)
        if not are_apart(self.read_slots, self.ids, self.tensors, arguments):
            raise Refused("a tensor that stands in two places")

    def end(self) -> None:
        """Note what was drawn; to be called when the call is over, whatever came of it."""
        self.drawn = {}  # id -> (offset, its origin); the offset is kept, so that ids stay unique
        self.draws = {}  # id of a generator's storage -> how far ahead this thread has drawn
        mine = threading.get_ident()
        for number, (generator, first) in self.offsets.items():
            offsets = [offset for thread, offset in generator.drawn or () if thread == mine]
            for offset in offsets:
                origin = FromOffset(generator._offset, offset - first)
                self.drawn[id(offset)] = offset, origin
            self.draws[number] = {offset - first for offset in offsets}
            generator.drawn = None

    def arguments_are_as_they_were(self) -> bool:
        """Whether no argument was written to, or got a history or a gradient."""
        pairs = zip(self.arguments, self._arguments_held, strict=True)
        return all(is_readable(t) and views.held(t) is reference() for t, reference in pairs)

    def slots_are_as_they_were(self) -> bool:
        """Whether no tensor that stood in a slot was written to: somebody else may have it."""
        return all(
            tensor._storage.version == version
            and slot.now is not tensor
            and (not slot.is_read or outline_of(tensor) == slot.kind)
            for slot, tensor, version in self.slots
        )

    def has_nest(self, thing) -> bool:
        """Whether a list, dict or tuple was there before: given, or found where it is watched."""
        return id(thing) in self._nests or self.watch.has_object(thing)

    def _all_storages(self):
        for tensor in self.tensors:
            yield tensor._storage
        for generator in randomness.generators():
            yield generator._key
            yield generator._offset

    def _note(self, held, origin):
        self._origins.setdefault(id(held), []).append((_reference(held), origin))

    def origin_of(self, run, number):
        """Where an input of a run comes from.

        Raises:
            Refused: that is not known.
        """
        array = run.inputs[number]
        if id(array) in self.drawn:
            return self.drawn[id(array)][1]
        if number in run.numbers:
            given, is_option = run.numbers[number]
            return self._origin_of_number(given, is_option, array)
        found = [o for reference, o in self._origins.get(id(array), ()) if reference() is array]
        is_literal = devices.is_literal(array)
        if len(found) + is_literal > 1:
            raise Refused("an array that stands in two places")
        if is_literal:
            return Unchanging(array)  # what it is made of is watched, and nobody else has it
        if found:
            return found[0]
        if type(array) is not Placeholder and devices.is_constant(array):
            return Unchanging(array)
        raise Refused("an array that is made anew at each call")

    def checked(self, checks) -> list:
        """What has to be looked at again at each call: (origin of an array, function).

        Raises:
            Refused: it is not known where such an array comes from.
        """
        found = []
        for array, check in checks:
            origins = [
                o for reference, o in self._origins.get(id(array), ()) if reference() is array
            ]
            if origins:
                found += [(origin, check) for origin in origins]
            elif not (devices.is_constant(array) or devices.is_literal(array)):
                raise Refused("values that are looked at, and made anew at each call")
        return found

    def _origin_of_number(self, number, is_option, array):
        """An optimizer's option that nothing else shares its number with is read at each call."""
        numbers = self.watch.numbers
        places = [numbers[place] for place, value in self.numbers.items() if value is number]
        if is_option and len(places) == 1 and not self.watch.has_value(number):
            return FromNumber(*places[0])
        return Unchanging(array)  # it follows from what is watched

    def pin_numbers(self, origins) -> None:
        """Watch the numbers that no input comes from alone: other things may follow from them.

        Raises:
            Refused: the call itself has changed one of them.
        """
        free = {(id(o.mapping), o.key) for o in origins if isinstance(o, FromNumber)}
        for place, (mapping, key) in list(self.watch.numbers.items()):
            if place not in free:
                if mapping.get(key) is not self.numbers[place]:
                    raise Refused(f"{key!r}, which the call changes")
                del self.watch.numbers[place]
                self.watch.entries(mapping, [key])


def are_apart(slots, ids, tensors, arguments) -> bool:
    """Whether what stands in slots shares storage with nothing else that a call reads or writes.

    Args:
        ids: of the storages of tensors that are watched, and of generators.
        tensors: those that are watched, which may have gradients.
    """
    there = {id(slot.now._storage) for slot in slots}
    others = {id(tensor._storage) for tensor in arguments}
    others |= {id(t._grad._storage) for t in tensors if t._grad is not None}
    return len(there) == len(slots) and there.isdisjoint(ids) and there.isdisjoint(others)


def outline_of(grad):
    """What a gradient says of itself, but for its values: one that is bare is like another."""
    if grad is None:
        return None
    if type(grad) is not Tensor or own(grad).keys() != {"_storage"}:
        return object()  # like no other
    held = grad._storage.held
    kind = held.type if type(held) is Placeholder else array_type(held)
    return kind, type(grad._storage)


def _gradient(grad):
    return _reference(grad), 0 if grad is None else grad._storage.version


def _reference(thing):
    """A weak reference to it, if there can be one."""
    try:
        return weakref.ref(thing)
    except TypeError:
        return lambda: thing
