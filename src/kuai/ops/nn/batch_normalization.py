"""Normalization over a batch, and batch normalization of each example by itself."""

import jax
import jax.numpy as jnp

from kuai.engine.autograd.inplace import overwrite
from kuai.engine.op import Array, Number, composite, op
from kuai.engine.tensor.modes import no_grad
from kuai.ops.accumulation import widened
from kuai.ops.dimensions import size_of
from kuai.ops.nn.standardization import (
    affine,
    check_batch_size,
    refuse_integers,
    refuse_mixed,
    standardize,
)


def _check_momentum(name, momentum) -> None:
    """PyTorch's error for the None that modules take as a momentum, and functions do not."""
    if momentum is None:
        raise TypeError(f"{name}(): argument 'momentum' (position 7) must be float, not NoneType")


def _check_batch_norm(input, **parameters):
    channels = input.shape[1] if input.ndim > 1 else 0
    for name, parameter in parameters.items():
        if parameter is not None and parameter.size != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {parameter.size}")
    refuse_integers("batch_norm", input)
    refuse_mixed(input, *parameters.values())


@op(function=False, method=False, grad="NativeBatchNormBackward0")
def _batch_norm_training(
    input: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    momentum: Number,
    eps: float,
):
    """The output, and the running statistics after this batch where there are any."""
    _check_batch_norm(
        input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    axes = (0, *range(2, input.ndim))
    shape = (1, -1, *(1 for _ in range(2, input.ndim)))
    output, mean, variance = standardize(widened(input), axes, eps)
    output = affine(output, weight, bias, shape, input.dtype)
    count = size_of(input.shape, axes)
    unbiased = variance * (count / (count - 1)) if count > 1 else variance * jnp.nan
    statistics = ((running_mean, mean), (running_var, unbiased))
    moved = [_moved(old, new, momentum, count) for old, new in statistics if old is not None]
    return (output, *moved) if moved else output


def _moved(old, new, momentum, count):
    """The exponential moving average, one step on; no gradient goes through it.

    An empty batch has no mean: nothing is moved.
    """
    if not count:
        return jax.lax.stop_gradient(old)
    new = jax.lax.stop_gradient(new.reshape(old.shape)).astype(old.dtype)
    factor = jnp.asarray(momentum).astype(old.dtype)
    return jax.lax.stop_gradient(old * (1 - factor) + new * factor)


@op(function=False, method=False, grad="NativeBatchNormBackward0")
def _batch_norm_evaluation(
    input: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array,
    running_var: Array,
    eps: float,
):
    _check_batch_norm(
        input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    shape = (1, -1, *(1 for _ in range(2, input.ndim))) if input.ndim > 1 else (-1,)
    scale = jax.lax.rsqrt(widened(running_var) + eps).reshape(shape)
    output = (widened(input) - running_mean.reshape(shape)) * scale
    return affine(output, weight, bias, shape, input.dtype)


_batch_norm_training.operation.updates_buffers = True


def _train(input, weight, bias, running_mean, running_var, momentum, eps):
    """Normalize by the batch, and move the running statistics on, in place."""
    buffers = [buffer for buffer in (running_mean, running_var) if buffer is not None]
    results = _batch_norm_training(input, weight, bias, running_mean, running_var, momentum, eps)
    if not buffers:
        return results
    output, *moved = results
    with no_grad():
        for buffer, new in zip(buffers, moved, strict=True):
            overwrite(buffer, new.detach())
    return output


@composite(function=False, method=False, functional=True)
def batch_norm(
    input,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-5,
):
    """Batch normalization: y = (x - E[x]) / sqrt(Var[x] + eps)·weight + bias for each channel.

    In training the statistics are the batch's, and the running ones move towards them by
    `momentum` (with the unbiased variance); else the running ones are used.

    Shape:
        input and output `(N, C, *)`, everything else `(C)`.

    Example:
        >>> x = kuai.tensor([[1.0], [3.0]])
        >>> kuai.nn.functional.batch_norm(x, None, None, training=True)
        tensor([[-1.0000],
                [ 1.0000]])

    Reference: Ioffe, Szegedy, Batch normalization, 2015.
    """
    _check_momentum("batch_norm", momentum)
    if eps < 0.0 or (training and eps <= 0.0):
        kind = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {kind}, but got {eps}")
    if training:
        check_batch_size(input.shape, input.shape)
        return _train(input, weight, bias, running_mean, running_var, momentum, float(eps))
    for name, buffer in (("running_mean", running_mean), ("running_var", running_var)):
        if buffer is None:
            raise RuntimeError(f"{name} must be defined in evaluation mode")
    return _batch_norm_evaluation(input, weight, bias, running_mean, running_var, float(eps))


@composite(function=False, method=False, functional=True)
def instance_norm(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
):
    """Instance normalization: batch normalization of each example by itself.

    Shape:
        input and output `(N, C, *)`, everything else `(C)`.

    Example:
        >>> kuai.nn.functional.instance_norm(kuai.tensor([[[1.0, 3.0]]]))
        tensor([[[-1.0000,  1.0000]]])

    Reference: Ulyanov et al., Instance normalization, 2016.
    """
    _check_momentum("instance_norm", momentum)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "Expected running_mean and running_var to be defined when use_input_stats is false"
            )
        means, variances = (b.to(input.dtype) for b in (running_mean, running_var))
        return _batch_norm_evaluation(input, weight, bias, means, variances, float(eps))
    if size_of(input.shape, range(2, input.ndim)) == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {input.shape}"
        )
    results = _instance_norm_op(
        input, weight, bias, running_mean, running_var, momentum, float(eps)
    )
    buffers = [buffer for buffer in (running_mean, running_var) if buffer is not None]
    if not buffers:
        return results
    with no_grad():
        for buffer, new in zip(buffers, results[1:], strict=True):
            overwrite(buffer, new.detach())
    return results[0]


@op(function=False, method=False, grad="ViewBackward0")
def _instance_norm_op(
    input: Array,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    momentum: Number,
    eps: float,
):
    copies = [None if s is None else s.astype(input.dtype) for s in (running_mean, running_var)]
    _check_batch_norm(
        input, running_mean=copies[0], running_var=copies[1], weight=weight, bias=bias
    )
    axes = tuple(range(2, input.ndim))
    shape = (1, -1, *(1 for _ in axes))
    output, mean, variance = standardize(widened(input), axes, eps)
    output = affine(output, weight, bias, shape, input.dtype)
    count = size_of(input.shape, axes)
    factor = count / (count - 1) if count > 1 else jnp.nan
    pairs = ((running_mean, mean), (running_var, variance * factor))
    moved = [
        _moved_by_each(old, new, momentum, count, input.dtype)
        for old, new in pairs
        if old is not None
    ]
    return (output, *moved) if moved else output


def _moved_by_each(old, new, momentum, count, kind):
    """The mean of what a statistic would be after each example, rounded as PyTorch's copies are.

    These copies, one for each example, have the input's dtype, whatever the statistic has.
    """
    examples = len(new)
    copy = widened(old.astype(kind))
    each = _moved(
        jnp.broadcast_to(copy, (examples, *old.shape)), new, momentum, count * examples
    ).astype(kind)
    return jnp.mean(widened(each), 0).astype(kind).astype(old.dtype) if examples else old
