"""Random numbers in the shape of a tensor: to fill it, or with its numbers as parameters.

Differs from PyTorch: the numbers themselves.
"""

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine.autograd import inplace
from kuai.engine.op import Array, Number, composite, op
from kuai.engine.op.wrong_calls import refuse_keywords
from kuai.engine.tensor import Tensor, dtypes, modes
from kuai.engine.tensor.promotion import c_name, cast, scalar_name
from kuai.ops.array.creation import empty
from kuai.ops.array.random_values import (
    EXACT,
    check_bounds,
    complex_normal,
    finish,
    randn,
    refuse_integers,
    work_type,
)
from kuai.ops.array.shaping import shape_of
from kuai.ops.dimensions import broadcast_shapes
from kuai.ops.drawing import draw_shape
from kuai.ops.known_values import known, lie_within

# Draws in the shape of a tensor -------------------------------------------------------------------


@op(function=False, method=False, random=True)
def uniform_like(key, like: Array, low: Number, high: Number):
    """Uniform numbers in [low, high)."""
    if like.dtype.kind == "c":
        return _uniform_parts(key, like, low, high)
    low, high = (cast(number, work_type(like.dtype)) for number in (low, high))
    drawn = jax.random.uniform(key, like.shape, work_type(like.dtype))
    return (drawn * (high - low) + low).astype(like.dtype)


def _uniform_parts(key, like, low, high):
    """Complex numbers whose real and imaginary parts are uniform in [low, high)."""
    real = jnp.finfo(like.dtype).dtype
    parts = jax.random.uniform(key, (2, *like.shape), real)
    parts = parts * (cast(high, real) - cast(low, real)) + cast(low, real)
    return jax.lax.complex(parts[0], parts[1])


@op(function=False, method=False, random=True)
def normal_like(key, like: Array, mean: Array | Number, std: Array | Number):
    """Normal numbers."""
    if like.dtype.kind == "c":
        return complex_normal(key, like.shape, like.dtype) * cast(std, like.dtype) + cast(
            mean, like.dtype
        )
    mean, std = (cast(number, work_type(like.dtype)) for number in (mean, std))
    return (jax.random.normal(key, like.shape, work_type(like.dtype)) * std + mean).astype(
        like.dtype
    )


@op(function=False, method=False, random=True)
def bernoulli_like(key, like: Array, p: Array | Number):
    """1 with probability p, else 0."""
    drawn = jax.random.uniform(key, like.shape, work_type(p.dtype))
    return (drawn < cast(p, drawn.dtype)).astype(like.dtype)


@op(function=False, method=False, random=True)
def exponential_like(key, like: Array, rate: Number):
    """Exponentially distributed numbers."""
    drawn = jax.random.exponential(key, like.shape, work_type(like.dtype))
    return (drawn / cast(rate, drawn.dtype)).astype(like.dtype)


@op(function=False, method=False, random=True)
def geometric_like(key, like: Array, p: Number):
    """Number of trials up to the first success."""
    drawn = jax.random.uniform(key, like.shape, jnp.float64, minval=jnp.finfo(jnp.float64).tiny)
    return jnp.ceil(jnp.log(drawn) / jnp.log1p(-cast(p, drawn.dtype))).astype(like.dtype)


@op(function=False, method=False, random=True)
def cauchy_like(key, like: Array, median: Number, sigma: Number):
    """Cauchy distributed numbers."""
    drawn = jax.random.cauchy(key, like.shape, work_type(like.dtype))
    return (drawn * cast(sigma, drawn.dtype) + cast(median, drawn.dtype)).astype(like.dtype)


@op(function=False, method=False, random=True)
def integers_like(key, like: Array, low: Number, high: Number):
    """Integers in [low, high)."""
    low, high = low.astype(jnp.int64), high.astype(jnp.int64)
    return jax.random.randint(key, like.shape, low, high, jnp.int64).astype(like.dtype)


def _fill(target, operation, *arguments, generator):
    kind = target.dtype

    def draw(shape):
        like = target if shape == target.shape else empty(shape, dtype=kind, device=target.device)
        return operation(like, *arguments, generator=generator)

    numbers = kind.is_floating_point and not any(isinstance(a, Tensor) for a in arguments)
    with modes.no_grad():
        shape = tuple(target.shape)
        made = draw_shape(draw, shape, target.device) if numbers else draw(shape)
    return inplace.overwrite(target, made)


