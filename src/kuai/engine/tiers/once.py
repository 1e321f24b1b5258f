"""Once: a trace that a few calls are interpreted from, before it is worth compiling.

Steps of a record that is run without a program have to give the very results of the trace that
described them. So that is interpreted as it stands. The rules are those of `tiered`.
"""

from typing import Any

from kuai.engine.tiers.plan import Plan, Recipe
from kuai.engine.tiers.rules import NotInterpretable
from kuai.engine.tiers.tiered import allowed_calls

__all__ = ["Once"]

_LARGEST = 2**63  # integers from here on do not fit into 64 bits


class Once:
    """A closed jaxpr that is interpreted a few times."""

    __slots__ = ("_closed", "_left", "_plan")

    def __init__(self, closed):
        self._closed: Any = closed  # None once there is a plan, or will be none
        self._plan: Any = None
        self._left = 0

    def run(self, values):
        """The results in one row, as NumPy arrays, or None if it is time to compile.

        Args:
            values: arrays that lie on one CPU, and numbers.
        """
        if self._closed is not None:
            self._make_plan()
        if self._left <= 0 or any(
            [type(v) is int and not -_LARGEST <= v < _LARGEST for v in values]
        ):
            return None
        self._left -= 1
        try:
            return self._plan.run(values)
        except NotInterpretable:  # a rule that was not exact after all: never again here
            self._left = 0
            return None

    def _make_plan(self):
        closed, self._closed = self._closed, None
        if any(v.aval.weak_type for v in closed.jaxpr.outvars):
            return
        try:
            self._plan = Plan(Recipe(closed), {})
        except Exception:  # noqa: BLE001 - the compiled way says what is wrong, or does it
            return
        self._left = allowed_calls(self._plan)
