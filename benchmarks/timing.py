"""The one way in which anything is timed here."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def timed(step: Callable[[], Any], wait: Callable[[Any], float], count: int) -> tuple[float, float]:
    """Seconds for `count` steps, up to the moment when all of them are done, and the last loss.

    Steps may be dispatched without waiting for each other, as in real training; `wait` blocks until
    nothing is computed any more and gives the value of a loss.
    """
    start = time.perf_counter()
    for _ in range(count):
        result = step()
    loss = wait(result)
    return time.perf_counter() - start, loss
