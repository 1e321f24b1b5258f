"""Whether a record is worth a program.

Compiling an operation takes as long as running it some fifty times, in long records more. What a
function does at first is compiled, whatever it takes; further programs are paid with a share of
what has been run, or by the record itself, once it has been run that often. So a loop whose records
keep changing takes little more than it does without recording, whatever it is.

In a script that is recorded as a whole nobody has asked for programs: a record gets one when it is
met for the second time, and little is given.

All of it is counted in operations rather than seconds: a run that is repeated does the same.
"""

__all__ = ["Worth"]

_PRICE = 50  # operations run, for each one compiled
_LONG = 1000  # operations; compiling that many takes twice as long for each of them
_GIVEN = 30_000  # what programs may take beside their share of what has been run
_SHARE = 0.25
_FIRST = 8  # programs of a compiled function that need not pay


class Worth:
    """What has been run, and what has been spent on programs, in operations."""

    def __init__(self):
        self.run, self.spent, self.programs = 0, 0.0, 0

    def has(self, node, length: int, is_part: bool, eagerly: bool) -> bool:
        """Whether the record that ends at a node, and has no program yet, is worth one now.

        Args:
            length: how many operations it has.
            is_part: whether it was cut because of its length: there are many more of its kind.
            eagerly: whether nobody has asked for programs.
        """
        node.visits += 1
        self.run += length
        price = _PRICE * length * (1 + length / _LONG)
        if eagerly or self.programs >= _FIRST:
            given = 0 if is_part else _GIVEN
            is_paid = self.spent + price <= self.run * _SHARE + given
            if node.visits * length < price and not (is_paid and node.visits > eagerly):
                return False
            self.spent += price
        self.programs += 1
        return True
