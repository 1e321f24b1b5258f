"""Plans: a traced program as a row of NumPy calls, for one set of sizes.

A *recipe* is made of a closed jaxpr once: programs held by the jaxpr are written out where they
only run. A *plan* is made of the recipe for each set of sizes: symbolic sizes in parameters become
numbers, and every equation becomes a function of NumPy arrays by its rule (see `rules`). Running it
is one loop over a row of slots.

What it costs is estimated while it is made, so that nobody interprets what takes long.
"""

import functools
import importlib
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from kuai.engine.tiers.costs import cost_of
from kuai.engine.tiers.rules import RULES, Equation, NotInterpretable, Type
from kuai.engine.tiers.sizes import concrete, has_symbols

__all__ = ["Plan", "Recipe"]

_OF_KEYS = frozenset(("slice", "squeeze", "reshape"))
_ROWS = frozenset(("cond", "scan", "split", "unstack"))  # whose rules always give tuples
_KINDS = frozenset("biuf")


def _takes_keys(name):
    """Whether a rule does the same to keys, which are pairs of words, as to numbers."""
    return name is not None and (name.startswith("random_") or name in _OF_KEYS)


#: Primitives that only run the program they hold, and the parameter that it is.
INLINED = {
    "jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr", "remat": "jaxpr",
    "checkpoint": "jaxpr", "remat2": "jaxpr",
}  # fmt: skip


@functools.cache
def table():
    """The rules; they are read when the first plan is made, `import kuai` stays quick."""
    for file in ("control", "elementwise", "indexing", "reducing", "shaping"):
        importlib.import_module(f"kuai.engine.tiers.{file}")
    return RULES


class Recipe:
    """A traced program as a row of equations, with symbols for sizes wherever it has some.

    It is made once for each trace; a plan of it for each set of sizes.
    """

    def __init__(self, closed):
        self.slots, self.steps = [], []
        self.numbers: dict | Any = {}  # None once it is made
        jaxpr = closed.jaxpr
        if closed.effects:
            raise NotInterpretable("effects")
        self.types = [type_of(v.aval) for v in jaxpr.invars]
        self.inputs = [self._new_slot(v) for v in jaxpr.invars]
        self._constants(jaxpr.constvars, closed.consts)
        self._write_out(jaxpr)
        self.results = [self._slot(v) for v in jaxpr.outvars]
        self.outputs = [type_of(v.aval) for v in jaxpr.outvars]
        self.numbers = None
        self.is_random = any(step.name == "random_bits" for step in self.steps)

    def _new_slot(self, variable):
        self.slots.append(None)
        self.numbers[variable] = len(self.slots) - 1
        return len(self.slots) - 1

    def _slot(self, atom):
        if isinstance(atom, core.Literal):
            aval: Any = atom.aval
            return self._constant(np.asarray(atom.val, aval.dtype))
        return self.numbers[atom]

    def _constant(self, value):
        value.flags.writeable = False
        self.slots.append(value)
        return len(self.slots) - 1

    def _constants(self, variables, values):
        for variable, value in zip(variables, values, strict=True):
            if isinstance(value, jax.core.Tracer) or not hasattr(value, "dtype"):
                raise NotInterpretable("a constant")
            if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
                raise NotInterpretable("a key")
            self.numbers[variable] = self._constant(np.array(value))

    def _write_out(self, jaxpr):
        for equation in jaxpr.eqns:
            name = equation.primitive.name
            if name in INLINED:
                held = equation.params[INLINED[name]]
                self._inline(held, equation.invars, equation.outvars)
            elif name == "cond" and isinstance(equation.invars[0], core.Literal):
                held = equation.params["branches"][int(equation.invars[0].val)]
                self._inline(held, equation.invars[1:], equation.outvars)
            else:
                self._add(name, equation)

    def _inline(self, held, inputs, outputs):
        """Write a held program out in place."""
        jaxpr, before = getattr(held, "jaxpr", held), self.numbers
        self.numbers = {v: self._slot(a) for v, a in zip(jaxpr.invars, inputs, strict=True)}
        self._constants(jaxpr.constvars, getattr(held, "consts", ()))
        self._write_out(jaxpr)
        found = [self._slot(v) for v in jaxpr.outvars]
        self.numbers = before
        before.update(zip(outputs, found, strict=True))

    def _add(self, name, equation):
        if name not in table():
            raise NotInterpretable(name)
        inputs = [type_of(v.aval, name) for v in equation.invars]
        outputs = [type_of(v.aval, name) for v in equation.outvars]
        arguments = [self._slot(v) for v in equation.invars]
        results = [self._new_slot(v) for v in equation.outvars]
        results = results if len(results) != 1 else results[0]
        step = _Step(name, dict(equation.params), inputs, outputs, arguments, results)
        self.steps.append(step)


