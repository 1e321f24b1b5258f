"""Normalization over a layer, groups of channels, or neighbouring channels."""

import functools

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, composite, op
from kuai.ops.accumulation import widened
from kuai.ops.elementwise import floating
from kuai.ops.nn.standardization import (
    affine,
    check_batch_size,
    refuse_integers,
    refuse_mixed,
    standardize,
)


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
    refuse_mixed(input, weight, bias)
    refuse_integers("LayerNormKernelImpl", input)
    axes = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    output, _, _ = standardize(widened(input), axes, eps)
    return affine(output, weight, bias, normalized_shape, input.dtype)


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
    if not normalized_shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            f"element, but got normalized_shape = {list(normalized_shape)}"
        )
    if input.ndim < len(normalized_shape):
        raise ValueError(
            f"Input tensor must have at least {len(normalized_shape)} dimensions, but got "
            f"{input.ndim}"
        )
    _check_normalized(input, normalized_shape, "", weight=weight)
    if not jnp.issubdtype(input.dtype, jnp.inexact):
        refuse_integers("rms_norm", input)
    axes = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    wide = widened(input)
    eps = float(jnp.finfo(wide.dtype).eps) if eps is None else eps
    square = jnp.mean(jnp.square(wide), axes, keepdims=True)
    return affine(wide * jax.lax.rsqrt(square + eps), weight, None, normalized_shape, input.dtype)


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
    (x,), (change,) = primals, tangents
    output, scale = _scaled_groups(x, groups, eps)
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
    refuse_mixed(input, weight, bias)
    refuse_integers("GroupNormKernelImpl", input)
    output = _standardize_groups(widened(input), num_groups, eps)
    shape = (1, -1, *(1 for _ in sizes[2:]))
    return affine(output, weight, bias, shape, input.dtype)


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
    check_batch_size(shape, shape)
    if num_groups < 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
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
    if not input.size:
        return input
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
