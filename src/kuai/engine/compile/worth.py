"""Whether a record of a script that is recorded as a whole is worth a program.

Nobody has asked for programs there, and some scripts never do the same twice. Compiling an
operation takes as long as running it some fifty times, in long records more. So a record gets a
program when it is met for the second time, as long as all programs together take no more than a
share of what has been run. A record that is a large part of all that is run, as the step of a
training loop is, gets it sooner: within a few seconds for all of them. One that is a good part gets
it in any case once it has been run as often as would have paid for it. Where there are many, each
for one word or one length, a program for each takes longer to pay for itself than most scripts run.
So a loop whose records keep changing takes little more than it does without recording, whatever it
is.

All of it is counted in operations rather than seconds: a run that is repeated does the same.
"""

from collections.abc import Iterable

__all__ = ["Worth"]

_PRICE = 50  # operations run, for each one compiled
_LONG = 1000  # operations; compiling that many takes twice as long for each of them
_GIVEN = 120_000  # what programs may take beside their share: a step of 1,000 operations
_SHARE = 0.1
_LARGE_PART, _GOOD_PART = 1 / 4, 1 / 8  # of all that is run


class Worth:
    """What has been run, and what has been spent on programs, in operations."""

    def __init__(self):
        self.run, self.spent, self.promised = 0, 0.0, 0.0

    def has(self, node, length: int, is_part: bool) -> bool:
        """Whether the record that ends at a node, and has no program yet, is worth one now.

        Args:
            length: how many operations it has.
            is_part: whether it was cut because of its length: there are many more of its kind.
        """
        node.visits += 1
        self.run += length
        price = _price(length)
        if node.visits > 1 and price <= self.promised:
            self.promised -= price
            return True
        part = node.visits * length / self.run
        given = _GIVEN if part >= _LARGE_PART and not is_part else 0
        is_paid = node.visits > 1 and self.spent + price <= self.run * _SHARE + given
        has_run = part >= _GOOD_PART and node.visits * length >= price
        if not is_paid and not has_run:
            return False
        self.spent += price
        return True

    def promise(self, lengths: Iterable[int]) -> None:
        """Have records of these lengths, which have been found to be worth programs, get them."""
        self.promised += sum(map(_price, lengths))


def _price(length):
    return _PRICE * length * (1 + length / _LONG)
