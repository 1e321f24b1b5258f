"""Replays: a recorded call's program, run again without the Python that has recorded it.

A call that has been proven (see `proof`) does the same again as long as its watch holds. What is
left to know is where the program's inputs come from and where its results go. Before the call it is
noted what stood where (`origins`), afterwards each input is looked up there, and each result that
is alive is looked for in the places that are known: storages, gradients, what was returned
(`results`). One input or result that is found nowhere, or twice, and there is no replay.

Invariants
* Everything is checked before anything is changed. A call that does not fit gives `MISS`.
* Arrays are given away under the same rule as in a recorded call: only those nobody else holds.
* A replay keeps no array alive: only what holds them.
"""

import weakref
from operator import attrgetter

import numpy as np

from kuai.engine import compile as compiling
from kuai.engine.compile.changes import Changes
from kuai.engine.compile.free_memory import FreeMemory
from kuai.engine.compile.interrupts import finished
from kuai.engine.compile.knowledge import Refused
from kuai.engine.compile.origins import FromGrad, FromStorage, are_apart, outline_of
from kuai.engine.compile.slots import Slot
from kuai.engine.tensor import Tensor, wrap
from kuai.engine.tensor.attributes import own
from kuai.engine.tensor.placeholder import Placeholder, array_type, one_at_a_time

__all__ = ["MISS", "Check", "Replay", "Run"]

MISS = object()  # what a replay gives that does not fit
_state = attrgetter("type", "record")


class Run:
    """What a recorder has run: kept for the making of a replay.

    Attributes:
        inputs: of the program.
        numbers: number of an input -> the Python number that it was made of.
        memory: numbers of inputs that are only there to be written into -> their types.
        alive: number of a result -> its placeholder, of those that are alive now.
        sharding: where all of it lies, or None if that is in several places.
        asked: the placeholders whose values were asked for, in that order.
    """

    asked: list = []

    def __init__(self, record, program, alive):
        self.inputs, self.numbers = record.inputs, record.given
        taken = {-1 - p.takes: p.type for p in alive if p.takes is not None}
        self.memory = {n: taken[n] for n in record.memory}
        self.program, self.sharding = program, record.sharding
        self._references = [(each.index, weakref.ref(each)) for each in alive]

    @property
    def alive(self):
        found = {number: reference() for number, reference in self._references}
        return {number: each for number, each in found.items() if each is not None}


