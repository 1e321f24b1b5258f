"""Equations that do nothing but call a program of other equations."""

from collections.abc import Callable, Iterable

__all__ = ["Search", "called", "environment_of"]

_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}


def called(equation):
    """The closed jaxpr that an equation calls, or None."""
    found = equation.params.get(_CALLS.get(equation.primitive.name))
    return found if hasattr(found, "consts") else None


def environment_of(closed, arguments) -> dict:
    """What the variables of a closed jaxpr are at the beginning of a call."""
    environment = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    environment.update(zip(closed.jaxpr.invars, arguments, strict=True))
    return environment


class Search:
    """Looks for equations, inside of calls too; each called jaxpr is looked through once.

    Args:
        is_wanted: Of an equation.
    """

    def __init__(self, is_wanted: Callable[..., bool]):
        self.is_wanted, self.known = is_wanted, {}

    def is_in(self, equations: Iterable) -> bool:
        return any([self.is_wanted(e) or self.is_inside(e) for e in equations])

    def is_inside(self, equation) -> bool:
        """Whether the equation calls a program that has one."""
        inner = called(equation)
        if inner is None:
            return False
        found = self.known.get(id(inner.jaxpr))
        if found is None:
            found = self.known[id(inner.jaxpr)] = self.is_in(inner.jaxpr.eqns)
        return found
