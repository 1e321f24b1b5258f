"""Plans: a traced program as a row of NumPy calls, for one set of sizes.

A plan is made of a closed jaxpr once for each set of sizes: programs held by the jaxpr are written
out where they only run, symbolic sizes in parameters become numbers, and every equation becomes a
function of NumPy arrays by its rule (see `rules`). Running it is one loop over a row of slots.

What it costs is estimated while it is made, so that nobody interprets what takes long.
"""

import jax
import numpy as np
from jax.extend import core

from kuai.engine.tiers import control, elementwise, indexing, reducing, shaping  # noqa: F401
from kuai.engine.tiers.costs import cost_of
from kuai.engine.tiers.rules import RULES, Equation, NotInterpretable, Type
from kuai.engine.tiers.sizes import concrete

__all__ = ["Plan"]

_OF_KEYS = frozenset(("slice", "squeeze", "reshape"))
_KINDS = frozenset("biuf")


def _takes_keys(name):
    """Whether a rule does the same to keys, which are pairs of words, as to numbers."""
    return name is not None and (name.startswith("random_") or name in _OF_KEYS)


class Plan:
    """Runs a traced program on NumPy arrays.

    Attributes:
        outputs: the types of the results.
        cost: an estimate of what a run takes, in seconds.
    """

    def __init__(self, closed, sizes):
        self.sizes = sizes  # name of a symbolic size -> number
        self.slots, self.numbers, self.steps, self.cost = [], {}, [], 0.0
        jaxpr = closed.jaxpr
        if closed.effects:
            raise NotInterpretable("effects")
        self.kinds = [self._type(v.aval).dtype for v in jaxpr.invars]
        self.inputs = [self._new_slot(v) for v in jaxpr.invars]
        self._constants(jaxpr.constvars, closed.consts)
        self._write_out(jaxpr)
        self.results = [self._slot(v) for v in jaxpr.outvars]
        self.outputs = [self._type(v.aval) for v in jaxpr.outvars]
        self.numbers = None

    def __call__(self, *arrays):
        slots = self.slots.copy()
        for slot, array in zip(self.inputs, arrays, strict=True):
            slots[slot] = array
        for function, arguments, results in self.steps:
            made = function(*[slots[i] for i in arguments])
            if type(results) is int:
                slots[results] = made
            else:
                for slot, array in zip(results, made, strict=True):
                    slots[slot] = array
        return [slots[i] for i in self.results]

    def run(self, values):
        """The results for arrays of any library and numbers, as NumPy arrays.

        Raises:
            NotInterpretable: a result is not what it should be.
        """
        arrays = [np.asarray(v, kind) for v, kind in zip(values, self.kinds, strict=True)]
        with np.errstate(all="ignore"):
            made = [np.asarray(array) for array in self(*arrays)]
        for array, kind in zip(made, self.outputs, strict=True):
            if array.shape != kind.shape or array.dtype != kind.dtype:
                raise NotInterpretable("a result")
        return made

    # Making it --------------------------------------------------------------------------------

    def _new_slot(self, variable, value=None):
        self.slots.append(value)
        self.numbers[variable] = len(self.slots) - 1
        return len(self.slots) - 1

    def _slot(self, atom):
        if isinstance(atom, core.Literal):
            return self._constant(np.asarray(atom.val, atom.aval.dtype))
        return self.numbers[atom]

    def _constant(self, value):
        value.flags.writeable = False
        self.slots.append(value)
        return len(self.slots) - 1

    def _constants(self, variables, values):
        for variable, value in zip(variables, values, strict=True):
            if isinstance(value, jax.core.Tracer) or not hasattr(value, "dtype"):
                raise NotInterpretable("a constant")
            if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
                raise NotInterpretable("a key")
            self.numbers[variable] = self._constant(np.array(value))

    def _write_out(self, jaxpr):
        for equation in jaxpr.eqns:
            name, held = equation.primitive.name, None
            if name in control.INLINED:
                held = equation.params[control.INLINED[name]]
            elif name == "cond" and isinstance(equation.invars[0], core.Literal):
                held = equation.params["branches"][int(equation.invars[0].val)]
                self._inline(held, equation.invars[1:], equation.outvars)
                continue
            if held is not None:
                self._inline(held, equation.invars, equation.outvars)
            else:
                self._add(name, equation)

    def _inline(self, held, inputs, outputs):
        """Write a held program out in place."""
        jaxpr = getattr(held, "jaxpr", held)
        before = self.numbers
        inner = {v: self._slot(a) for v, a in zip(jaxpr.invars, inputs, strict=True)}
        self.numbers = inner
        self._constants(jaxpr.constvars, getattr(held, "consts", ()))
        self._write_out(jaxpr)
        found = [self._slot(v) for v in jaxpr.outvars]
        self.numbers = before
        before.update(zip(outputs, found, strict=True))

    def _add(self, name, equation):
        make = RULES.get(name)
        if make is None and name != "dim_as_value":
            raise NotInterpretable(name)
        inputs = [self._type(v.aval, name) for v in equation.invars]
        outputs = [self._type(v.aval, name) for v in equation.outvars]
        if name == "dim_as_value":
            value = np.array(concrete(equation.params["dim"], self.sizes), outputs[0].dtype)
            self.numbers[equation.outvars[0]] = self._constant(value)
            return
        params = concrete(dict(equation.params), self.sizes)
        made = Equation(name, params, inputs, outputs, self._lower)
        function = make(made)
        self.cost += cost_of(made)
        arguments = [self._slot(v) for v in equation.invars]
        results = [self._new_slot(v) for v in equation.outvars]
        single = not equation.primitive.multiple_results
        self.steps.append((function, arguments, results[0] if single else results))

    def _lower(self, closed):
        held = Plan(closed, self.sizes)
        self.cost += held.cost
        return held

    def _type(self, aval, name=None):
        shape = tuple([concrete(size, self.sizes) for size in getattr(aval, "shape", ())])
        dtype = getattr(aval, "dtype", None)
        if dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
            if str(dtype) != "key<fry>" or not _takes_keys(name):
                raise NotInterpretable("a key")
            return Type((*shape, 2), np.dtype(np.uint32))
        if dtype is None or (dtype.kind not in _KINDS and dtype.name != "bfloat16"):
            raise NotInterpretable("a dtype")
        return Type(shape, np.dtype(dtype))
