"""Measurements side by side in a table."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Sequence

from kuai.utils.benchmark.utils.common import (
    Measurement,
    ordered_unique,
    select_unit,
    trim_sigfig,
    unit_to_english,
)

__all__ = ["Colorize", "Compare"]

_BEST, _GOOD, _BAD, _WORST = "\033[92m", "\033[34m", "\033[2m\033[91m", "\033[31m"
_BOLD, _END = "\033[1m", "\033[0m"
Row = Sequence[Measurement | None]


class Colorize(enum.Enum):
    """Within what the numbers of a table are coloured."""

    NONE = "none"
    COLUMNWISE = "columnwise"
    ROWWISE = "rowwise"


class Compare:
    """A table of measurements: a row for each statement, a column for each description.

    Example:
        >>> from kuai.utils.benchmark import Compare, Measurement, TaskSpec
        >>> found = [Measurement(1, [t], TaskSpec("f(x)", "", description=d))
        ...          for d, t in (("old", 0.002), ("new", 0.001))]
        >>> Compare(found).print()  # doctest: +NORMALIZE_WHITESPACE
        [-----------  -----------]
                    |  old  |  new
        1 threads: ---------------
              f(x)  |  2.0  |  1.0
        <BLANKLINE>
        Times are in milliseconds (ms).
        <BLANKLINE>
    """

    def __init__(self, results: Iterable[Measurement]) -> None:
        self._results: list[Measurement] = []
        self.extend_results(results)
        self._trims = self._warns = False
        self._colors = Colorize.NONE

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Add measurements."""
        results = list(results)
        for result in results:
            if not isinstance(result, Measurement):
                raise ValueError(
                    f"Expected an instance of `Measurement`, got {type(result)} instead."
                )
        self._results.extend(results)

    def trim_significant_figures(self) -> None:
        """Show digits that mean something only."""
        self._trims = True

    def colorize(self, rowwise: bool = False) -> None:
        """Show what is quick and what is slow in colours, in each column or row."""
        self._colors = Colorize.ROWWISE if rowwise else Colorize.COLUMNWISE

    def highlight_warnings(self) -> None:
        """Mark times that differ suspiciously."""
        self._warns = True

    def print(self) -> None:
        """Print the table."""
        print(str(self))

    def __str__(self) -> str:
        groups: dict[str | None, list[Measurement]] = {}
        for each in Measurement.merge(self._results):
            groups.setdefault(each.label, []).append(each)
        return "\n".join(
            _Table(group, self._colors, self._trims, self._warns).render()
            for group in groups.values()
        )


def _row_of(result: Measurement) -> tuple[int, str, str]:
    return result.num_threads, result.env or "Unspecified env", result.as_row_name


class _Table:
    """The measurements of one label."""

    def __init__(
        self, results: list[Measurement], colors: Colorize, trims: bool, warns: bool
    ) -> None:
        self.results, self.colors, self.trims = results, colors, trims
        self.warns = warns and any(result.has_warnings for result in results)
        self.unit, self.scale = select_unit(min(result.median for result in results))
        self.keys = sorted(ordered_unique(map(_row_of, results)), key=lambda key: key[:2])
        self.columns = ordered_unique(result.description for result in results)
        found = {(_row_of(result), result.description): result for result in results}
        self.rows = [[found.get((key, name)) for name in self.columns] for key in self.keys]
        self.places = [self._places(column) for column in zip(*self.rows, strict=True)]

    def _places(self, column: Row) -> tuple[int, int]:
        """The width of the numbers, and how many digits stand behind their point."""
        there = [result for result in column if result is not None]
        leading = [math.ceil(math.log10(result.median / self.scale)) for result in there]
        decimals = 1
        if self.trims:
            pairs = zip(there, leading, strict=True)
            decimals = min(max(each.significant_figures - digits, 0) for each, digits in pairs)
        return max(leading) + decimals + bool(decimals), decimals

    def _cell(self, result: Measurement | None, places: tuple[int, int]) -> str:
        width, decimals = places
        if result is None:
            return " " * len(f"{1.0:>{width}.{decimals}f}{'':>{7 if self.warns else 0}}")
        number = result.median / self.scale
        if self.trims:
            number = trim_sigfig(number, result.significant_figures)
        spread = ""
        if self.warns and result.has_warnings:
            spread = f" (! {result.iqr / result.median * 100:.0f}%)"
        return f"{number:>{width}.{decimals}f}{spread:>{7 if self.warns else 0}}"

    def _names(self) -> list[str]:
        """What stands before each row: where it was measured, if that differs, and its name."""
        places = {key[1] for key in self.keys}
        width = max(map(len, places)) if len(places) > 1 else 0
        names, before = [], None
        for threads, env, name in self.keys:
            shown = f"({env})" if len(places) > 1 and (threads, env) != before else ""
            names.append("  " + shown.ljust(width + 4) + name)
            before = threads, env
        return names

    def _best(self, row: int, column: int) -> float:
        if self.colors is Colorize.ROWWISE:
            return min(result.median for result in self.rows[row] if result)
        threads = self.keys[row][0]
        rows = zip(self.rows, self.keys, strict=True)
        same = [others[column] for others, key in rows if key[0] == threads]
        return min(result.median for result in same if result)

    def _colored(self, text: str, row: int, column: int) -> str:
        result = self.rows[row][column]
        if self.colors is Colorize.NONE or result is None:
            return text
        value, best = result.median, self._best(row, column)
        if value <= max(best * 1.01, best + 100e-9):
            return _BEST + _BOLD + text + _END * 2
        if value <= best * 1.1:
            return _GOOD + _BOLD + text + _END * 2
        if value >= best * 5:
            return _WORST + _BOLD + text + _END * 2
        return _BAD + text + _END * 2 if value >= best * 2 else text

    def render(self) -> str:
        """The table as text."""
        cells = [list(map(self._cell, row, self.places)) for row in self.rows]
        heads = ["", *(str(name or "") for name in self.columns)]
        lines = [heads, *([name, *row] for name, row in zip(self._names(), cells, strict=True))]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        shown = ["  |  ".join(map(str.center, heads, widths))]
        total = len(shown[0])
        for number, (name, *row) in enumerate(lines[1:]):
            threads = self.keys[number][0]
            if number == 0 or self.keys[number - 1][0] != threads:
                shown.append(f"{threads} threads: ".ljust(total, "-"))
            middle = map(str.center, row, widths[1:])
            parts = [self._colored(text, number, place) for place, text in enumerate(middle)]
            shown.append("  |  ".join([name.ljust(widths[0]), *parts]))
        label = self.results[0].label or ""
        end = f"Times are in {unit_to_english(self.unit)}s ({self.unit}).\n"
        if self.warns:
            end += "(! XX%) Measurement has high variance, where XX is the IQR / median * 100.\n"
        return "\n".join([f"[{f' {label} '.center(total - 2, '-')}]", *shown, "", end])
