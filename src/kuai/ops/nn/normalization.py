"""Normalization over a batch, a layer, groups of channels, or neighbouring channels.

All of them standardize: x̂ = (x - E[x]) / sqrt(Var[x] + eps) over some dimensions. The derivative
is written by hand, dx̂ = (dx - E[dx] - x̂·E[dx·x̂]) / sqrt(Var[x] + eps), so that both the tangent and
its transpose, the backward pass, read the data twice only and keep x̂ alone. It is a jvp rule rather
than a vjp rule, so forward mode and higher derivatives work as well.
"""

import functools

import jax
import jax.numpy as jnp

from kuai.engine.autograd.inplace import overwrite
from kuai.engine.op import Array, Number, composite, op
from kuai.engine.tensor.modes import no_grad
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import in_wide, wide_dtype, widened
from kuai.ops.dimensions import normalize_dims, size_of
from kuai.ops.elementwise import floating, magnitude

# The common core ----------------------------------------------------------------------------------


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def standardize(x, axes, eps):
    """The standardized array with its mean and (biased) variance, dimensions kept."""
    mean = jnp.mean(x, axes, keepdims=True)
    centered = x - mean
    variance = jnp.mean(jnp.square(centered), axes, keepdims=True)
    return centered * jax.lax.rsqrt(variance + eps), mean, variance


@standardize.defjvp
def _standardize_jvp(axes, eps, primals, tangents):
    (change,) = tangents
    output, mean, variance = standardize(*primals, axes, eps)
    scale = jax.lax.rsqrt(variance + eps)
    shift = jnp.mean(change, axes, keepdims=True)
    along = jnp.mean(change * output, axes, keepdims=True)
    change_output = scale * (change - shift - output * along)
    return (output, mean, variance), (change_output, shift, 2 * along / scale)


def _affine(x, weight, bias, shape, dtype):
    if weight is not None:
        x = x * weight.reshape(shape)
    if bias is not None:
        x = x + bias.reshape(shape)
    return x.astype(dtype)


def _refuse_integers(name, input):
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise NotImplementedError(f"\"{name}\" not implemented for '{scalar_name(input.dtype)}'")


def _refuse_mixed(input, *others):
    """Parameters have the input's dtype, or float32 for a 16-bit input."""
    kinds = {other.dtype for other in others if other is not None}
    if kinds <= {input.dtype} or (input.dtype.itemsize == 2 and kinds == {jnp.dtype("float32")}):
        return
    if kinds != {jnp.dtype("float32")}:
        raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of Float")
    raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")


# Batch --------------------------------------------------------------------------------------------


def _check_batch_norm(input, **parameters):
    channels = input.shape[1] if input.ndim > 1 else 0
    for name, parameter in parameters.items():
        if parameter is not None and parameter.size != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {parameter.size}")
    _refuse_integers("batch_norm", input)
    _refuse_mixed(input, *parameters.values())


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
    output = _affine(output, weight, bias, shape, input.dtype)
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
    return _affine(output, weight, bias, shape, input.dtype)


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
    if eps < 0.0 or (training and eps <= 0.0):
        kind = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {kind}, but got {eps}")
    if training:
        _check_batch_size(input.shape, input.shape)
        return _train(input, weight, bias, running_mean, running_var, momentum, float(eps))
    for name, buffer in (("running_mean", running_mean), ("running_var", running_var)):
        if buffer is None:
            raise RuntimeError(f"{name} must be defined in evaluation mode")
    return _batch_norm_evaluation(input, weight, bias, running_mean, running_var, float(eps))


def _check_batch_size(shape, shown):
    count = size_of(shape, (0, *range(2, len(shape)))) if len(shape) else 1
    if count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {shown}"
        )


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
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "Expected running_mean and running_var to be defined when use_input_stats is false"
            )
        return _batch_norm_evaluation(input, weight, bias, running_mean, running_var, float(eps))
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
    _check_batch_norm(
        input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    axes = tuple(range(2, input.ndim))
    shape = (1, -1, *(1 for _ in axes))
    output, mean, variance = standardize(widened(input), axes, eps)
    output = _affine(output, weight, bias, shape, input.dtype)
    count = size_of(input.shape, axes)
    factor = count / (count - 1) if count > 1 else jnp.nan
    pairs = ((running_mean, mean), (running_var, variance * factor))
    there = count * input.shape[0]
    moved = [
        _moved(old, jnp.mean(new, 0), momentum, there) for old, new in pairs if old is not None
    ]
    return (output, *moved) if moved else output


# Layer, group, root mean square -------------------------------------------------------------------


def _check_normalized(input, normalized_shape, star, **parameters):
    wanted = list(normalized_shape)
    if not wanted:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least "
            f"one element, but got normalized_shape = {wanted}"
        )
    for name, parameter in parameters.items():
        if parameter is not None and list(parameter.shape) != wanted:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of "
                f"shape {list(parameter.shape)} and normalized_shape = {wanted}"
            )
    if list(input.shape[input.ndim - len(wanted) :]) != wanted or input.ndim < len(wanted):
        sizes = ", ".join(map(str, wanted))
        raise RuntimeError(
            f"Given normalized_shape={wanted}, expected input with shape [*{star}{sizes}], "
            f"but got input of size{list(input.shape)}"
        )


