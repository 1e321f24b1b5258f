"""What a derivative needs beside tensors: masks, places and weights, made of shapes and numbers.

PyTorch makes them when a backward pass comes, so they are no saved tensors: the graph below `tril`,
`pad` or `interpolate` may be walked again after a pass has freed it. XLA makes them in the forward
program, and they are freed like all that it has returned. Where somebody walks such a graph again
they are computed once more.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jax.interpreters.partial_eval import dce_jaxpr

from kuai.engine.autograd.residuals import Residuals, as_tuple
from kuai.engine.tensor.calls import plainly
from kuai.engine.tensor.placeholder import INEXACT

__all__ = ["again", "is_made_of_numbers"]


def is_made_of_numbers(entry, layout, inputs) -> bool:
    """Whether what the backward pass reads depends on shapes and Python's numbers alone."""
    return bool(_constants(entry, layout, inputs))


def _constants(entry, layout, inputs):
    if "constants" not in layout.second:
        layout.second["constants"] = entry.compiled and _Constants.of(entry, inputs)
    return layout.second["constants"]


def again(entry, layout, inputs):
    """The inputs, with zeros for tensors, and what is saved; None if that depends on tensors."""
    constants = _constants(entry, layout, inputs)
    if not constants:
        return None
    return list(map(_filled, inputs)), Residuals(constants.leaves(inputs), constants.layout)


class _Constants:
    """The residuals of an operation whose backward pass reads nothing that is a tensor's.

    Args:
        function: gives those that the backward pass reads and that are no inputs.
        used: the positions of the inputs, all of them numbers, that `function` takes.
        needed: of each residual, whether the backward pass reads it.
    """

    def __init__(self, function, used, layout, needed):
        self.function, self.used, self.layout, self.needed = function, used, layout, needed

    @classmethod
    def of(cls, entry, inputs):
        """Them, or None if the backward pass depends on a tensor."""
        with plainly():
            closed, made = jax.make_jaxpr(entry.forward.function, return_shape=True)(*inputs)
        results, residuals = made
        layout = residuals.layout
        needed = _read_by_backward(layout)
        each = list(zip(layout.sources, needed, strict=True))
        wanted = [False] * len(as_tuple(results)) + [there for source, there in each if source < 0]
        jaxpr, used = dce_jaxpr(closed.jaxpr, wanted)
        used = [position for position, there in enumerate(used) if there]
        kept = [source for source, there in each if there and source >= 0]
        if any(isinstance(inputs[position], jax.ShapeDtypeStruct) for position in (*used, *kept)):
            return None
        function = jax.jit(jaxpr_as_fun(ClosedJaxpr(jaxpr, closed.consts)))
        return cls(function, used, layout, needed)

    def leaves(self, inputs):
        """What was saved, as far as it is read; zeros for the rest."""
        made = iter(self.function(*[inputs[position] for position in self.used]))
        found = []
        for source, kind, there in zip(
            self.layout.sources, self.layout.types, self.needed, strict=True
        ):
            found.append((next(made) if source < 0 else inputs[source]) if there else _filled(kind))
        return found


def _read_by_backward(layout):
    """Of each residual, whether a backward pass with all cotangents reads it."""
    given = tuple([kind.kind in INEXACT for _, kind in layout.outputs])
    cotangents = [jax.ShapeDtypeStruct(*o) for o in layout.outputs if o[1].kind in INEXACT]
    with plainly():
        closed = jax.make_jaxpr(layout.backward_of(given))(*layout.types, *cotangents)
    _, used = dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    each = zip(layout.types, used[: len(layout.types)], strict=True)
    return [there or not isinstance(kind.dtype, np.dtype) for kind, there in each]


def _filled(value):
    return jnp.zeros(value.shape, value.dtype) if hasattr(value, "shape") else value
