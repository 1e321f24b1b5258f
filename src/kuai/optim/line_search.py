"""Line search: a step along a direction that satisfies the strong Wolfe conditions.

f(t) ≤ f(0) + c₁ t f'(0) and |f'(t)| ≤ c₂ |f'(0)|. First the step grows until an interval must hold
such a point; then the interval shrinks by cubic interpolation between its ends.

Reference: Nocedal & Wright, Numerical Optimization, 2006, algorithms 3.5 and 3.6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Point", "strong_wolfe"]

_LEAST_DECREASE, _SLOPE_RATIO = 1e-4, 0.9  # c₁ and c₂


class Point(NamedTuple):
    """A step along the direction, and what the function is there."""

    step: float
    loss: float
    gradient: Any
    slope: float  # along the direction


class _Search:
    """The state of one search: where it started, and how often the function was evaluated."""

    def __init__(self, evaluate, start, most):
        self.evaluate, self.start, self.most = evaluate, start, most
        self.rounds = 0

    def is_high(self, point):
        """Whether the function has not decreased enough."""
        start = self.start
        return point.loss > start.loss + _LEAST_DECREASE * point.step * start.slope

    def is_flat(self, point):
        """Whether the slope is small enough."""
        return abs(point.slope) <= -_SLOPE_RATIO * self.start.slope

    def next(self, step):
        """The point at another step."""
        self.rounds += 1
        return self.evaluate(step)


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    step: float,
    size: float,
    most: int,
    tolerance: float = 1e-9,
) -> tuple[Point, int]:
    """A point that satisfies the strong Wolfe conditions, or the best one found.

    Args:
        evaluate: gives the point at a step.
        start: the point at step 0.
        step: the first step to try.
        size: the largest element of the direction.
        most: how many more steps may be tried.
        tolerance: when the interval is too short to go on.

    Returns:
        The point, and how often the function was evaluated.
    """
    search = _Search(evaluate, start, most)
    ends, done = _bracketed(search, evaluate(step))
    if not done:
        ends = _zoomed(search, ends, size, tolerance)
    return ends[_lower(ends)], search.rounds + 1


def _bracketed(search, point):
    """The ends of an interval that holds a good point, or such a point and True."""
    previous = search.start
    while search.rounds < search.most:
        rises = search.rounds > 1 and point.loss >= previous.loss
        if search.is_high(point) or rises:
            return [previous, point], False
        if search.is_flat(point):
            return [point], True
        if point.slope >= 0:
            return [previous, point], False
        bounds = point.step + 0.01 * (point.step - previous.step), point.step * 10
        step = _cubic_minimum(previous, point, *bounds)
        previous, point = point, search.next(step)
    return [search.start, point], False


def _lower(ends):
    return 0 if ends[0].loss <= ends[-1].loss else 1


def _zoomed(search, ends, size, tolerance):
    """Shrink the interval until one end is a good point, and return the ends."""
    low, stuck = _lower(ends), False
    while search.rounds < search.most:
        if abs(ends[1].step - ends[0].step) * size < tolerance:
            break
        step, stuck = _kept_inside(_cubic_minimum(*ends), ends, stuck)
        point = search.next(step)
        if search.is_high(point) or point.loss >= ends[low].loss:
            ends[1 - low] = point
            low = _lower(ends)
            continue
        if search.is_flat(point):
            return [point]
        if point.slope * (ends[1 - low].step - ends[low].step) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = point
    return [ends[low]]


def _kept_inside(step, ends, stuck):
    """A step away from the ends, if it keeps coming too near to them."""
    left, right = sorted((ends[0].step, ends[1].step))
    margin = 0.1 * (right - left)
    if min(right - step, step - left) >= margin:
        return step, False
    if stuck or step >= right or step <= left:
        nearer = abs(step - right) < abs(step - left)
        return (right - margin if nearer else left + margin), False
    return step, True


def _cubic_minimum(a, b, low=None, high=None):
    """Where the cubic through two points with their slopes is smallest, within bounds."""
    if low is None or high is None:
        low, high = sorted((a.step, b.step))
    with np.errstate(all="ignore"):  # what is no number is outside all bounds
        x1, f1, g1 = (np.float64(value) for value in (a.step, a.loss, a.slope))
        x2, f2, g2 = (np.float64(value) for value in (b.step, b.loss, b.slope))
        first = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
        square = first**2 - g1 * g2
        if not square >= 0:
            return (low + high) / 2
        second = np.sqrt(square)
        if x1 <= x2:
            least = x2 - (x2 - x1) * ((g2 + second - first) / (g2 - g1 + 2 * second))
        else:
            least = x1 - (x1 - x2) * ((g1 + second - first) / (g1 - g2 + 2 * second))
    return float(min(max(least, low), high))
