"""How JAX lowers maxima, minima and sums for CPUs, so that they are right.

XLA's CPU backend hands large reductions over to YNNPACK, together with the arithmetic that they
read (jaxlib 0.10 to 0.12 at least). That is several times as fast, with two faults:

* Its maximum and minimum drop nan: `max(x)` of an array with nan is a number, and so is
  `sum(maximum(x, 0))`, the loss of a network that has gone astray. JAX says that nan stays, as
  PyTorch does.
* Arrays of seven dimensions and more make it crash or hang
  (https://github.com/jax-ml/jax/issues/39257).

So some are written in other words, which YNNPACK is not asked about:

    maximum(x, y)       x where x is nan or x > y, else y
    max(x)              nan where some x is nan, else what YNNPACK finds
    of windows          by the first of these
    seven dimensions    by the first of these, and by x + y where x is not 0, else y
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive, primitives
from jax.interpreters import mlir

__all__ = ["mend"]

_MOST = 6  # dimensions


def mend() -> None:
    """Have JAX lower reductions of floating point numbers for CPUs so that they are right."""
    for name, is_better, worst in (("max", lax.gt, -np.inf), ("min", lax.lt, np.inf)):
        better = _better(is_better)
        _lower_on_cpu(getattr(primitives, f"{name}_p"), better)
        reduction = getattr(primitives, f"reduce_{name}_p")
        _lower_on_cpu(reduction, _reduced(reduction, better, worst))
        _lower_on_cpu(getattr(primitives, f"reduce_window_{name}_p"), _of_windows(better, worst))
    _lower_on_cpu(primitives.reduce_sum_p, _summed, lambda x, *others: x.ndim > _MOST)


def _lower_on_cpu(primitive, function, is_meant=lambda *avals: True) -> None:
    usual, ours = _usual(primitive), mlir.lower_fun(function, multiple_results=False)

    def lower(context, *operands, **params):
        avals = context.avals_in
        is_ours = jnp.issubdtype(avals[0].dtype, jnp.floating) and is_meant(*avals)
        return (ours if is_ours else usual)(context, *operands, **params)

    mlir.register_lowering(primitive, lower, platform="cpu")


def _usual(primitive) -> Callable[..., Any]:
    """How JAX lowers a primitive."""
    entry: Any = mlir._lowerings[primitive]
    return getattr(entry, "rule", entry)


def _better(is_better):
    def better(x, y):
        return jnp.where(is_better(x, y) | (x != x), x, y)

    return better


def _reduced(reduction, better, worst):
    usual = Primitive(f"kuai_{reduction.name}")
    usual.def_abstract_eval(lambda x, **params: reduction.abstract_eval(x, **params)[0])
    mlir.register_lowering(usual, _usual(reduction))

    def reduced(x, *, axes, **params):
        if x.ndim > _MOST:
            return lax.reduce(x, jnp.asarray(worst, x.dtype), better, axes)
        has_nan = (x != x).any(axes)
        return jnp.where(has_nan, jnp.asarray(jnp.nan, x.dtype), usual.bind(x, axes=axes, **params))

    return reduced


def _summed(x, *, axes, **params):
    def sum_of(x, y):
        return jnp.where(x == 0, y, x + y)

    return lax.reduce(x, jnp.zeros((), x.dtype), sum_of, axes)


def _of_windows(better, worst):
    def of_windows(x, **windows):
        return lax.reduce_window(x, jnp.asarray(worst, x.dtype), better, **windows)

    return of_windows
