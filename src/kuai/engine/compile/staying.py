"""Results that stay in the place of an input, whose memory they take: parameters and their like.

While the program runs their storages hold placeholders without arrays: whoever asks for what it
writes waits until it has run. A placeholder that nobody else knows is used again. Making one for
each of a step's parameters would have Python look for garbage all the time.
"""

from kuai.engine.compile.holders import are_unshared
from kuai.engine.compile.program import own_or_copies
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.placeholder import Placeholder, one_at_a_time

__all__ = ["Staying"]


class Staying:
    """What stays, of a program's results.

    Args:
        program: the program.
        places: number of a result -> a storage, or a tensor: the storage of its gradient.
    """

    def __init__(self, program, places):
        self._taken = program.taken
        self._numbers = [number for number in program.taken if number in places]
        self._inputs = tuple([program.taken[number] for number in self._numbers])
        self._places = [places[number] for number in self._numbers]

    def begin(self, inputs, taken):
        """The arrays to write into, for all of the program's results that go into an input's
        memory.

        Args:
            taken: a list that gets what `end` and `undo` have to know, before anything is changed.
        """
        placeholders = [inputs[number] for number in self._inputs]
        arrays = [each.array for each in placeholders]
        if are_unshared(placeholders, arrays, 2):  # `inputs` and the storages know them
            taken += (placeholders, arrays)
            for each in placeholders:
                each.array, each.record = None, _running
        else:
            del placeholders, arrays
            arrays = self._renewed(inputs, taken)
        if len(self._numbers) < len(self._taken):
            found = dict(zip(self._inputs, arrays, strict=True))
            others = tuple([source for source in self._taken.values() if source not in found])
            found |= zip(others, own_or_copies(inputs, others), strict=True)
            arrays = [found[source] for source in self._taken.values()]
        return arrays

    def _renewed(self, inputs, taken):
        """The inputs' arrays, or copies of what somebody else can use; new placeholders."""
        placeholders = [Placeholder(_running, 0, inputs[number].type) for number in self._inputs]
        taken += (placeholders, None)
        for place, made in zip(self._places, placeholders, strict=True):
            _storage(place).held = made
        return own_or_copies(inputs, self._inputs)

    def end(self, taken, results) -> None:
        """Put the results into their places."""
        for placeholder, number in zip(taken[0], self._numbers, strict=True):
            placeholder.array, placeholder.record = results[number], None

    def undo(self, inputs, taken) -> None:
        """Have everything as it was before `begin`, as far as that has come."""
        if not taken:
            return
        placeholders, arrays = taken
        if arrays is not None:  # the inputs' own placeholders
            for placeholder, array in zip(placeholders, arrays, strict=True):
                placeholder.array, placeholder.record = array, None
            return
        for number, place, made in zip(self._inputs, self._places, placeholders, strict=True):
            old = _storage(place).held = inputs[number]
            made.array, made.record = old.array, None


class _Running:
    """The record of placeholders while the program runs that computes them."""

    def flush(self, what):
        """Wait for it: it holds the lock."""
        with one_at_a_time:
            pass

    def put(self, placeholder, storage):
        """Note nothing: nobody records."""

    def keep(self, placeholder):
        """Keep nothing: it will have its array."""


_running = _Running()


def _storage(place):
    """The storage that a tensor's gradient has now; a storage itself."""
    return place._grad._storage if isinstance(place, Tensor) else place
