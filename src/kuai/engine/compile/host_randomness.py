"""Random numbers drawn from Python or NumPy while a function is traced.

They would stay the same for ever in the program, so a function that draws any runs eagerly. Before
it is run again, the generators are put back to where they were.
"""

import random

import numpy as np

__all__ = ["HostRandomness"]


class HostRandomness:
    """The state of Python's and NumPy's generators at one moment."""

    def __init__(self, generators=()):
        self.python = random.getstate()
        self.numpy = np.random.get_state()
        self.generators = [(g, g.bit_generator.state) for g in generators]

    def changed(self) -> bool:
        """Whether any of them has been used since."""
        kind, keys, *rest = self.numpy
        now_kind, now_keys, *now_rest = np.random.get_state()
        return (
            random.getstate() != self.python
            or (kind, rest) != (now_kind, now_rest)
            or not np.array_equal(keys, now_keys)
            or any(g.bit_generator.state != before for g, before in self.generators)
        )

    def restore(self) -> None:
        """Put all of them back."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        for generator, before in self.generators:
            generator.bit_generator.state = before
