"""What PyTorch looks at once, and who records when its values are there anyway.

That is when the next value is asked for, or the optimizer's step ends: an error is late then, but a
program that is cut for each thing to be looked at would be slow.
"""

from collections.abc import Callable

import numpy as np

from kuai.engine.compile.recorder import Recorder
from kuai.engine.tensor.placeholder import Placeholder

__all__ = ["Expectations", "expect", "has_constants_only"]


class Expectations:
    """Truths that are still to be computed, each with what makes the error if it is none."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Placeholder, Callable[[], Exception]]] = []

    def add(self, truth: Placeholder, error: Callable[[], Exception]) -> None:
        """Expect one more."""
        self._waiting.append((truth, error))

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def check(self) -> None:
        """Raise the error of the first one that has turned out untrue; those computed are done.

        What was expected after that one is forgotten: eager code would not have come so far.
        """
        waiting, self._waiting = self._waiting, []
        while waiting:
            truth, error = waiting.pop(0)
            if truth.record is not None:
                self._waiting.append((truth, error))  # it is to be computed by the next record
            elif not np.asarray(truth.array).all():
                self._waiting = []
                raise error()


def expect(recorder: Recorder, truth: Placeholder, error: Callable[[], Exception]) -> None:
    """Have a recorder raise an error if something turns out not to be true."""
    if recorder.expected is None:
        recorder.expected = Expectations()
    recorder.expected.add(truth, error)


def has_constants_only(recorder: Recorder) -> bool:
    """Whether no array has gone into what is recorded so far: numbers, zeros, ones."""
    return len(recorder.current.inputs) == len(recorder.current.given)
