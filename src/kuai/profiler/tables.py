"""The table of a profile, with PyTorch's columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["table_of", "time_text"]

_WIDTH, _GAP = 12, "  "
_UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0}


def time_text(microseconds: float, unit: str | None = None) -> str:
    """A time in the unit that suits it.

    Example:
        >>> time_text(1234.5), time_text(12), time_text(12, "ms")
        ('1.234ms', '12.000us', '0.012ms')
    """
    if unit is None:
        unit = next((u for u, size in _UNITS.items() if microseconds >= size), "us")
    return f"{microseconds / _UNITS[unit]:.3f}{unit}"


def _memory_text(size: int) -> str:
    for unit, power in (("GB", 3), ("MB", 2), ("KB", 1)):
        if abs(size) >= 1024**power:
            return f"{size / 1024**power:.2f} {unit}"
    return f"{size} B"


def _share(part: float, whole: float) -> str:
    return f"{part * 100 / whole:.2f}%" if whole else "NaN"


def table_of(
    events: list,
    rows: list,
    total: float,
    widths: dict[str, int],
    header: str | None,
    unit: str | None,
    memory: bool,
    flops: bool,
) -> str:
    """The rows as text, and the sum of all events below them."""
    if not events:
        return ""
    columns = _columns(total, unit, memory)
    if any(event.input_shapes for event in events):
        columns["Input Shapes"] = lambda event: str(event.input_shapes)
    if flops:
        scale, name = _scale(max(event.flops for event in events))
        columns[name] = lambda event: f"{event.flops / scale:.3f}" if event.flops else "--"
    cells = [[column(event) for column in columns.values()] for event in rows]
    limits = [widths.get(title) for title in columns]
    cells = [[_cut(cell, limit) for cell, limit in zip(r, limits, strict=True)] for r in cells]
    end = f"Self CPU time total: {time_text(total, unit)}\n"
    return _drawn(list(columns), cells, limits, header, end)


def _columns(total: float, unit: str | None, memory: bool) -> dict[str, Callable[[Any], str]]:
    columns: dict[str, Callable[[Any], str]] = {
        "Name": lambda event: str(event.key),
        "Self CPU %": lambda event: _share(event.self_cpu_time_total, total),
        "Self CPU": lambda event: time_text(event.self_cpu_time_total, unit),
        "CPU total %": lambda event: _share(event.cpu_time_total, total),
        "CPU total": lambda event: time_text(event.cpu_time_total, unit),
        "CPU time avg": lambda event: time_text(event.cpu_time, unit),
    }
    if memory:
        columns["CPU Mem"] = lambda event: _memory_text(event.cpu_memory_usage)
        columns["Self CPU Mem"] = lambda event: _memory_text(event.self_cpu_memory_usage)
    return columns | {"# of Calls": lambda event: str(event.count)}


def _scale(most: int) -> tuple[float, str]:
    for power, name in ((12, "TFLOPs"), (9, "GFLOPs"), (6, "MFLOPs"), (3, "KFLOPs")):
        if most >= 10**power:
            return 10.0**power, f"Total {name}"
    return 1.0, "Total FLOPs"


def _cut(text: str, limit: int | None) -> str:
    return text if limit is None or len(text) <= limit else text[: limit - 3] + "..."


def _drawn(titles: list, cells: list, limits: list, header: str | None, end: str) -> str:
    sizes = []
    for place, limit in enumerate(limits):
        longest = max((len(row[place]) for row in cells), default=0)
        sizes.append(_WIDTH if limit is None else max(longest + 4, len(titles[place])))
    line = _GAP.join("-" * size for size in sizes) + _GAP
    lines = [line, _row(titles, sizes), line, *(_row(row, sizes) for row in cells), line, end]
    if header is not None:
        lines = ["-" * len(line), header, *lines]
    return "\n".join(lines)


def _row(cells: list, sizes: list) -> str:
    return _GAP.join(cell.rjust(size) for cell, size in zip(cells, sizes, strict=True)) + _GAP