@op(function=False, method=False, grad="NativeLayerNormBackward0", autocast={"cuda": "float32"})
def _layer_norm_op(
    input: Array, normalized_shape: tuple, weight: Array | None, bias: Array | None, eps: float
):
    _check_normalized(input, normalized_shape, ", ", weight=weight, bias=bias)
    _refuse_mixed(input, weight, bias)
    _refuse_integers("LayerNormKernelImpl", input)
    axes = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    output, _, _ = standardize(widened(input), axes, eps)
    return _affine(output, weight, bias, normalized_shape, input.dtype)


@composite(function=False, method=False, functional=True)
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Layer normalization: standardizes over the last dimensions, those of `normalized_shape`.

    Shape:
        input and output `(*, normalized_shape)`, weight and bias `normalized_shape`.

    Example:
        >>> kuai.nn.functional.layer_norm(kuai.tensor([1.0, 3.0]), (2,))
        tensor([-1.0000,  1.0000])

    Reference: Ba et al., Layer normalization, 2016.
    """
    if not isinstance(normalized_shape, (tuple, list)):
        raise TypeError(
            "layer_norm(): argument 'normalized_shape' (position 2) must be tuple of ints, "
            f"not {type(normalized_shape).__name__}"
        )
    return _layer_norm_op(input, tuple(normalized_shape), weight, bias, float(eps))


@op(function=False, method=False, grad="MulBackward0", autocast={"cuda": "float32"})
def _rms_norm_op(input: Array, normalized_shape: tuple, weight: Array | None, eps: float | None):
    if not input.ndim:
        raise ValueError("Input tensor must have at least 1 dimensions, but got 0")
    _check_normalized(input, normalized_shape, "", weight=weight)
    if not jnp.issubdtype(input.dtype, jnp.inexact):
        _refuse_integers("rms_norm", input)
    axes = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    wide = widened(input)
    eps = float(jnp.finfo(wide.dtype).eps) if eps is None else eps
    square = jnp.mean(jnp.square(wide), axes, keepdims=True)
    return _affine(wide * jax.lax.rsqrt(square + eps), weight, None, normalized_shape, input.dtype)


@composite(function=False, method=False, functional=True)
def rms_norm(input, normalized_shape, weight=None, eps=None):
    """Root mean square normalization: y = x / sqrt(E[x²] + eps)·weight over the last dimensions.

    Args:
        eps: None stands for the smallest step at 1 of the dtype computed in.

    Example:
        >>> kuai.nn.functional.rms_norm(kuai.tensor([3.0, 3.0]), (2,))
        tensor([1., 1.])

    Reference: Zhang, Sennrich, Root mean square layer normalization, 2019.
    """
    return _rms_norm_op(input, tuple(normalized_shape), weight, eps)


def _group_mean(x, groups):
    """The means over groups of channels, (N, C, 1, …); the channels stay one dimension."""
    channels = jnp.mean(x, tuple(range(2, x.ndim)))
    grouped = channels.reshape(len(x), groups, x.shape[1] // groups)
    means = jnp.broadcast_to(jnp.mean(grouped, 2, keepdims=True), grouped.shape)
    return means.reshape(*x.shape[:2], *(1 for _ in x.shape[2:]))


def _scaled_groups(x, groups, eps):
    centered = x - _group_mean(x, groups)
    scale = jax.lax.rsqrt(_group_mean(jnp.square(centered), groups) + eps)
    return centered * scale, scale


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _standardize_groups(x, groups, eps):
    """`standardize` over each example's groups of channels."""
    return _scaled_groups(x, groups, eps)[0]


@_standardize_groups.defjvp
def _standardize_groups_jvp(groups, eps, primals, tangents):
    (change,) = tangents
    output, scale = _scaled_groups(*primals, groups, eps)
    along = _group_mean(change * output, groups)
    return output, scale * (change - _group_mean(change, groups) - output * along)


