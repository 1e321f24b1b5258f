"""Pause: where nobody has asked for programs and records keep changing, nothing is recorded for a
while.

Writing down what never comes again costs more than running it, and the tree of records would grow
for ever.
"""

__all__ = ["Pause"]

_FIRST = 16  # records, before anything is decided
_MOST_NEW = 0.75  # of the operations recorded lately
_LATELY = 0.875  # what is left of a record's weight when the next one has come
_SHORTEST, _LONGEST = 32, 4096  # records, as long as those lately


class Pause:
    """Whether operations are run at once for a while.

    Attributes:
        left: how many operations are still run at once.
    """

    def __init__(self):
        self.left, self.length = 0, _SHORTEST
        self._begin()

    def _begin(self):
        self.records, self.new, self.all = 0, 0.0, 0.0

    def is_on(self, recorded: int) -> bool:
        """Whether an operation is to be run at once, with so many recorded before it."""
        if not self.left or recorded:
            return False
        self.left -= 1
        return True

    def note(self, length: int, is_new: bool) -> None:
        """Take note of a record that is run."""
        self.records += 1
        self.new = self.new * _LATELY + length * is_new
        self.all = self.all * _LATELY + length
        if self.records < _FIRST:
            return
        if self.new <= self.all * _MOST_NEW:
            self.length = _SHORTEST
            return
        self.left = int(self.all * (1 - _LATELY) * self.length)
        self.length = min(2 * self.length, _LONGEST)
        self._begin()