class Replay:
    """Runs a program for a proven call.

    Args:
        before: what stood where before the call that was recorded.
        run: what the recorder ran.
        result: what the call returned.
        expected: what the prover knows of that.

    Raises:
        Refused: it cannot be known where everything comes from or goes to.
    """

    def __init__(self, before, run, result, expected):
        if run.sharding is None and any(type(a) is Placeholder for a in run.inputs):
            raise Refused("arrays on several devices")
        if any(type(run.inputs[n]) is not Placeholder for n in run.program.donated):
            raise Refused("an array that somebody has put there; from now on it is ours")
        self.watch, self.program, self.sharding = before.watch, run.program, run.sharding
        memory = list(run.memory)
        origins = {n: before.origin_of(run, n) for n in range(len(run.inputs)) if n not in memory}
        before.pin_numbers(origins.values())
        alive = run.alive
        self._arrange_inputs(run, origins, memory)
        after = compiling.results.After(before, run, alive, result, expected)
        self._arrange_results(run, alive, origins, after)
        self._arrange_grads(before, origins)
        self.watch.freeze()
        self.calls = 0
        self.checks: list[Check] = []
        self.changes: Changes | None = None

    # Making ---------------------------------------------------------------------------------------

    def _arrange_inputs(self, run, origins, memory):
        """Inputs in the order in which they are fetched: what storages hold, others, memory.

        Storages that the program writes hold placeholders; what others hold may be plain arrays.
        """
        held = [n for n, origin in origins.items() if type(origin) is FromStorage]
        ours = [n for n in held if type(run.inputs[n]) is Placeholder]
        theirs = [n for n in held if type(run.inputs[n]) is not Placeholder]
        others = [n for n in origins if type(origins[n]) is not FromStorage]
        self.storages = [origins[n].place for n in ours]
        self.states = [(run.inputs[n].type, None) for n in ours]
        self.arrays = [_Array(origins[n].place, run.inputs[n]) for n in theirs]
        self.others = [origins[n] for n in others]
        fetched = {n: i for i, n in enumerate((*ours, *theirs, *others, *memory))}
        self.order = [fetched[n] for n in range(len(run.inputs))]

    def _arrange_results(self, run, alive, origins, after):
        """Where each result that is alive goes; some stay in the place of an input."""
        self.places = {}  # number of a result that stays -> a storage, or a tensor: its gradient
        self.written = [(s, self._stays(origins, n, s), n, times) for s, n, times in after.written]
        self.changed = [(t, self._stays(origins, n, t), n, times) for t, n, times in after.changed]
        self.counted = [each for each in after.counted if each[1]]
        self.grads = after.grads
        self.dropped = [*after.dropped, *[tensor for tensor, _, _ in self.grads]]
        self.result, self.shared = after.result, after.shared
        self.staying = compiling.staying.Staying(self.program, self.places)
        self.kinds = {n: p.type for n, p in alive.items() if n not in self.places}
        if any(each.number in self.places for each in after.made):
            raise Refused("a result that is state, too")
        self.wants = list(run.memory.values())

    def _stays(self, origins, number, thing) -> bool:
        """Whether a result takes the place of the input whose memory it takes; it is noted."""
        taken = self.program.taken.get(number)
        origin = None if taken is None else origins.get(taken)
        if not isinstance(origin, (FromStorage, FromGrad)) or origin.place is not thing:
            return False
        self.places[number] = thing
        return True

    def _arrange_grads(self, before, origins):
        """Which tensors have to have a gradient, and of which it is read or changed."""
        self.tensors = before.tensors
        self.had_grads = before.had_grads
        self.looked_at = before.looked_at
        self.slots, self.read_slots = [slot for slot, *_ in before.slots], before.read_slots
        self.rows = before.rows
        read = [origin.place for origin in origins.values() if type(origin) is FromGrad]
        read += [tensor for tensor, *_ in self.changed]
        self.read = [(t, t._grad) for t in {id(t): t for t in read}.values()]
        if any(g is None or type(g._storage.held) is not Placeholder for _, g in self.read):
            raise Refused("a gradient that somebody has set")
        self.read = [(tensor, grad._storage.held.type) for tensor, grad in self.read]
        self.ids = before.ids
        gone = {id(tensor) for tensor in self.dropped}
        for number, origin in ((n, origins.get(i)) for n, i in self.program.taken.items()):
            let_go = origin is None or type(origin) is FromGrad and id(origin.place) in gone
            let_go |= type(origin) is Slot
            if number not in self.places and not let_go:
                raise Refused("memory that is to be written, and stands somewhere")

    # Running --------------------------------------------------------------------------------------

    def __call__(self, arguments):
        """What the call returns; `MISS` if it has to be recorded.

        Args:
            arguments: the tensors among the arguments, whose types are those of the recorded call.
        """
        given = [id(each._storage) for each in arguments]
        if not self.ids.isdisjoint(given) or not self.watch.holds() or not self._grads_fit(given):
            return MISS
        if not all([each.holds(arguments) for each in self.checks]):
            return MISS
        with one_at_a_time:
            if self.read_slots and not self._slots_fit(arguments):
                return MISS
            inputs = [storage.held for storage in self.storages]
            try:
                if list(map(_state, inputs)) != self.states:
                    return MISS
            except AttributeError:
                return MISS  # an array that somebody has put there
            if any([type(storage.held) is not np.int64 for storage, _, _ in self.counted]):
                return MISS
            for array in self.arrays:
                held = array.storage.held
                if held is not array.seen() and not array.fits(held):
                    return MISS
                inputs.append(held)
            held = None  # would be one more who holds it
            inputs += [origin.fetch(arguments) for origin in self.others]
            taken: list = []  # what the program writes into
            returned: list = []  # what it has given, once that is in its places

            def finish(results):
                self.staying.end(taken, results)
                if self.changes:
                    self.changes.kept()
                returned[:] = [self._put(results, arguments)]

            try:
                if self.changes and not self.changes.made():
                    return MISS
                if self.dropped:
                    inputs += self._memory()
                inputs = [inputs[i] for i in self.order]  # and no other list has them
                self.calls += 1
                self.program.wait_for_turn()
                # whoever asks for what it writes has to wait until it has run
                self.program(inputs, finish, self.staying.begin(inputs, taken))
            except BaseException:
                if not returned:
                    finished(self._undo, inputs, taken)
                raise
            return self._returned(returned[0], arguments)

    def _grads_fit(self, given) -> bool:
        """Whether tensors have gradients where they had, which can be read where they are read.

        Args:
            given: numbers of storages that something else reads.
        """
        if [tensor._grad is not None for tensor in self.tensors] != self.had_grads:
            return False
        if any([outline_of(tensor._grad) != outline for tensor, outline in self.looked_at]):
            return False
        for tensor, kind in self.read:
            grad = tensor._grad
            if type(grad) is not Tensor or own(grad).keys() != _ONLY_STORAGE:
                return False
            held = grad._storage.held
            if type(held) is not Placeholder or held.type is not kind or held.record is not None:
                return False
        if self.read:
            storages = {id(tensor._grad._storage) for tensor, _ in self.read}
            alone = self.ids.isdisjoint(storages) and storages.isdisjoint(given)
            return alone and len(storages) == len(self.read)
        return True

    def _slots_fit(self, arguments) -> bool:
        """Whether tensors can be read where the call puts others."""
        fit = all([slot.fits() for slot in self.read_slots])
        return fit and are_apart(self.read_slots, self.ids, self.tensors, arguments)

    def _memory(self):
        """Arrays to write results into: gradients that go, or new ones."""
        spares = FreeMemory()
        for tensor in self.dropped:
            grad, tensor._grad = tensor._grad, None
            if self.wants and type(grad) is Tensor and grad._steps is None:
                held = grad._storage.held
                if type(held) is Placeholder and held.record is None:
                    spares.add(held)
        grad = held = None  # would be others who hold it
        return [spares.take(kind, self.sharding) for kind in self.wants]

    def _undo(self, inputs, taken) -> None:
        """Have everything as it was before a call that has not come to its end."""
        self.staying.undo(inputs, taken)
        if self.changes:
            self.changes.undo()

    def _put(self, results, arguments):
        """Put all other results into their places; it may be done again if it is interrupted."""
        made = {}
        for number, kind in self.kinds.items():
            placeholder = made[number] = Placeholder(None, 0, kind)
            placeholder.array = results[number]
        for storage, stays, number, times in self.written:
            if not stays:
                storage.held = made[number]
            storage.version += times
        for storage, count, times in self.counted:
            storage.held += count
            storage.version += times
        for tensor, number, times in self.grads:
            tensor._grad = wrap(made[number])
            tensor._grad._storage.version = times
        for tensor, stays, number, times in self.changed:
            storage = tensor._grad._storage
            if not stays:
                storage.held = made[number]
            storage.version += times
        for slot in self.slots:
            slot.set(made, arguments)
        for row in self.rows:
            row.set()
        return made

    def _returned(self, made, arguments):
        """What the call returns, of results that are in their places."""
        result = self.result.build(made, arguments)
        for slot in (*self.slots, *self.rows):
            slot.made = None
        for part in self.shared:
            part.last = None
        return result


class Check:
    """Values that an operation looks at, which have to be as it wants them.

    Args:
        origin: where they come from.
        wanted: a function that says so.
    """

    def __init__(self, origin, wanted):
        self.origin, self.wanted, self.seen = origin, wanted, _weakly(None)

    def holds(self, arguments) -> bool:
        """Whether they are; what was seen last is not looked at again."""
        held = self.origin.fetch(arguments)
        if held is not self.seen():
            if type(held) is Placeholder or not self.wanted(np.asarray(held)):
                return False
            self.seen = _weakly(held)
        return True


class _Array:
    """A storage that somebody else has filled, with an array that may be another one next time."""

    def __init__(self, storage, array):
        self.storage, self.type, self.seen = storage, array_type(array), _weakly(array)

    def fits(self, held) -> bool:
        """Whether another array than the one seen last is of the same type."""
        if type(held) is Placeholder or array_type(held) is not self.type:
            return False
        self.seen = _weakly(held)
        return True


def _weakly(array):
    try:
        return weakref.ref(array)
    except TypeError:
        return lambda: None


_ONLY_STORAGE = {"_storage"}
