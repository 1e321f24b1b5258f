"""The garbage collector: it rests while the package is imported, and looks at steps when they end.

Python looks for garbage among young things often, among those that were left over a few times less
often, and among all there is when enough were left over since. In the middle of a recorded step
thousands of things are alive that are gone a moment later. Whoever looks for garbage then takes
them for things that last, and soon goes through all of JAX's 200,000 objects for a tenth of a
second, again and again. So inside a step only the young ones are looked at, and at its end, when
hardly anything of it is left, those that are due.
"""

import contextlib
import gc
from collections.abc import Iterator
from typing import ClassVar

__all__ = ["Sparing", "resting"]

_SELDOM = 100  # looks at the young ones before the others are looked at inside a step


@contextlib.contextmanager
def resting() -> Iterator[None]:
    """No search for garbage inside: what an import makes stays, and so does what JAX has made.

    Going through all of it again and again takes as long as a third of the import.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Sparing:
    """What a step does about the collector: `begin` and `end` it, `look` between several."""

    __slots__ = ("_before",)
    # what was there before a step that has not come to its end
    _last: ClassVar[tuple | None] = None

    def __init__(self):
        self._before = None

    def begin(self) -> None:
        """From now on look at young things only."""
        before = gc.get_threshold()
        if before[1] >= _SELDOM:
            self._before = Sparing._last
            return
        self._before = Sparing._last = before
        gc.set_threshold(before[0], _SELDOM, *before[2:])

    def look(self) -> None:
        """Look at what is due where a step has ended: seldom, since gradients and the like are
        still there, and would be taken for things that last."""
        if gc.get_count()[1] >= _SELDOM // 2 and gc.isenabled():
            gc.collect(1)

    def end(self) -> None:
        """Have everything as it was, unless somebody has set it otherwise; look at what is due."""
        before = self._before
        if before is None:
            return
        if gc.get_threshold() == (before[0], _SELDOM, *before[2:]):
            gc.set_threshold(*before)
        self.look()