@composite(function=False)
def uniform_(self, from_=0.0, to=1.0, *, generator=None, **keywords):
    """Fill with numbers uniform in [from, to).

    Example:
        >>> bool((kuai.empty(9).uniform_(2, 3) >= 2).all())
        True
    """
    refuse_keywords(uniform_, keywords, "from")
    low = keywords.get("from", from_)
    if low > to:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={to:g}"
        )
    refuse_integers("check_uniform_bounds", self.dtype)
    _check_bounds(self.dtype, low, to)
    return _fill(self, uniform_like, float(low), float(to), generator=generator)


def _check_bounds(kind, low, high):
    """PyTorch's errors for an interval that the dtype cannot hold."""
    largest = dtypes.finfo(kind).max
    for name, bound in (("from", low), ("to", high)):
        if not -largest <= bound <= largest:
            raise RuntimeError(f"{name} is out of bounds for {c_name(kind)}")
    if high - low > largest:
        raise RuntimeError(
            "uniform_ expects to-from <= std::numeric_limits<"
            f"{scalar_name(kind.jax)}>::max(), but found to={high:g} and from={low:g} which result "
            "in to-from to exceed the limit"
        )


@composite(function=False)
def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Fill with normally distributed numbers.

    Example:
        >>> kuai.empty(2).normal_(5, 0)
        tensor([5., 5.])
    """
    _check_deviation(std)
    refuse_integers("normal_kernel_cpu", self.dtype)
    return _fill(self, normal_like, float(mean), float(std), generator=generator)


def _check_deviation(std):
    if isinstance(std, Tensor):
        if not lie_within(std, 0, float("inf")):
            raise RuntimeError("normal expects all elements of std >= 0.0")
    elif not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")


@composite(function=False)
def log_normal_(self, mean=1.0, std=2.0, *, generator=None):
    """Fill with the exponentials of normally distributed numbers."""
    if std <= 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    if not self.dtype.is_floating_point:
        kind = scalar_name(self.dtype.jax)
        raise NotImplementedError(f"\"log_normal_cpu\" not implemented for '{kind}'")
    return normal_(self, mean, std, generator=generator).exp_()


@composite(function=False)
def bernoulli_(self, p=0.5, *, generator=None):
    """Fill with 1 (with probability `p`) and 0.

    Example:
        >>> kuai.empty(2).bernoulli_(1.0)
        tensor([1., 1.])
    """
    _check_probability("bernoulli_", p)
    return _fill(self, bernoulli_like, p, generator=generator)


def _check_probability(name, p):
    if isinstance(p, Tensor):
        if not lie_within(p, 0, 1):
            raise RuntimeError(
                "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error "
                "message be improved?  If so, please report an enhancement request to PyTorch.)"
            )
    elif not 0 <= p <= 1:
        raise RuntimeError(f"{name} expects p to be in [0, 1], but got p={p:g}")


def _check_continuous(name, dtype, found) -> None:
    if not dtype.is_floating_point:
        raise RuntimeError(
            f"{name} distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {found}"
        )


@composite(function=False)
def exponential_(self, lambd=1.0, *, generator=None):
    """Fill with exponentially distributed numbers of rate `lambd`."""
    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    _check_continuous("Exponential", self.dtype, scalar_name(self.dtype.jax))
    return _fill(self, exponential_like, float(lambd), generator=generator)


@composite(function=False)
def geometric_(self, p, *, generator=None):
    """Fill with the number of trials up to the first success."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    return _fill(self, geometric_like, float(p), generator=generator)


@composite(function=False)
def cauchy_(self, median=0.0, sigma=1.0, *, generator=None):
    """Fill with Cauchy distributed numbers."""
    if sigma <= 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    _check_continuous("Cauchy", self.dtype, c_name(self.dtype))
    return _fill(self, cauchy_like, float(median), float(sigma), generator=generator)


@composite(function=False)
def random_(self, *bounds, to=None, generator=None):
    """Fill with integers: of the whole range, in [0, to), or in [from, to).

    Example:
        >>> bool((kuai.empty(9).random_(2, 4) >= 2).all())
        True
    """
    bounds = bounds if to is None else (*bounds, to)
    if len(bounds) == 2 and bounds[1] is not None:
        low, high = bounds
    elif bounds:
        low, high = 0, bounds[0]
    else:
        low = 0
        name = self.dtype.name
        exact = {**EXACT, "bool": 1}
        high = min(exact[name] + 1 if name in exact else dtypes.iinfo(self.dtype).max, 2**63 - 1)
    check_bounds(low, high, self.dtype)
    return _fill(self, integers_like, int(low), int(high), generator=generator)


# Functions of tensors of parameters ---------------------------------------------------------------


