"""The curves of a run as a picture."""

from __future__ import annotations

import io
import os
from typing import Any

from kuai.saving import write_atomically

__all__ = ["draw_curves"]

_INK, _GRID = "#333333", "#dddddd"
_COLOURS = {"train": "#4477aa", "test": "#cc6677"}  # told apart also by the colour-blind


def draw_curves(history: list[dict[str, Any]], path: str | os.PathLike) -> None:
    """Loss and accuracy by epoch, for training and test data, as a PNG file."""
    # without pyplot: no window system and no global state
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=120, layout="constrained")
    epochs = [numbers["epoch"] for numbers in history]
    for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        curves = {part: [numbers[f"{part}_{what}"] for numbers in history] for part in _COLOURS}
        highest = max(curves, key=lambda part: curves[part][-1])
        for part, values in curves.items():
            colour = _COLOURS[part]
            axes.plot(epochs, values, color=colour, marker="o", markersize=3, label=part)
            axes.annotate(
                f"{values[-1]:.3f}",
                (epochs[-1], values[-1]),
                xytext=(6, 2 if part == highest else -8),
                textcoords="offset points",
                color=colour,
                fontsize=8,
                annotation_clip=False,
            )
        _style(axes, what)
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    write_atomically(path, content.getvalue())


def _style(axes: Any, what: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(what.capitalize(), color=_INK)
    axes.set_xlabel("epoch", color=_INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.04)
    axes.legend(frameon=False)
    if what == "loss":
        axes.set_ylim(bottom=0)
