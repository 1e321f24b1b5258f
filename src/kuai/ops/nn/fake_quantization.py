"""Numbers as they would be after quantization to whole numbers and back, for training.

q = clamp(round(x / scale) + zero_point, quant_min, quant_max),  result = (q - zero_point) · scale

The derivative is 1 where nothing was clamped and 0 elsewhere (straight through the rounding).

Reference: B. Jacob et al., Quantization and training of neural networks for efficient
integer-arithmetic-only inference, 2018; Y. Bengio et al., Estimating or propagating gradients
through stochastic neurons for conditional computation, 2013.
"""

import functools

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.known_values import lie_within

__all__ = ["fake_quantize_per_channel_affine", "fake_quantize_per_tensor_affine"]

_ZERO_OUTSIDE = "`zero_point` must be between `quant_min` and `quant_max`."


@functools.partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def _quantized(input, scale, zero_point, low, high):
    """The element that stands for the nearest whole number; the least one stands for nan."""
    whole = _whole(input, scale, zero_point)
    clamped = jnp.clip(jnp.where(jnp.isnan(whole), low, whole), low, high)
    return ((clamped - zero_point).astype(jnp.float32) * scale).astype(input.dtype)


def _whole(input, scale, zero_point):
    """Before it is clamped: of x times 1 / scale, as PyTorch computes it."""
    wide = jnp.promote_types(input.dtype, jnp.float32)
    scaled = input.astype(wide) * (1 / scale).astype(wide)
    if jnp.issubdtype(zero_point.dtype, jnp.floating):
        return jnp.rint(scaled + zero_point)
    return jnp.rint(scaled) + zero_point


@_quantized.defjvp
def _straight_through(low, high, primals, tangents):
    whole = _whole(*primals)
    inside = (whole >= low) & (whole <= high)
    zero = jnp.zeros((), primals[0].dtype)
    return _quantized(*primals, low, high), jnp.where(inside, tangents[0], zero)


def _check(name, input, low, high) -> None:
    if low > high:
        raise RuntimeError("`quant_min` should be less than or         equal to `quant_max`.")
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise NotImplementedError(f"\"{name}\" not implemented for '{scalar_name(input.dtype)}'")


def _one(value, kind):
    """A number, or a tensor of one, as an array without dimensions."""
    value = jnp.asarray(value)
    if value.size != 1:
        raise RuntimeError(f"a Tensor with {value.size} elements cannot be converted to Scalar")
    return value.astype(kind).reshape(())


@op(
    function=False,
    method=False,
    name="fake_quantize_per_tensor_affine",
    grad="FakeQuantizePerTensorAffineCachemaskBackward0",
    autocast={"cpu": "float32"},
)
def _with_one_scale(
    input: Array, scale: Array | Number, zero_point: Array | Number, low: int, high: int
):
    _check("fake_quantize_tensor_cachemask_kernel_type_handling", input, low, high)
    scale, zero_point = _one(scale, jnp.float32), _one(zero_point, jnp.int64)
    return _quantized(input, scale, zero_point, low, high)


@composite(method=False)
def fake_quantize_per_tensor_affine(input, scale, zero_point, quant_min, quant_max):
    """Each element as it is after quantization with one scale, and back.

    Args:
        scale: the distance of two numbers that are told apart.
        zero_point: the whole number that stands for 0.
        quant_min, quant_max: the least and the greatest whole number.

    Example:
        >>> kuai.fake_quantize_per_tensor_affine(kuai.tensor([0.26, 40.0]), 0.1, 0, 0, 255)
        tensor([ 0.3000, 25.5000])
    """
    result = _with_one_scale(input, scale, zero_point, quant_min, quant_max)
    if isinstance(zero_point, int) and not quant_min <= zero_point <= quant_max:
        raise RuntimeError(_ZERO_OUTSIDE)
    return result


@op(
    function=False,
    method=False,
    name="fake_quantize_per_channel_affine",
    grad="FakeQuantizePerChannelAffineCachemaskBackward0",
)
def _with_scales(input: Array, scale: Array, zero_point: Array, axis: int, low: int, high: int):
    _check_vectors(scale, zero_point)
    _check("fake_quantize_channel_cachemask_cpu_type_handling", input, low, high)
    if not 0 <= axis <= input.ndim:
        raise RuntimeError("`axis` must be between 0 and number of dimensions of input")
    if axis == input.ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-axis}, {axis - 1}], but got "
            f"{axis})"
        )
    if scale.shape[0] != input.shape[axis]:
        raise RuntimeError(
            "dimensions of scale and zero-point are not consistent with input tensor"
        )
    shape = [1] * input.ndim
    shape[axis] = -1
    scale, zero_point = scale.astype(jnp.float32).reshape(shape), zero_point.reshape(shape)
    return _quantized(input, scale, zero_point, low, high)


def _check_vectors(scale, zero_point) -> None:
    if scale.dtype not in (jnp.float32, jnp.bfloat16):
        raise RuntimeError(f"Scale must be Float or BFloat16, found {scalar_name(scale.dtype)}")
    if zero_point.dtype not in (jnp.int32, jnp.float32, jnp.float16):
        found = scalar_name(zero_point.dtype)
        raise RuntimeError(f"Zero-point must be Int32, Float or Half, found {found}")
    if scale.ndim != 1:
        raise RuntimeError("scale should be a 1-D tensor")
    if zero_point.ndim != 1:
        raise RuntimeError("zero point should be a 1-D tensor")
    if scale.shape != zero_point.shape:
        raise RuntimeError("scale and zero-point need to have the same dimensions")


@composite(method=False)
def fake_quantize_per_channel_affine(input, scale, zero_point, axis, quant_min, quant_max):
    """Each element as it is after quantization with a scale for each channel, and back.

    Args:
        scale, zero_point: vectors, a number for each channel.
        axis: the dimension of the channels.
        quant_min, quant_max: the least and the greatest whole number.

    Example:
        >>> x, scale = kuai.tensor([[0.26], [0.26]]), kuai.tensor([0.1, 0.2])
        >>> kuai.fake_quantize_per_channel_affine(x, scale, kuai.zeros(2).int(), 0, 0, 255)
        tensor([[0.3000],
                [0.2000]])
    """
    result = _with_scales(input, scale, zero_point, axis, quant_min, quant_max)
    if not zero_point.is_floating_point() and not lie_within(zero_point, quant_min, quant_max):
        raise RuntimeError(_ZERO_OUTSIDE)
    return result
