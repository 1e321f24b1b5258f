"""The one way in which anything is timed here."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def timed(step: Callable[[], Any], wait: Callable[[Any], float], count: int) -> tuple[float, float]:
    """Seconds for `count` steps, up to the moment when the last loss is known, and that loss.

    Steps may be dispatched without waiting for each other, as in real training; `wait` blocks on a
    loss and gives its value.
    """
    start = time.perf_counter()
    for _ in range(count):
        result = step()
    loss = wait(result)
    return time.perf_counter() - start, loss
