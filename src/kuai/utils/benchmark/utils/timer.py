"""Timing a statement: how often to run it, and running it so often.

XLA computes while Python goes on, so the clock is read when everything asked for has been done.
"""

from __future__ import annotations

import enum
import textwrap
import timeit
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

import kuai
from kuai.engine.tensor import devices
from kuai.standin.refusing import refused
from kuai.utils.benchmark.utils.common import Measurement, TaskSpec, set_torch_threads

__all__ = ["Language", "Timer", "timer"]

_MOST = 2**31 - 1  # runs in a block
_NO_REPEAT = "See `Timer.blocked_autorange.`"
Callback = Callable[[int, float], Any]


class Language(enum.Enum):
    """What a statement is written in."""

    PYTHON = 0
    CPP = 1


def timer() -> float:
    """The time in seconds, when all devices have done what they were asked for.

    Example:
        >>> from kuai.utils.benchmark import timer
        >>> timer() < timer()
        True
    """
    for kind in ("cpu", "cuda", "tpu"):
        if kind == "cpu" or devices.device_count(kind):
            devices.wait_for(kind)
    return timeit.default_timer()


class Timer:
    """Measures a statement of Python.

    Args:
        stmt: what is measured, as text.
        setup: what is run before it, once for each block of runs.
        timer: the clock.
        globals: the names that the statement knows; `kuai` and `torch` are Kuai.
        label, sub_label, description, env: what the measurement is called in a table.
        num_threads: kept with the measurement; XLA's threads stay as they are.

    Example:
        >>> from kuai.utils.benchmark import Timer
        >>> found = Timer("x + 1", globals={"x": kuai.ones(3)}).timeit(10)
        >>> found.number_per_run, found.median > 0
        (10, True)

    Differs from PyTorch: statements in C++, and counting instructions, are refused.
    """

    _timer_cls = timeit.Timer

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Language | str = Language.PYTHON,
    ) -> None:
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        _check_language(language, global_setup)
        stmt, setup = _tidy(stmt), _tidy(setup)
        names = {"torch": kuai, "kuai": kuai, **(globals or {})}
        self._timer = self._timer_cls(stmt=stmt, setup=setup, timer=timer, globals=names)
        self._task_spec = TaskSpec(
            stmt, setup, global_setup, label, sub_label, description, env, num_threads
        )

    def _timeit(self, number: int) -> float:
        return max(self._timer.timeit(number), 1e-9)

    def timeit(self, number: int = 1000000) -> Measurement:
        """Run the statement `number` times, after some runs to warm up."""
        with set_torch_threads(self._task_spec.num_threads):
            self._timeit(max(number // 100, 2))
            return self._measured(number, [self._timeit(number)])

    def repeat(self, repeat: int = -1, number: int = -1) -> None:
        """Refused: `blocked_autorange` repeats."""
        raise NotImplementedError(_NO_REPEAT)

    def autorange(self, callback: Callable[[int, float], NoReturn] | None = None) -> None:
        """Refused: `blocked_autorange` finds how many runs there should be."""
        raise NotImplementedError(_NO_REPEAT)

    def blocked_autorange(
        self, callback: Callback | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Run blocks that are long beside reading the clock, for `min_run_time` seconds."""
        number = self._block_size(min_run_time)
        times = self._blocks(number, lambda times: True, min_run_time, None, callback)
        return self._measured(number, times)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callback | None = None,
    ) -> Measurement:
        """Run blocks until their interquartile range is a small part of their median."""
        number = self._block_size(0.05)

        def steady(times: list[float]) -> bool:
            return len(times) > 3 and self._measured(number, times).meets_confidence(threshold)

        times = self._blocks(number, steady, min_run_time, max_run_time, callback)
        return self._measured(number, times)

    collect_callgrind = refused(
        "torch.utils.benchmark.Timer.collect_callgrind",
        "there is no valgrind around XLA",
        "Use blocked_autorange",
    )

    def _measured(self, number: int, times: list[float]) -> Measurement:
        return Measurement(number, times, self._task_spec)

    def _block_size(self, min_run_time: float) -> int:
        """The power of ten that takes long enough."""
        with set_torch_threads(self._task_spec.num_threads):
            overhead = float(np.median([self._timeit(0) for _ in range(5)]))
            number = 1
            while number * 10 <= _MOST:
                taken = self._timeit(number)
                if taken > min_run_time or (
                    overhead / taken <= 1e-4 and taken >= min_run_time / 1000
                ):
                    break
                number *= 10
        return number

    def _blocks(
        self,
        number: int,
        enough: Callable[[list[float]], bool],
        least: float,
        most: float | None,
        callback: Callback | None,
    ) -> list[float]:
        times: list[float] = []
        with set_torch_threads(self._task_spec.num_threads):
            while not times or sum(times) < least or not enough(times):
                times.append(self._timeit(number))
                if callback:
                    callback(number, times[-1])
                if most and sum(times) > most:
                    break
        return times


def _check_language(language: Language | str, global_setup: str) -> None:
    if language in (Language.PYTHON, "py", "python"):
        if global_setup:
            raise ValueError(
                f"global_setup is C++ only, got `{global_setup}`. Most "
                "likely this code can simply be moved to `setup`."
            )
    elif language in (Language.CPP, "cpp", "c++"):
        refused("torch.utils.benchmark.Timer of C++", "Kuai has no C++ tensors", "Use Python")()
    else:
        raise ValueError(f"Invalid language `{language}`.")


def _tidy(text: str) -> str:
    return textwrap.dedent(text).removeprefix("\n").rstrip()
