"""Whether a record of a script that is recorded as a whole is worth a program.

Nobody has asked for programs there, and some scripts never do the same twice. Compiling an
operation takes as long as running it some fifty times, in long records more. So a record gets a
program when it is met for the second time, as long as all programs together take no more than a few
seconds and a share of what has been run; and in any case once it has been run as often as would
have paid for it. So a loop whose records keep changing takes little more than it does without
recording, whatever it is.

All of it is counted in operations rather than seconds: a run that is repeated does the same.
"""

__all__ = ["Worth"]

_PRICE = 50  # operations run, for each one compiled
_LONG = 1000  # operations; compiling that many takes twice as long for each of them
_GIVEN = 120_000  # what programs may take beside their share: a step of 1,000 operations
_SHARE = 0.25


class Worth:
    """What has been run, and what has been spent on programs, in operations."""

    def __init__(self):
        self.run, self.spent = 0, 0.0

    def has(self, node, length: int, is_part: bool) -> bool:
        """Whether the record that ends at a node, and has no program yet, is worth one now.

        Args:
            length: how many operations it has.
            is_part: whether it was cut because of its length: there are many more of its kind.
        """
        node.visits += 1
        self.run += length
        price = _PRICE * length * (1 + length / _LONG)
        given = 0 if is_part else _GIVEN
        is_paid = node.visits > 1 and self.spent + price <= self.run * _SHARE + given
        if not is_paid and node.visits * length < price:
            return False
        self.spent += price
        return True
