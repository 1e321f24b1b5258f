"""What is kept of one function's records: trees, counts and the lines at which they ended."""

import collections
from typing import Any

from kuai.engine.compile.rest import Rest
from kuai.engine.compile.tree import Roots

__all__ = ["Records"]


class Records:
    """The records of one compiled function, or of all code in `kuai.fused`.

    Attributes:
        calls: how many calls have been recorded.
        flushes: (what was asked for, the line) -> how often that ended a record in the middle.
    """

    def __init__(self, name: str):
        self.name = name
        self.roots = Roots()
        self.rest = Rest(name)
        self.worth: Any = None  # see `worth`
        self.calls = 0
        self.flushes = collections.Counter()
        self.undoes = False  # whether a call that is refused leaves no trace

    def note_flush(self, what, line) -> None:
        """Note that a record was run in the middle of a call."""
        self.flushes[what, line] += 1

    def check(self, program, inputs) -> None:
        """To be overridden by those who want to see a new program before it is run."""

    @property
    def programs(self) -> list:
        """All programs, in the order in which they were made."""
        found, stack = [], list(self.roots.nodes.values())
        while stack:
            node = stack.pop()
            found += node.programs.values()
            stack += node.children.values()
        return sorted(found, key=lambda program: program.number)
