"""Losses of regression: distances from the target, and likelihoods.

Those of classifiers are in `classification.py`, of margins in `margin_losses.py`. Each loss is
an operation on arrays, and a public function that sorts out PyTorch's old arguments.
"""

import math
import warnings

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op
from kuai.ops.accumulation import spread, summed
from kuai.ops.dimensions import broadcast_shapes
from kuai.ops.elementwise import COMPLEX, floating, magnitude, refuse, together
from kuai.ops.known_values import lie_within
from kuai.ops.nn.loss_reduction import (
    as_input,
    check_reduction,
    legacy_reduction,
    reduced,
    warn_sizes,
)

# Distances between input and target ---------------------------------------------------------------


@op(function=False, method=False, grad="MseLossBackward0", autocast="float32")
def _mse_loss_op(input: Array, target: Array, weight: Array | None, reduction: str):
    input, target = together(input, target)
    refuse("mse_cpu", input, 0, 1, COMPLEX)
    return _weighted(jnp.square(input - target), weight, reduction)


@op(function=False, method=False, grad="MeanBackward0", autocast="float32")
def _l1_loss_op(input: Array, target: Array, weight: Array | None, reduction: str):
    input, target = together(input, target)
    return _weighted(magnitude(input - target), weight, reduction)


@op(function=False, method=False, grad="HuberLossBackward0", autocast="float32")
def _huber_loss_op(
    input: Array, target: Array, weight: Array | None, reduction: str, delta: Number
):
    one, other = together(input, target)
    refuse("huber_cpu", one, 0, 1, COMPLEX)
    loss = as_input(_huber(one, other, delta), input)
    if weight is None:
        return reduced(loss, reduction)
    _check_weights(weight, loss)
    return reduced(loss * weight, reduction)  # the mean is not that of the weights, as in PyTorch


def _huber(input, target, delta):
    difference = input - target
    size = jnp.abs(difference)
    near = size <= delta
    close = jnp.where(near, difference, jnp.zeros((), input.dtype))
    far = jnp.where(near, jnp.asarray(delta, input.dtype), size)
    return jnp.where(near, 0.5 * jnp.square(close), delta * (far - 0.5 * delta))


@op(function=False, method=False, grad="SmoothL1LossBackward0", autocast="float32")
def _smooth_l1_loss_op(input: Array, target: Array, reduction: str, beta: Number | None):
    input, target = together(input, target)
    refuse("smooth_l1_cpu", input, 0, 1, COMPLEX)
    if beta is None:
        return reduced(magnitude(input - target), reduction)
    return reduced(_huber(input, target, beta) / beta, reduction)


def _weighted(loss, weight, reduction):
    """With weights the mean is the weighted one."""
    if weight is None:
        return reduced(loss, reduction)
    _check_weights(weight, loss)
    if reduction == "mean":
        return summed(loss * weight) / summed(weight)
    return reduced(loss * weight, reduction)


def _check_weights(weight, loss):
    if weight.shape != loss.shape:
        raise ValueError("Weights and input must have the same size.")


@composite(function=False, method=False, functional=True)
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """Mean squared error: (x - y)².

    Args:
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.
        weight: one number for each element; the mean is weighted by it.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.functional.mse_loss(kuai.tensor([1.0, 2.0]), kuai.tensor([1.0, 4.0]))
        tensor(2.)
    """
    warn_sizes(input, target)
    return _mse_loss_op(input, target, weight, legacy_reduction(size_average, reduce, reduction))


@composite(function=False, method=False, functional=True)
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """Mean absolute error: |x - y|.

    Args:
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.
        weight: one number for each element; the mean is weighted by it.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.functional.l1_loss(kuai.tensor([1.0, 2.0]), kuai.tensor([1.0, 4.0]))
        tensor(1.)
    """
    warn_sizes(input, target)
    return _l1_loss_op(input, target, weight, legacy_reduction(size_average, reduce, reduction))


