"""Convolutions that compute what follows them, on a CPU by oneDNN.

    y = clamp(convolution(x, weight) * scale + shift + added, least, most)

Batch normalization by running statistics, the sum with a shortcut and ReLU or ReLU6 cost a pass
over the value each, or one together where XLA joins them. oneDNN has them done with each tile of
the value. The scale of a channel goes into the weight.

The kernel wants a bound of what it reads, and gives one of what it writes, see
`convolution_epilogue.cc`: this file hands these numbers on from one convolution to the next.
"""

import math

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import mlir

from kuai.engine.compile.additions import Deferred
from kuai.ops.native import channels_last, library
from kuai.ops.native.channels_last import is_partitioned
from kuai.ops.native.xla_convolution import convolve_on_xla

__all__ = ["Deferring"]

# The weight is read twice more. And what takes microseconds is not worth the kernel's preparations.
_LARGER, _SMALLEST = 4, 2**14


class Deferring:
    """Defers the convolutions of one program.

    Attributes:
        bounds: id of an array -> the array, which is kept so that ids stay unique, and its bound.
    """

    def __init__(self):
        self.bounds = {}

    def __call__(self, equation, arrays):
        """The result of an equation, deferred, or None."""
        if equation.primitive.name != channels_last.FORWARD:
            return None
        x, weight = arrays
        shape = equation.outvars[0].aval.shape
        size = math.prod(shape)
        is_worth_it = size >= max(_SMALLEST, _LARGER * weight.size)
        if x.dtype != jnp.float32 or not is_worth_it or not library.is_usable():
            return None
        return _Convolution(self, x, weight, equation.params["window"], shape)

    def bound_of(self, array):
        """A bound of an array's elements, infinite where it is not known."""
        known = self.bounds.get(id(array))
        return np.float32(np.inf) if known is None else known[1]


class _Convolution(Deferred):
    """A convolution and what follows it, so far."""

    def __init__(self, deferring, x, weight, window, shape, **after):
        self.deferring, self.x, self.weight, self.window = deferring, x, weight, window
        self.shape, self.after = shape, after
        self._array = None

    def _with(self, **more):
        return _Convolution(
            self.deferring, self.x, self.weight, self.window, self.shape, **{**self.after, **more}
        )

    def scaled(self, factors):
        if not self.after.keys() <= {"scale", "shift"}:
            return None
        more = {name: number * factors for name, number in self.after.items()}
        return self._with(**{"scale": factors, **more})

    def shifted(self, numbers):
        if not self.after.keys() <= {"scale", "shift"}:
            return None
        return self._with(shift=self.after["shift"] + numbers if "shift" in self.after else numbers)

    def added(self, other):
        if not self.after.keys() <= {"scale", "shift"}:
            return None
        return self._with(added=other())

    def clamped(self, least=None, most=None):
        if "most" in self.after or ("least" in self.after and least is not None):
            return None
        return self._with(**({"most": most} if least is None else {"least": least}))

    @property
    def is_written(self):
        """Whether there is more to it than what XLA joins with its reader anyway."""
        return not self.after.keys() <= {"shift"}

    def array(self):
        if self._array is None:
            self._array = self._computed()
        return self._array

    def _computed(self):
        after, x, weight = self.after, self.x, self.weight
        if not self.is_written:
            value = channels_last.forward(x, weight, self.window)
            return value + after["shift"] if "shift" in after else value
        if "scale" in after:
            weight = weight * after["scale"].reshape(-1, *[1] * (weight.ndim - 1))
        shift = after.get("shift", jnp.zeros(self.shape[-1], jnp.float32))
        limits = after.get("least", np.float32(-np.inf)), after.get("most", np.float32(np.inf))
        bounds = self.deferring.bound_of
        added = (after["added"], bounds(after["added"])) if "added" in after else ()
        arrays = (x, weight, shift, bounds(x), *limits, *added)
        arrays = [jnp.asarray(each, jnp.float32) for each in arrays]  # numbers may be Python's
        value, bound = _epilogue.bind(*arrays, window=self.window)
        self.deferring.bounds[id(value)] = value, bound
        return value


def _on_xla(x, weight, shift, bound, least, most, *added, window):
    value = convolve_on_xla(x, weight, window, layout="N{}C") + shift
    value = value + added[0] if added else value
    return jnp.minimum(jnp.maximum(value, least), most), jnp.full((), jnp.inf, jnp.float32)


def _on_cpu(context, *operands, window):
    if is_partitioned(context) or any(0 in value.shape for value in context.avals_in):
        return _anywhere(context, *operands, window=window)
    return channels_last.call(_KERNEL, context, operands, window)


_KERNEL = "kuai_convolution_epilogue"
_epilogue = Primitive(_KERNEL)
_epilogue.multiple_results = True
_anywhere = mlir.lower_fun(_on_xla, multiple_results=True)
mlir.register_lowering(_epilogue, _anywhere)
mlir.register_lowering(_epilogue, _on_cpu, platform="cpu")


@_epilogue.def_abstract_eval
def _epilogue_shapes(*avals, window):
    made = jax.eval_shape(lambda *arrays: _on_xla(*arrays, window=window), *avals)
    return [jax.core.ShapedArray(each.shape, each.dtype) for each in made]
