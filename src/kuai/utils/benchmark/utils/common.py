"""Measurements: what was measured, how long it took, and how sure that is."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

import kuai

__all__ = [
    "Measurement",
    "TaskSpec",
    "ordered_unique",
    "select_unit",
    "set_torch_threads",
    "trim_sigfig",
    "unit_to_english",
]

_MOST_FIGURES = 4
_SUREST = 25e-9  # seconds: no clock is better
_SPREAD, _WIDE_SPREAD = 0.1, 0.25  # interquartile range by median
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}
_ENGLISH = {"ns": "nanosecond", "us": "microsecond", "ms": "millisecond", "s": "second"}


@dataclasses.dataclass(repr=False, frozen=True)
class TaskSpec:
    """What a timer was told."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """The label, or the statement."""
        if self.label is None and "\n" in self.stmt:
            sub = f" ({self.sub_label})" if self.sub_label else ""
            return f"stmt:{sub}\n{textwrap.indent(self.stmt, '  ')}"
        name = self.stmt if self.label is None else self.label
        return f"{name}: {self.sub_label}" if self.sub_label else name

    def setup_str(self) -> str:
        """The setup, if there is one."""
        if self.setup in ("pass", ""):
            return ""
        lines = f"\n{textwrap.indent(self.setup, '  ')}"
        return f"setup:{lines}" if "\n" in self.setup else f"setup: {self.setup}"

    def summarize(self) -> str:
        """Title, description and setup."""
        parts = filter(None, (self.title, self.description, self.setup_str()))
        return "\n".join(f"{part}\n" if "\n" in part else part for part in parts)


_FIELDS = frozenset(field.name for field in dataclasses.fields(TaskSpec))


@dataclasses.dataclass(repr=False)
class Measurement:
    """The times of some runs of a statement.

    Args:
        number_per_run: how many runs each of the times is for.
        raw_times: seconds.
        task_spec: what was measured.
        metadata: anything.

    Example:
        >>> from kuai.utils.benchmark import Measurement, TaskSpec
        >>> found = Measurement(10, [0.001, 0.002, 0.004], TaskSpec("f(x)", "pass"))
        >>> found.median, round(found.iqr, 6), found.title
        (0.0002, 0.00015, 'f(x)')
    """

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = None

    def __getattr__(self, name: str) -> Any:
        if name in _FIELDS:
            return getattr(self.task_spec, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def times(self) -> list[float]:
        """Seconds a run."""
        return [time / self.number_per_run for time in self.raw_times]

    def _quantile(self, share: float) -> float:
        return float(np.quantile(self.times, share)) if self.raw_times else -1.0

    @property
    def median(self) -> float:
        """The middle one."""
        return self._quantile(0.5)

    @property
    def mean(self) -> float:
        """Their mean."""
        return float(np.mean(self.times)) if self.raw_times else -1.0

    @property
    def iqr(self) -> float:
        """How far the third quartile is from the first."""
        return self._quantile(0.75) - self._quantile(0.25)

    @property
    def significant_figures(self) -> int:
        """How many digits of the median mean something, by the spread of the middle half."""
        times = sorted(self.times)
        middle = times[len(times) // 4 : math.ceil(3 * len(times) / 4)]
        sure = max(1.645 * float(np.std(middle)) / math.sqrt(len(middle)), _SUREST)
        return min(max(math.floor(math.log10(self.median / sure)), 1), _MOST_FIGURES)

    @property
    def has_warnings(self) -> bool:
        """Whether the times differ suspiciously."""
        return bool(self._warnings)

    @property
    def _warnings(self) -> tuple[str, ...]:
        if not self.raw_times or self.meets_confidence(_SPREAD):
            return ()
        steady = self.meets_confidence(_WIDE_SPREAD)
        cause = (
            "could indicate system fluctuation"
            if steady
            else ("suggests significant environmental influence")
        )
        share = self.iqr / self.median * 100
        return (
            f"  WARNING: Interquartile range is {share:.1f}% of the median measurement.\n"
            f"           This {cause}.",
        )

    def meets_confidence(self, threshold: float = _SPREAD) -> bool:
        """Whether the interquartile range is less than this share of the median."""
        return self.iqr / self.median < threshold

    @property
    def title(self) -> str:
        """What was measured."""
        return self.task_spec.title

    @property
    def as_row_name(self) -> str:
        """What its row in a table is called."""
        return self.sub_label or self.stmt or "[Unknown]"

    def __repr__(self) -> str:
        count = len(self.raw_times)
        unit, scale = select_unit(self.median)
        low, high = self._quantile(0.25) / scale, self._quantile(0.75) / scale
        lines = [object.__repr__(self), self.task_spec.summarize()]
        lines += [f"  {'Median: ' if count > 1 else ''}{self.median / scale:.2f} {unit}"]
        if count >= 4:
            lines += [f"  IQR:    {self.iqr / scale:.2f} {unit} ({low:.2f} to {high:.2f})"]
        lines += [
            f"  {count} measurement{'s' if count > 1 else ''}, {self.number_per_run} runs "
            f"{'per measurement,' if count > 1 else ','} "
            f"{self.num_threads} thread{'s' if self.num_threads > 1 else ''}"
        ]
        return "\n".join([*lines, *self._warnings])

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """Those of the same task together, as times of single runs."""
        groups: dict[TaskSpec, list[float]] = {}
        for each in measurements:
            groups.setdefault(each.task_spec, []).extend(each.times)
        return [Measurement(1, times, task) for task, times in groups.items()]


def select_unit(t: float) -> tuple[str, float]:
    """The unit in which a time is a number of one to three digits, and its seconds.

    Example:
        >>> select_unit(3e-5)
        ('us', 1e-06)
    """
    exponent = int(np.float32(math.log10(t)) // 3) if t > 0 else 0
    unit = {-3: "ns", -2: "us", -1: "ms"}.get(exponent, "s")
    return unit, _UNITS[unit]


def unit_to_english(u: str) -> str:
    """The whole word for a unit."""
    return _ENGLISH[u]


def trim_sigfig(x: float, n: int) -> float:
    """A number with its first `n` digits only.

    Example:
        >>> trim_sigfig(3.14159, 2)
        3.1
    """
    if n != int(n):
        raise AssertionError("Number of significant figures must be an integer")
    places = n - math.ceil(math.log10(abs(x)))
    return round(x, places) if places > 0 else round(x / 10**-places) * float(10**-places)


def ordered_unique(elements: Iterable[Any]) -> list[Any]:
    """Each element once, where it comes first."""
    return list(dict.fromkeys(elements))


@contextlib.contextmanager
def set_torch_threads(n: int) -> Iterator[None]:
    """Ask for a number of threads inside of a block."""
    before = kuai.get_num_threads()
    try:
        kuai.set_num_threads(n)
        yield
    finally:
        kuai.set_num_threads(before)
