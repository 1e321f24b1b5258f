"""Symbolic sizes: which sizes of a call are left open in a trace, and numbers put in their place.

An operation that has been traced for one set of shapes is traced once more when it meets others:
the sizes that differ from those of the nearest call are then symbols, each of at least two. Sizes
that changed from the same number to the same number are one symbol, as `T` is in the `T x T` scores
of a sequence. All other sizes stay numbers: most of what operations ask about sizes (is it 1? does
it equal that one?) then has an answer. Where it has none, JAX refuses to trace, and the shapes are
traced one by one.
"""

import functools
import itertools
from typing import Any

from jax import export

__all__ = ["Pattern", "concrete", "has_symbols", "opened"]

_MOST_SYMBOLS = 4
_names = itertools.count()


class Pattern:
    """Shapes in which some sizes are symbols.

    Attributes:
        shapes: the shapes; sizes are numbers or symbols.
    """

    def __init__(self, shapes, names):
        self.shapes = shapes
        self.names = names

    def match(self, shapes):
        """The number of each symbol in these shapes, or None if they do not fit."""
        found = {}
        for mine, other in zip(self.shapes, shapes, strict=True):
            if mine is None:
                continue
            for size, number in zip(mine, other, strict=True):
                if type(size) is int:
                    if size != number:
                        return None
                elif number < 2 or found.setdefault(str(size), number) != number:
                    return None
        return found


def opened(shapes, seen):
    """The pattern in which sizes that differ from the nearest of `seen` are symbols, or None."""
    nearest = min((_changes(before, shapes) for before in seen), key=len, default=None)
    if not nearest or len(nearest) > _MOST_SYMBOLS or any(new < 2 for _, new in nearest):
        return None
    before = next(each for each in seen if _changes(each, shapes) == nearest)
    order = sorted(nearest)
    names = [f"s{next(_names)}" for _ in order]
    scope = export.SymbolicScope([f"{name} >= 2" for name in names])
    symbols = export.symbolic_shape(",".join(names), scope=scope)
    by_change = dict(zip(order, symbols, strict=True))
    made = []
    for old, new in zip(before, shapes, strict=True):
        if new is None:
            made.append(None)
            continue
        made.append(tuple(n if o == n else by_change[o, n] for o, n in zip(old, new, strict=True)))
    return Pattern(made, names)


def _changes(before, now):
    """The pairs of different sizes at the same place."""
    return {
        (old, new)
        for one, other in zip(before, now, strict=True)
        if one is not None
        for old, new in zip(one, other, strict=True)
        if old != new
    }


# Numbers for symbols ------------------------------------------------------------------------------


def concrete(value, sizes) -> Any:
    """A parameter of an equation with numbers for symbols."""
    kind = type(value)
    if kind in (int, bool, str, float) or value is None:
        return value
    if kind is dict:
        return {key: concrete(each, sizes) for key, each in value.items()}
    if not sizes:
        return value
    if isinstance(value, (tuple, list)):
        made = [concrete(each, sizes) for each in value]
        return kind(*made) if hasattr(value, "_fields") else kind(made)
    if export.is_symbolic_dim(value):
        return _expression(str(value))(sizes)
    return value


def has_symbols(value) -> bool:
    """Whether there is a symbol in a parameter of an equation."""
    if type(value) is dict:
        return any(map(has_symbols, value.values()))
    if isinstance(value, (tuple, list)):
        return any(map(has_symbols, value))
    return export.is_symbolic_dim(value)


def _floordiv(one, other):
    return one // other


def _mod(one, other):
    return one % other


_OPERATIONS = {"floordiv": _floordiv, "mod": _mod, "max": max, "min": min, "__builtins__": {}}


@functools.lru_cache(maxsize=4096)
def _expression(text):
    """A function of numbers by their names for an expression as JAX prints it."""
    code = compile(text.replace("^", "**"), "<size>", "eval")
    return lambda sizes: int(eval(code, _OPERATIONS, sizes))
