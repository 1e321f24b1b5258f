"""Functions that formulas of `kuai.distributions` need and that have no name of their own."""

import jax
import jax.numpy as jnp
from jax.scipy import special

from kuai.engine.op import Array, op


@op(function=False, method=False, grad="SpecialGammaincBackward0")
def lower_gamma(concentration: Array, value: Array):
    """The regularised lower incomplete gamma function P(a, x)."""
    return special.gammainc(concentration, value)


@op(function=False, method=False)
def log_bessel_i0(input: Array):
    """log I₀(x) for x ≥ 0, without overflow."""
    return jnp.log(special.i0e(input)) + input


@op(function=False, method=False)
def log_bessel_i1(input: Array):
    """log I₁(x) for x ≥ 0, without overflow."""
    return jnp.log(special.i1e(input)) + input


@op(function=False, method=False)
def are_positive_definite(input: Array):
    """Whether each matrix has a Cholesky factor."""
    factor = jax.lax.linalg.cholesky(input, symmetrize_input=False)
    return jnp.isfinite(factor).all((-2, -1))