class _Step:
    """One equation of a recipe; without symbols in it, its function is made once."""

    def __init__(self, name, params, inputs, outputs, arguments, results):
        self.name, self.params, self.inputs, self.outputs = name, params, inputs, outputs
        self.arguments, self.results = arguments, results
        shapes = [each.shape for each in (*inputs, *outputs)]
        holds_programs = name in ("cond", "scan")
        self.fixed = not (holds_programs or has_symbols(shapes) or has_symbols(params))
        self.made = None

    def made_for(self, sizes):
        """Its function for some sizes, and what it costs."""
        if self.made is not None:
            return self.made
        costs = []

        def lower(closed):
            held = Plan(Recipe(closed), sizes)
            costs.append(held.cost)
            return held

        inputs = [each.with_numbers(sizes) for each in self.inputs]
        outputs = [each.with_numbers(sizes) for each in self.outputs]
        equation = Equation(self.name, concrete(self.params, sizes), inputs, outputs, lower)
        function = table()[self.name](equation)
        times = self.params.get("length", 1) if self.name == "scan" else 1
        if type(self.results) is int and self.name in _ROWS:
            function = _only(function)
        made = function, cost_of(equation) + times * sum(costs)
        if self.fixed:
            self.made = made
        return made


def _only(function):
    """The function, with the only result out of its tuple if it gives one."""

    def only(*arrays):
        made = function(*arrays)
        return made[0] if type(made) is tuple else made

    return only


class Plan:
    """Runs a recipe on NumPy arrays, for one set of sizes.

    Attributes:
        sizes: the numbers for symbols.
        outputs: the types of the results.
        cost: an estimate of what a run takes, in seconds.
        is_random: whether it draws random numbers, which takes long to compile.
    """

    def __init__(self, recipe, sizes):
        self.sizes, self.slots, self.is_random = sizes, recipe.slots, recipe.is_random
        self.inputs, self.results = recipe.inputs, recipe.results
        self.kinds = [each.dtype for each in recipe.types]
        self.outputs = [each.with_numbers(sizes) for each in recipe.outputs]
        self.steps, self.cost = [], 0.0
        for step in recipe.steps:
            function, cost = step.made_for(sizes)
            self.steps.append((function, step.arguments, step.results))
            self.cost += cost

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


def type_of(aval, name=None):
    """The type of a value; a key is a pair of words.

    Args:
        name: the primitive that takes or gives it, or None for the inputs and results of all.

    Raises:
        NotInterpretable: no primitive, or not this one, is done on such values.
    """
    shape, dtype = getattr(aval, "shape", ()), getattr(aval, "dtype", None)
    if dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key):
        if str(dtype) != "key<fry>" or not _takes_keys(name):
            raise NotInterpretable("a key")
        return Type((*shape, 2), np.dtype(np.uint32))
    if dtype is None or (dtype.kind not in _KINDS and dtype.name != "bfloat16"):
        raise NotInterpretable("a dtype")
    return Type(shape, np.dtype(dtype))