@op(function=False, method=False, grad="NativeGroupNormBackward0", autocast={"cuda": "float32"})
def _group_norm_op(
    input: Array, num_groups: int, weight: Array | None, bias: Array | None, eps: float
):
    sizes = list(input.shape)
    if sizes[1] % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {sizes} and num_groups={num_groups}"
        )
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and parameter.shape != (sizes[1],):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in "
                f"input, but got {name} of shape {list(parameter.shape)} and input of shape {sizes}"
            )
    _refuse_mixed(input, weight, bias)
    _refuse_integers("GroupNormKernelImpl", input)
    output = _standardize_groups(widened(input), num_groups, eps)
    shape = (1, -1, *(1 for _ in sizes[2:]))
    return _affine(output, weight, bias, shape, input.dtype)


@composite(function=False, method=False, functional=True)
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Group normalization: standardizes each example over each group of channels.

    Shape:
        input and output `(N, C, *)`, weight and bias `(C)`.

    Example:
        >>> kuai.nn.functional.group_norm(kuai.tensor([[1.0, 3.0]]), 1)
        tensor([[-1.0000,  1.0000]])

    Reference: Wu, He, Group normalization, 2018.
    """
    if input.ndim < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}"
        )
    shape = [input.shape[0] * input.shape[1] // num_groups, num_groups, *input.shape[2:]]
    _check_batch_size(shape, shape)
    return _group_norm_op(input, num_groups, weight, bias, float(eps))


# Neighbouring channels, vectors -------------------------------------------------------------------


@op(function=False, method=False, functional=True, grad="DivBackward0", autocast="float32")
def local_response_norm(
    input: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
):
    """Divides by (k + alpha·E[x²])^beta, the mean being over `size` neighbouring channels.

    Example:
        >>> kuai.nn.functional.local_response_norm(kuai.ones(1, 2, 1), 2, alpha=2.0, beta=1.0)
        tensor([[[0.5000],
                 [0.3333]]])

    Reference: Krizhevsky et al., ImageNet classification with deep CNNs, 2012.
    """
    if input.ndim < 3:
        gap = " " * 25
        raise ValueError(
            f"Expected 3D or higher dimensionality {gap}input (got {input.ndim} dimensions)"
        )
    before, after = size // 2, (size - 1) // 2
    pads = [(0, 0)] * input.ndim
    pads[1] = (before, after)
    wide = widened(input)
    squares = jnp.pad(jnp.square(wide), pads)
    channels = input.shape[1]
    total = sum(jax.lax.slice_in_dim(squares, i, i + channels, axis=1) for i in range(size))
    if not jnp.issubdtype(input.dtype, jnp.inexact):
        wide, mean = floating(input), floating(total // size)
        return wide / (k + alpha * mean) ** beta
    return (wide / (k + alpha * (total / size)) ** beta).astype(input.dtype)


@op(function=False, method=False, grad="DivBackward0", autocast={"cuda": "float32"})
def _normalize_op(input: Array, p: float, dim: int | tuple, eps: float):
    norm = vector_norm(input, p, dim, keepdims=True)
    return input / jnp.where(norm < eps, jnp.asarray(eps, norm.dtype), norm)


def vector_norm(x, p, dim, keepdims=False):
    """The p-norm along dimensions, whose derivative at 0 is 0; a 0-d array is a vector of one."""
    dim = normalize_dims(dim, x.ndim)
    if jnp.iscomplexobj(x):
        return vector_norm(magnitude(x), p, dim, keepdims)
    if wide_dtype(x.dtype) != x.dtype:
        return in_wide(lambda wide: vector_norm(wide, p, dim, keepdims), x)
    if p == float("inf"):
        return jnp.max(jnp.abs(x), axis=dim, keepdims=keepdims)
    if p == 0:
        return jnp.sum(x != 0, axis=dim, keepdims=keepdims).astype(x.dtype)
    size = jnp.abs(jnp.where(x == 0, jnp.zeros((), x.dtype), x))
    if p == 1:
        return jnp.sum(size, axis=dim, keepdims=keepdims)
    powers = jnp.square(x) if p == 2 else _safe_power(size, p)
    total = jnp.sum(powers, axis=dim, keepdims=keepdims)
    return _safe_power(total, 1 / p)


def _safe_power(x, p):
    """xᵖ of x ≥ 0 whose derivative at 0 is 0 instead of ∞."""
    positive = x > 0
    base = jnp.where(positive, x, jnp.ones((), x.dtype))
    power = jnp.sqrt(base) if p == 0.5 else base**p
    return jnp.where(positive, power, x * 0)


@composite(function=False, method=False, functional=True)
def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """x / max(‖x‖ₚ, eps) along `dim`.

    Example:
        >>> kuai.nn.functional.normalize(kuai.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            + scalar_name(input.dtype.jax)
        )
    output = _normalize_op(input, float(p), dim, float(eps))
    return output if out is None else overwrite(out, output)
