"""Random numbers that `kuai.distributions` is made of, beyond those PyTorch's functions draw.

Gamma numbers are differentiable with respect to their parameter, by implicit reparameterisation
(Figurnov, Mohamed, Mnih 2018, https://arxiv.org/abs/1805.08498), which JAX's sampler brings.

Differs from PyTorch: the numbers themselves.
"""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, composite, op
from kuai.engine.tensor import modes
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.array.random_values import work_type


@op(function=False, method=False, random=True, grad="StandardGammaBackward0")
def standard_gamma(key, concentration: Array):
    """Gamma numbers of rate 1 and the given concentrations."""
    work = concentration.astype(work_type(concentration.dtype))
    return jax.random.gamma(key, work, dtype=work.dtype).astype(concentration.dtype)


@op(function=False, method=False, random=True, grad="StandardGammaBackward0")
def log_standard_gamma(key, concentration: Array):
    """The logarithms of gamma numbers, exact where the numbers themselves would round to 0."""
    work = concentration.astype(work_type(concentration.dtype))
    return jax.random.loggamma(key, work, dtype=work.dtype).astype(concentration.dtype)


@op(function=False, method=False, random=True)
def binomial_with(key, count: Array, prob: Array):
    """Binomial numbers, each with its own number of trials and probability."""
    count, prob = jnp.broadcast_arrays(count, prob)
    work = work_type(count.dtype)
    trials = count.astype(work)
    # beyond one half the failures are drawn: the sampler is exact for small probabilities
    flipped = prob > 0.5
    chance = jnp.where(flipped, 1 - prob, prob).astype(work)
    drawn = jax.random.binomial(key, trials, chance, dtype=work)
    drawn = jnp.where((chance > 0) & (trials > 0), drawn, 0)
    return jnp.where(flipped, trials - drawn, drawn).astype(count.dtype)


@composite(method=False)
def binomial(count, prob, generator=None):
    """Binomial numbers: how many of `count` trials succeed, each with probability `prob`.

    Args:
        count: the numbers of trials, a floating point tensor.
        prob: the probabilities of success, of the same dtype.

    Example:
        >>> kuai.binomial(kuai.tensor([4.0, 9.0]), kuai.tensor([0.0, 1.0]))
        tensor([0., 9.])
    """
    if not count.dtype.is_floating_point:
        raise ValueError(
            "binomial only supports floating-point dtypes for count, "
            f"got: {scalar_name(count.dtype.jax)}"
        )
    if count.dtype is not prob.dtype:
        raise RuntimeError("Found dtype mismatch: count and prob of binomial have to be alike")
    with modes.no_grad():
        return binomial_with(count, prob, generator=generator)


@op(function=False, method=False, random=True)
def von_mises_with(key, loc: Array, concentration: Array, shape: tuple):
    """Angles from the von Mises distribution, by rejection from a wrapped Cauchy distribution.

    Best, Fisher, "Efficient simulation of the von Mises distribution" (1979).
    """
    kappa = jnp.broadcast_to(concentration, shape).astype(jnp.float64)
    tau = 1 + jnp.sqrt(1 + 4 * kappa**2)
    rho = (tau - jnp.sqrt(2 * tau)) / (2 * kappa)
    exact = (1 + rho**2) / (2 * rho)
    r = jnp.where(kappa < 1e-5, 1 / kappa + kappa, exact)  # the exact form cancels there

    def attempt(state):
        key, angle, done = state
        key, *keys = jax.random.split(key, 4)
        turn, chance, side = (jax.random.uniform(k, shape, jnp.float64) for k in keys)
        z = jnp.cos(jnp.pi * turn)
        f = (1 + r * z) / (r + z)
        c = kappa * (r - f)
        accepted = (c * (2 - c) > chance) | (jnp.log(c / chance) + 1 - c >= 0)
        new = jnp.sign(side - 0.5) * jnp.arccos(jnp.clip(f, -1, 1))
        return key, jnp.where(accepted & ~done, new, angle), done | accepted

    start = (key, jnp.zeros(shape), jnp.isnan(kappa) | jnp.isnan(loc))
    _, angle, _ = jax.lax.while_loop(lambda state: ~jnp.all(state[2]), attempt, start)
    turned = (angle + jnp.pi + loc.astype(jnp.float64)) % (2 * jnp.pi) - jnp.pi
    return turned.astype(loc.dtype)