@composite(function=False, method=False, functional=True)
def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """(x - y)² / (2 beta) where |x - y| < beta, |x - y| - beta/2 elsewhere.

    Args:
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.
        beta: where the one goes over into the other; 0 is `L1Loss`.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.functional.smooth_l1_loss(kuai.tensor([3.0]), kuai.tensor([0.0]))
        tensor(2.5000)

    Reference: Girshick, Fast R-CNN, 2015.
    """
    warn_sizes(input, target)
    reduction = legacy_reduction(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    return _smooth_l1_loss_op(input, target, reduction, float(beta) if beta else None)


@composite(function=False, method=False, functional=True)
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """(x - y)² / 2 where |x - y| <= delta, delta·(|x - y| - delta/2) elsewhere.

    Args:
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.
        delta: where the one goes over into the other.
        weight: one number for each element, a factor of its loss.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.functional.huber_loss(kuai.tensor([3.0]), kuai.tensor([0.0]), delta=2.0)
        tensor(4.)

    Reference: Huber, "Robust estimation of a location parameter", 1964.
    """
    warn_sizes(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    return _huber_loss_op(input, target, weight, reduction, float(delta))


# Distributions ------------------------------------------------------------------------------------


def _x_log_x(x):
    return x * jnp.log(jnp.where(x == 0, 1, x))  # 0·log 0 is 0, below 0 there is no logarithm


@op(function=False, method=False, grad="MeanBackward0", autocast="float32")
def _kl_div_op(input: Array, target: Array, reduction: str, log_target: bool):
    if not all(jnp.issubdtype(x.dtype, jnp.inexact) for x in (input, target)):
        raise RuntimeError("kl_div: Integral inputs not supported.")
    input, target = together(input, target)
    if log_target:
        loss = jnp.exp(target) * (target - input)
    else:
        loss = _x_log_x(target) - target * input
    if reduction == "batchmean":
        return jnp.sum(loss) / (input.shape[0] if input.ndim else 1)
    return reduced(loss, reduction)


@composite(function=False, method=False, functional=True)
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """Kullback-Leibler divergence: y·(log y - x), where x are logarithms of probabilities.

    Args:
        reduction: `'batchmean'` is the mathematical definition's mean over the batch.
        log_target: the target, too, is given as logarithms.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> p = kuai.tensor([0.5, 0.5])
        >>> kuai.nn.functional.kl_div(p.log(), p, reduction="sum")
        tensor(0.)

    Reference: Kullback & Leibler, "On information and sufficiency", 1951.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next "
            "major release.",
            stacklevel=2,
        )
    return _kl_div_op(input, target, reduction, log_target)


@op(function=False, method=False, grad="MeanBackward0", autocast="float32")
def _poisson_nll_loss_op(
    input: Array, target: Array, log_input: bool, full: bool, eps: Number, reduction: str
):
    check_reduction(reduction)
    target, input = map(floating, together(target, input))
    if log_input:
        loss = jnp.exp(input) - target * input
    else:
        loss = input - target * jnp.log(input + eps)
    if full:
        some = jnp.where(target > 1, target, jnp.full((), 2, target.dtype))
        stirling = some * jnp.log(some) - some + 0.5 * jnp.log(2 * math.pi * some)
        loss = loss + jnp.where(target > 1, stirling, jnp.zeros((), target.dtype))
    return reduced(loss, reduction)


@composite(function=False, method=False, functional=True)
def poisson_nll_loss(
    input,
    target,
    log_input=True,
    full=False,
    size_average=None,
    eps=1e-8,
    reduce=None,
    reduction="mean",
):
    """Negative log-likelihood of a Poisson distribution: eˣ - y·x (+ log y!, with `full`).

    Args:
        log_input: the input is the logarithm of the expected count.
        full: add Stirling's approximation of log y!, y·log y − y + ½·log(2πy), where y > 1.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        eps: keeps the logarithm finite.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.functional.poisson_nll_loss(kuai.tensor([0.0]), kuai.tensor([2.0]))
        tensor(1.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    return _poisson_nll_loss_op(input, target, log_input, full, float(eps), reduction)


@op(function=False, method=False, grad="MeanBackward0")
def _gaussian_nll_loss_op(
    input: Array, target: Array, var: Array | Number, full: bool, eps: Number, reduction: str
):
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    var = _variance_like(input, jnp.asarray(var))
    input, target, var = (floating(each) for each in (*together(input, target), var))
    var = var + jax.lax.stop_gradient(jnp.maximum(var, eps) - var)
    var = spread(var, broadcast_shapes(input.shape, var.shape))
    loss = 0.5 * (jnp.log(var) + jnp.square(input - target) / var)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def _variance_like(input, var):
    if var.shape == input.shape or not var.ndim:
        return var
    if var.shape == input.shape[:-1]:
        return var[..., None]
    trailing = input.shape[:-1] == var.shape[:-1] and var.shape[-1] == 1
    one_apart = sum(a != b for a, b in zip(input.shape, var.shape, strict=False)) == 1
    if trailing or (input.ndim == var.ndim and one_apart and 1 in var.shape):
        return var
    raise ValueError("var is of incorrect size")


def _has_negative(var) -> bool:
    if not hasattr(var, "dtype"):
        return var < 0
    return not lie_within(var, 0, math.inf, ignored=math.nan)


@composite(function=False, method=False, functional=True)
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """Negative log-likelihood of a normal distribution: (log v + (x - y)² / v) / 2.

    Args:
        full: add the constant ½·log 2π.
        eps: the least variance; no gradient flows through this bound.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target of one shape; `var` the same, without the last dimension, or with a last
        dimension of 1.

    Example:
        >>> one = kuai.ones(1)
        >>> kuai.nn.functional.gaussian_nll_loss(one, one * 3, one)
        tensor(2.)

    Reference: Nix & Weigend, "Estimating the mean and variance of the target probability
    distribution", 1994.

    Differs from PyTorch: on a GPU, and where a compiled function computes it, a negative variance
    counts as `eps` instead of raising an error.
    """
    if _has_negative(var):
        raise ValueError("var has negative entry/entries")
    return _gaussian_nll_loss_op(input, target, var, full, float(eps), reduction)
