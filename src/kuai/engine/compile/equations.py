"""A trace taken apart into equations, and equations put together into executables.

The trace is a list of equations in which placeholders mark the inputs. An executable runs equations
again, without any Python of the user's, under `jax.jit`, where the inputs are arguments.
"""

import functools

import jax
from jax.extend.core import Literal

from kuai.engine import compile as compiling
from kuai.engine.autograd.tracing import placeholder
from kuai.engine.compile.additions import additions
from kuai.engine.compile.binding import bound, named, scope_of
from kuai.engine.compile.calls import Search, called, environment_of
from kuai.engine.cpu_reductions import MOST_DIMENSIONS, options_for_many_dimensions

__all__ = ["Equations", "executable", "interpret", "needs_much_memory"]


_LARGE = 2**25  # bytes, of all values together; as XLA reuses memory, some 8 MiB at a time


class Equations:
    """A trace taken apart: variables of the inputs, constants, early and late equations."""

    def __init__(self, closed, first_late):
        self.constants = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
        self.inputs, self.early, self.late = {}, [], []
        self.late_variables = set()
        for equation in closed.jaxpr.eqns:
            if equation.primitive is placeholder:
                index, variable = equation.params["index"], equation.outvars[0]
                self.inputs[index] = variable
                if index >= first_late:
                    self.late_variables.add(variable)
            elif any(v in self.late_variables for v in _variables(equation.invars)):
                self.late.append(equation)
                self.late_variables.update(equation.outvars)
            else:
                self.early.append(equation)

    def residuals(self, wanted):
        """The early variables that the late equations, or the wanted results, need."""
        known = {*self.constants, *self.late_variables}
        needed = [v for e in self.late for v in _variables(e.invars)] + list(_variables(wanted))
        return list(dict.fromkeys(v for v in needed if v not in known))


def _variables(atoms):
    return (atom for atom in atoms if not isinstance(atom, Literal))


def executable(name, closed, donated, kept, written, wanted):
    """A closed jaxpr as a compiled function of two tuples of arrays, the first of which is donated.

    It gives the written values, in the memory of the donated arrays, and the wanted ones. All of
    these are given as variables of the jaxpr.
    """
    equations = closed.jaxpr.eqns
    constants = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    variables, everything = (*donated, *kept), [*written, *wanted]
    run = _interpreter(equations)

    def program(donated, kept):
        environment = {**constants, **dict(zip(variables, (*donated, *kept), strict=True))}
        results = run(equations, environment, everything)
        return tuple(results[: len(written)]), tuple(results[len(written) :])

    program.__name__ = program.__qualname__ = name
    options = _options(donated, closed.jaxpr)
    # an input that is not used still says where the results lie
    return jax.jit(program, donate_argnums=0, keep_unused=True, compiler_options=options)


def needs_much_memory(jaxpr) -> bool:
    """Whether a program needs much memory of a CPU for its intermediate results."""
    made = sum(_bytes(variable) for equation in jaxpr.eqns for variable in equation.outvars)
    return made >= _LARGE and jax.default_backend() == "cpu"


def _interpreter(equations):
    """What runs equations, by whether a library for the machine has a part in them."""
    added = additions()
    if Search(lambda e: e.primitive.name in added.channels_last).is_in(equations):
        return functools.partial(compiling.layouts.interpret_channels_last, additions=added)
    search = Search(added.computes)
    if search.is_in(equations):
        return functools.partial(interpret, results=_Added(added, search))
    return interpret


def _has_many_dimensions(equation) -> bool:
    atoms = [*equation.invars, *equation.outvars]
    return any([getattr(atom.aval, "ndim", 0) > MOST_DIMENSIONS for atom in atoms])


def _bytes(atom) -> int:
    aval = atom.aval
    return aval.size * aval.dtype.itemsize if hasattr(aval, "size") else 0


def _options(donated, jaxpr) -> dict[str, bool | str] | None:
    """What XLA is told about a program on a CPU.

    Numbers of 16 bits are rounded wherever an operation gives them, as they are without a program:
    otherwise some roundings are left out, and a step under autocast differs from its Python in the
    third digit. And XLA copies a weight that the optimizer is to write unless it is shown to look
    closely: the weight is read once more, for the gradient of the layer's input.
    """
    if jax.default_backend() != "cpu":
        return None
    options: dict[str, bool | str] = {"xla_allow_excess_precision": False}
    if Search(_has_many_dimensions).is_in(jaxpr.eqns):
        options |= options_for_many_dimensions()
    if donated:
        options["xla_cpu_copy_insertion_use_region_analysis"] = True
    if compiling.fusion.recomputes_much(jaxpr):
        options["xla_disable_hlo_passes"] = "fusion"
    return options


def interpret(equations, environment, wanted, results=bound):
    """The wanted values, by running equations on an environment of variables and arrays.

    Args:
        results: Of an equation and its arguments.
    """

    def read(atom):
        return atom.val if isinstance(atom, Literal) else environment[atom]

    for equation in equations:
        with scope_of(equation):
            made = results(equation, list(map(read, equation.invars)))
        environment.update(zip(equation.outvars, made, strict=True))
    return [read(atom) for atom in wanted]


class _Added:
    """Results where additions compute some: calls of programs with such equations are opened."""

    def __init__(self, added, search):
        self.added, self.search = added, search

    def __call__(self, equation, arguments):
        inner = called(equation) if self.search.is_inside(equation) else None
        if inner is None:
            return self.added.results(equation, arguments)
        name = equation.params.get("name")
        with named(f"jit({name})" if name else ""):
            environment, wanted = environment_of(inner, arguments), inner.jaxpr.outvars
            return interpret(inner.jaxpr.eqns, environment, wanted, self)
