"""Pause: where nobody has asked for programs and few records get one, nothing is recorded for a
while.

Writing down what never comes again costs more than running it, and the tree of records would grow
for ever. So in a pause operations are run at once. From time to time some are watched: what lies
between two looks at a value, or the ends of two steps, would have been a record. Whether such a row
of operations is one that has been seen before says a number for the whole row, and `worth` whether
it would get a program. Recording goes on once most operations are in rows that would: where a step
ends, so that no backward pass is recorded of what was not, or, in a script that takes no steps,
where a value is looked at. These rows are new to the tree of records then, which is not held
against them.
"""

__all__ = ["Pause"]

_FIRST = 16  # records or rows, before anything is decided
_WATCHED = 64  # rows, if they are not worth it
_MUCH = 1000  # operations, after which nothing but new ones is enough
_FEW = 3  # records that have to be new for that
_MOST, _FEWEST = 0.5, 0.2  # of the operations lately are run without a program: begin, end
_LATELY = 0.875  # what is left of a record's weight when the next one has come
_SHORTEST, _LONGEST = 16, 4096  # records, as long as those lately
_LONGEST_ROW = 2000  # operations
_MOST_ROWS = 2**16


class _Row:
    """What is known of a row of operations: how often it has come, and what it would get."""

    __slots__ = ("is_worth", "length", "visits")

    def __init__(self, length):
        self.length, self.visits, self.is_worth = length, 0, False


class Pause:
    """Whether operations are run at once for a while, and what they are meanwhile.

    Args:
        worth: what says whether a row is worth a program (see `worth`).

    Attributes:
        is_on: whether they are.
        left: how many operations there are before they are watched.
        takes_steps: whether an optimizer's step has ended.
    """

    def __init__(self, worth):
        self.worth, self.is_on, self.takes_steps = worth, False, False
        self.left, self.length = 0, _SHORTEST
        self._rows: dict[int, _Row] = {}
        self._row, self._row_length, self._is_watching = 0, 0, False
        self._expected = 0  # operations in rows with programs to come, not recorded yet
        self._begin()

    def _begin(self):
        self.records, self.without, self.all, self.total = 0, 0.0, 0.0, 0

    def note(self, length: int, has_program: bool) -> None:
        """Take note of a record that is run."""
        if not has_program and self._expected > 0:
            self._expected -= length
            return
        self._count(length, has_program)
        much = self.total >= _MUCH and self.records >= _FEW and self.without == self.all
        if self.records < _FIRST and not much:
            return
        if self.without <= self.all * _MOST:
            self.length = _SHORTEST
            return
        self._rest()

    def _rest(self):
        self.left = int(self.all * (1 - _LATELY) * self.length)
        self.length = min(2 * self.length, _LONGEST)
        self.is_on, self._is_watching = True, False
        self._row = self._row_length = 0
        self._begin()

    def count(self, call, arrays) -> None:
        """Take note of an operation that is run at once."""
        if not self._is_watching:
            self.left -= 1
            return
        types = [
            (array.shape, array.dtype) if hasattr(array, "shape") else type(array)
            for array in arrays
        ]
        self._row = hash((self._row, call, *types))
        self._row_length += 1
        if self._row_length >= _LONGEST_ROW:
            self._count_row(is_part=True)

    def row_ended(self, is_step: bool = False) -> None:
        """Take note that a record would have ended here, perhaps with an optimizer's step."""
        if not self._is_watching:
            self._is_watching = self.left <= 0
            return
        if self._row_length:
            self._count_row()
        if self.records < _FIRST:
            return
        if self.without > self.all * _FEWEST:
            if self.records >= _WATCHED:
                self._rest()
        elif is_step or not self.takes_steps:
            self.is_on = self._is_watching = False
            worthy = [row.length for row in self._rows.values() if row.is_worth]
            self.worth.promise(worthy)
            self._expected, self._rows = 2 * sum(worthy), {}
            self._begin()

    def _count_row(self, is_part=False):
        length = self._row_length
        row = self._rows.get(self._row)
        if row is None:
            if len(self._rows) >= _MOST_ROWS:
                self._rows.clear()
            row = self._rows[self._row] = _Row(length)
        if not row.is_worth:
            row.is_worth = self.worth.has(row, length, is_part)
        self._count(length, row.is_worth)
        self._row = self._row_length = 0

    def _count(self, length, has_program):
        self.records += 1
        self.total += length
        self.without = self.without * _LATELY + length * (not has_program)
        self.all = self.all * _LATELY + length
