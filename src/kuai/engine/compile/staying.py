"""Results that stay in the place of an input, whose memory they take: parameters and their like.

While the program runs their storages hold placeholders without arrays: whoever asks for what it
writes waits until it has run. A placeholder that nobody else knows is used again. Making one for
each of a step's parameters would have Python look for garbage all the time.
"""

from kuai.engine.compile.holders import are_unshared
from kuai.engine.compile.program import own_or_copy
from kuai.engine.compile.record import one_at_a_time
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.placeholder import Placeholder

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
        self._inputs = [program.taken[number] for number in self._numbers]
        self._places = [places[number] for number in self._numbers]

    def begin(self, inputs):
        """The arrays to write into, for all of the program's results that go into an input's
        memory, and the placeholders of those that stay."""
        placeholders = [inputs[number] for number in self._inputs]
        arrays = [each.array for each in placeholders]
        if are_unshared(placeholders, arrays, 2):  # `inputs` and the storages know them
            for each in placeholders:
                each.array, each.record = None, _running
        else:
            del placeholders, arrays
            placeholders, arrays = self._renewed(inputs)
        if len(self._numbers) < len(self._taken):
            given = dict(zip(self._numbers, arrays, strict=True))
            arrays = [
                given[number] if number in given else own_or_copy(inputs, taken)
                for number, taken in self._taken.items()
            ]
        return arrays, placeholders

    def _renewed(self, inputs):
        """New placeholders, and the inputs' arrays, or copies of what somebody else can use."""
        placeholders, arrays = [], []
        for number, place in zip(self._inputs, self._places, strict=True):
            made = _storage(place).held = Placeholder(_running, 0, inputs[number].type)
            placeholders.append(made)
            arrays.append(own_or_copy(inputs, number))
        return placeholders, arrays

    def end(self, placeholders, results) -> None:
        """Put the results into their places."""
        for placeholder, number in zip(placeholders, self._numbers, strict=True):
            placeholder.array, placeholder.record = results[number], None

    def undo(self, inputs, arrays, placeholders) -> None:
        """Have everything as it was before `begin`, which has given the last two."""
        given = dict(zip(self._taken, arrays, strict=True))
        for number, taken, place, placeholder in zip(
            self._numbers, self._inputs, self._places, placeholders, strict=True
        ):
            old = _storage(place).held = inputs[taken]
            if old is placeholder:
                old.array = given[number]
            placeholder.array, placeholder.record = old.array, None


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
