"""How reductions are compiled for CPUs, so that they are right.

XLA's CPU backend hands large reductions over to YNNPACK, together with the arithmetic that they
read (jaxlib 0.10 to 0.12 at least). That is several times as fast, with three faults:

* Its maximum and minimum drop nan: `max(x)` of an array with nan is a number, and so is
  `sum(maximum(x, 0))`, the loss of a network that has gone astray. JAX says that nan stays, as
  PyTorch does. So these are lowered in other words, which YNNPACK is not asked about:

      maximum(x, y)   x where x is nan or x > y, else y
      max(x)          nan where some x is nan, else what YNNPACK finds
      of windows      by the first of these

* The last elements of what is summed over a product of matrices are wrong for some sizes (jaxlib
  0.10.2; https://github.com/jax-ml/jax/issues/39103). All that were found, of thousands tried, are
  products of three terms with 2 or 3 rows of 128 to 256 KiB. So a product of few terms with a
  large result goes through something that YNNPACK does not take in: nan where it is nan.

* Arrays of seven dimensions and more make it crash or hang
  (https://github.com/jax-ml/jax/issues/39257). Programs that have some are compiled without it.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive, primitives
from jax.interpreters import mlir

__all__ = ["MOST_DIMENSIONS", "mend", "options_for_many_dimensions"]

_FEW, _LARGE = 16, 2**16  # terms of a product, bytes of its result
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


def mend() -> None:
    """Have JAX lower what YNNPACK gets wrong in other words for CPUs."""
    if not hasattr(mlir, "_lowerings"):
        return  # another JAX than the ones known; the tests say whether nan stays there
    _lower_on_cpu(primitives.dot_general_p, *_apart(primitives.dot_general_p))
    for name, is_better, worst in (("max", lax.gt, -np.inf), ("min", lax.lt, np.inf)):
        better = _better(is_better)
        _lower_on_cpu(getattr(primitives, f"{name}_p"), better)
        reduction = getattr(primitives, f"reduce_{name}_p")
        _lower_on_cpu(reduction, _reduced(reduction))
        _lower_on_cpu(getattr(primitives, f"reduce_window_{name}_p"), _of_windows(better, worst))


def _lower_on_cpu(primitive, function, is_meant=lambda context, params: True) -> None:
    usual, ours = _usual(primitive), mlir.lower_fun(function, multiple_results=False)

    def lower(context, *operands, **params):
        is_float = jnp.issubdtype(context.avals_in[0].dtype, jnp.floating)
        is_ours = is_float and is_meant(context, params)
        return (ours if is_ours else usual)(context, *operands, **params)

    mlir.register_lowering(primitive, lower, platform="cpu")


def _usual(primitive) -> Callable[..., Any]:
    """How JAX lowers a primitive for a CPU."""
    entry: Any = mlir._platform_specific_lowerings["cpu"].get(primitive, mlir._lowerings[primitive])
    return getattr(entry, "rule", entry)


def _better(is_better):
    def better(x, y):
        return jnp.where(is_better(x, y) | (x != x), x, y)

    return better


def _as_usual(primitive):
    """A primitive like another one that is lowered as JAX does it."""
    usual = Primitive(f"kuai_{primitive.name}")
    usual.def_abstract_eval(lambda *avals, **params: primitive.abstract_eval(*avals, **params)[0])
    mlir.register_lowering(usual, _usual(primitive))
    return usual


def _apart(product):
    """A product that is not taken in by what reads it, and whether one is to be that."""
    usual = _as_usual(product)

    def apart(x, y, **params):
        found = usual.bind(x, y, **params)
        return jnp.where(found != found, jnp.asarray(jnp.nan, found.dtype), found)

    def is_meant(context, params):
        (contracted, _), _ = params["dimension_numbers"]
        (result,) = context.avals_out
        terms = [context.avals_in[0].shape[axis] for axis in contracted]
        if not all(type(size) is int for size in (*terms, *result.shape)):
            return True  # sizes that are left open
        return math.prod(terms) <= _FEW and result.size * result.dtype.itemsize > _LARGE

    return apart, is_meant


def _reduced(reduction):
    usual = _as_usual(reduction)

    def reduced(x, *, axes, **params):
        has_nan = (x != x).any(axes)
        return jnp.where(has_nan, jnp.asarray(jnp.nan, x.dtype), usual.bind(x, axes=axes, **params))

    return reduced


def _of_windows(better, worst):
    def of_windows(x, **windows):
        return lax.reduce_window(x, jnp.asarray(worst, x.dtype), better, **windows)

    return of_windows
