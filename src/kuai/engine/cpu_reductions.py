"""How reductions are compiled for CPUs, so that they are right.

XLA's CPU backend hands large reductions over to YNNPACK, together with the arithmetic that they
read (jaxlib 0.10 to 0.12 at least). That is several times as fast, with two faults:

* Its maximum and minimum drop nan: `max(x)` of an array with nan is a number, and so is
  `sum(maximum(x, 0))`, the loss of a network that has gone astray. JAX says that nan stays, as
  PyTorch does. So these are lowered in other words, which YNNPACK is not asked about:

      maximum(x, y)   x where x is nan or x > y, else y
      max(x)          nan where some x is nan, else what YNNPACK finds
      of windows      by the first of these

* Arrays of seven dimensions and more make it crash or hang
  (https://github.com/jax-ml/jax/issues/39257). Programs that have some are compiled without it.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive, primitives
from jax.interpreters import mlir

__all__ = ["MOST_DIMENSIONS", "keep_nan", "options_for_many_dimensions"]

MOST_DIMENSIONS = 6  # of which YNNPACK makes eight at most


@functools.cache
def options_for_many_dimensions() -> dict[str, Any]:
    """What XLA is told about a program on a CPU with arrays of more than `MOST_DIMENSIONS`."""
    options = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT"}
    try:
        jax.jit(lambda x: x, compiler_options=options)(0)
    except jax.errors.JaxRuntimeError:  # a jaxlib that has no YNNPACK yet, or no more
        return {}
    return options


def keep_nan() -> None:
    """Have JAX lower maxima and minima of floating point numbers for CPUs so that nan stays."""
    for name, is_better, worst in (("max", lax.gt, -np.inf), ("min", lax.lt, np.inf)):
        better = _better(is_better)
        _lower_on_cpu(getattr(primitives, f"{name}_p"), better)
        reduction = getattr(primitives, f"reduce_{name}_p")
        _lower_on_cpu(reduction, _reduced(reduction))
        _lower_on_cpu(getattr(primitives, f"reduce_window_{name}_p"), _of_windows(better, worst))


def _lower_on_cpu(primitive, function) -> None:
    usual, ours = _usual(primitive), mlir.lower_fun(function, multiple_results=False)

    def lower(context, *operands, **params):
        is_float = jnp.issubdtype(context.avals_in[0].dtype, jnp.floating)
        return (ours if is_float else usual)(context, *operands, **params)

    mlir.register_lowering(primitive, lower, platform="cpu")


def _usual(primitive) -> Callable[..., Any]:
    """How JAX lowers a primitive."""
    entry: Any = mlir._lowerings[primitive]
    return getattr(entry, "rule", entry)


def _better(is_better):
    def better(x, y):
        return jnp.where(is_better(x, y) | (x != x), x, y)

    return better


def _reduced(reduction):
    usual = Primitive(f"kuai_{reduction.name}")
    usual.def_abstract_eval(lambda x, **params: reduction.abstract_eval(x, **params)[0])
    mlir.register_lowering(usual, _usual(reduction))

    def reduced(x, *, axes, **params):
        has_nan = (x != x).any(axes)
        return jnp.where(has_nan, jnp.asarray(jnp.nan, x.dtype), usual.bind(x, axes=axes, **params))

    return reduced


def _of_windows(better, worst):
    def of_windows(x, **windows):
        return lax.reduce_window(x, jnp.asarray(worst, x.dtype), better, **windows)

    return of_windows
