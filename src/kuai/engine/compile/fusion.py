"""How much a program would compute again and again if XLA fused all that it can.

On a CPU, XLA fuses elementwise operations into the loops of those who read their results, for every
reader anew. A value that is made of the last one by cheap arithmetic and read twice in each turn of
a loop, as the cell state of an LSTM is, is then computed from its beginning for each reader: the
code, and the time to compile it, grow with the square of the number of turns.
"""

import collections
import itertools

from jax.extend.core import Literal

from kuai.engine.compile.calls import called

__all__ = ["recomputes_much"]

_CHEAP = frozenset(
    "abs add add_any and broadcast_in_dim ceil clamp concatenate convert_element_type copy eq "
    "expand_dims floor ge gt imag integer_pow is_finite le lt max min mul ne neg not or pad real "
    "reduce_precision reshape rev round select_n shift_left sign slice squeeze square "
    "stop_gradient sub transpose xor".split()
)
# what XLA computes once if it is read several times
_EXPENSIVE = frozenset(
    "acos acosh asin asinh atan atan2 atanh cbrt cos cosh div erf erf_inv erfc exp exp2 expm1 log "
    "log1p logistic pow rem rsqrt sin sinh sqrt tan tanh".split()
)
_MOST = 512  # operations computed for one reader; XLA, too, stops somewhere
_SHORTEST = 1000  # equations; less is compiled soon, whatever it is
_TIMES = 8  # pooling's gradients, which run faster joined, reach 6


def recomputes_much(jaxpr) -> bool:
    """Whether joining would have a program compute its elementwise part many times over."""
    equations = _flat(jaxpr)
    if len(equations) < _SHORTEST:
        return False
    uses = collections.Counter(v for _, arguments, _ in equations for v in arguments)
    stored = {v for name, found, _ in equations if not _is_joined(name) for v in found}
    behind: dict[int, int] = {}  # operations that a reader of a value computes, too
    elementwise = total = 0
    for name, arguments, results in equations:
        if not _is_joined(name):
            continue
        elementwise += 1
        size = min(1 + sum([behind.get(v, 0) for v in arguments]), _MOST)
        (result,) = results
        if result in stored or (name in _EXPENSIVE and uses[result] > 1):
            total += size
        else:
            behind[result] = size
    return total > _TIMES * elementwise


def _is_joined(name) -> bool:
    return name in _CHEAP or name in _EXPENSIVE


def _flat(jaxpr) -> list[tuple]:
    """(name, numbers of arguments, numbers of results) of all equations, also those in calls."""
    found: list[tuple] = []
    numbers = itertools.count()

    def add(jaxpr, known):
        def number(atom):
            if atom not in known:
                known[atom] = next(numbers)
            return known[atom]

        for equation in jaxpr.eqns:
            arguments = [None if isinstance(v, Literal) else number(v) for v in equation.invars]
            inner = called(equation)
            if inner is None:
                arguments = [n for n in dict.fromkeys(arguments) if n is not None]
                found.append(
                    (equation.primitive.name, arguments, list(map(number, equation.outvars)))
                )
                continue
            inside = dict(zip(inner.jaxpr.invars, arguments, strict=True))
            add(inner.jaxpr, inside)
            for result, outside in zip(inner.jaxpr.outvars, equation.outvars, strict=True):
                is_constant = isinstance(result, Literal) or inside.get(result) is None
                known[outside] = next(numbers) if is_constant else inside[result]

    add(jaxpr, {})
    return found