@op(function=False, method=False, random=True)
def normal_with(key, mean: Array | Number, std: Array | Number):
    """Normal numbers, each with its own mean and deviation."""
    arrays = [jnp.asarray(v) for v in (mean, std) if not getattr(v, "weak_type", False)]
    kind = arrays[0].dtype
    shape = broadcast_shapes(jnp.shape(mean), jnp.shape(std))
    drawn = jax.random.normal(key, shape, work_type(kind)).astype(kind)
    return drawn * cast(std, kind) + cast(mean, kind)


@composite(method=False)
def normal(
    mean,
    std=1.0,
    size=None,
    *,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """Normal numbers: `mean` and `std` are tensors, or numbers together with a `size`.

    Example:
        >>> kuai.normal(kuai.tensor([1.0, 2.0]), 0.0)
        tensor([1., 2.])
    """
    _check_deviation(std)
    if size is not None:
        made = randn(size, generator=generator, dtype=dtype, device=device)
        made = made * float(std) + float(mean)
        return finish(made, requires_grad, out, "normal")
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        raise TypeError(
            "normal() received an invalid combination of arguments: numbers need a size"
        )
    for given in (mean, std):
        if isinstance(given, Tensor):
            refuse_integers("normal_kernel_cpu", given.dtype)
    with modes.no_grad():
        made = normal_with(mean, std, generator=generator)
    return finish(made, False, out, "normal")


@composite
def bernoulli(input, p=None, *, generator=None, out=None):
    """1 with the probability given by each element (or `p`), else 0.

    Example:
        >>> kuai.bernoulli(kuai.tensor([0.0, 1.0]))
        tensor([0., 1.])
    """
    refuse_integers("bernoulli_tensor_cpu_p_", input.dtype)
    _check_probability("bernoulli_", input if p is None else p)
    with modes.no_grad():
        made = bernoulli_like(input, input if p is None else p, generator=generator)
    return finish(made, False, out, "bernoulli")


@composite(method=False)
def poisson(input, generator=None):
    """Poisson distributed numbers with the rates in `input`.

    Example:
        >>> kuai.poisson(kuai.zeros(2))
        tensor([0., 0.])
    """
    if not input.dtype.is_floating_point:
        raise NotImplementedError(
            f"\"poisson_cpu\" not implemented for '{scalar_name(input.dtype.jax)}'"
        )
    if not lie_within(input, 0, float("inf")):
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    return poisson_like(input, generator=generator)


@op(function=False, method=False, random=True, name="poisson", grad="PoissonBackward0")
def poisson_like(key, input: Array):
    """Poisson distributed numbers."""
    return jax.random.poisson(key, input, dtype=jnp.int64).astype(input.dtype)


@op(function=False, method=False, random=True)
def drawn_places(key, weights: Array, count: int, replacement: bool):
    """Places drawn with probabilities proportional to the weights."""
    logits = jnp.log(weights.astype(work_type(weights.dtype)))
    if replacement:
        drawn = jax.random.categorical(key, logits, axis=-1, shape=(count, *weights.shape[:-1]))
        return jnp.moveaxis(drawn, 0, -1).astype(jnp.int64)
    noise = jax.random.gumbel(key, logits.shape, logits.dtype)
    return jax.lax.top_k(logits + noise, count)[1].astype(jnp.int64)


def _check_distribution(input, replacement):
    """PyTorch's errors for rows that are no probabilities."""
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, got: "
            + scalar_name(input.dtype.jax)
        )
    array = known(input)
    if not lie_within(input, 0, float(dtypes.finfo(input.dtype).max)):
        if not replacement or array is None:
            raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
        first = array[~((array >= 0) & np.isfinite(array))].reshape(-1)[0]
        found = "= infinity or NaN" if first > 0 else "< 0"
        raise RuntimeError(
            f"invalid multinomial distribution (encountering probability entry {found})"
        )
    if array is not None and array.size and not (array.sum(-1, dtype="float64") > 0).all():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")


@composite
def multinomial(input, num_samples, replacement=False, *, generator=None, out=None):
    """Places drawn from each row with probabilities proportional to its numbers.

    Example:
        >>> kuai.multinomial(kuai.tensor([0.0, 1.0, 0.0]), 3, replacement=True)
        tensor([1, 1, 1])
    """
    if len(shape_of(input)) not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > shape_of(input)[-1]:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    if shape_of(input)[-1] > 2**24:
        raise RuntimeError("number of categories cannot exceed 2^24")
    if out is not None and out.dtype is not dtypes.int64:
        raise RuntimeError(
            f"multinomial expects Long tensor out, got: {scalar_name(out.dtype.jax)}"
        )
    _check_distribution(input, replacement)
    with modes.no_grad():
        made = drawn_places(input, num_samples, replacement, generator=generator)
    return finish(made, False, out, "multinomial")
