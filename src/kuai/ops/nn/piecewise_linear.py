"""Activation functions made of straight pieces, and rectifiers above all, element by element.

The gradient at a kink, and at nan, is PyTorch's.
"""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, op
from kuai.engine.op.exact_out import FOUND
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import in_wide, spread
from kuai.ops.elementwise import BOOL, COMPLEX, kind_of, refuse
from kuai.ops.faces import with_inplace, with_underscore
from kuai.ops.known_values import check_fits
from kuai.ops.nn.activation import NOT_REAL, like


def _refuse_complex_bounds(input):
    if kind_of(input) == COMPLEX:
        raise NotImplementedError("clamp is not supported for complex types")


@jax.custom_jvp
def _rectified(input):
    return jnp.maximum(input, jnp.zeros((), input.dtype))


@_rectified.defjvp
def _rectified_derivative(primals, tangents):
    """0 up to 0, and 1 elsewhere, also at nan."""
    (input,), (tangent,) = primals, tangents
    return _rectified(input), jnp.where(input <= 0, jnp.zeros((), tangent.dtype), tangent)


# Rectifiers ---------------------------------------------------------------------------------------


@with_underscore
@with_inplace
@op(inplace=True)
def relu(input: Array):
    """The rectified linear unit: max(0, x); its derivative at 0 is 0.

    Example:
        >>> kuai.relu(kuai.tensor([-1.0, 0.0, 2.0]))
        tensor([0., 0., 2.])

    Reference: Nair, Hinton, Rectified linear units improve restricted Boltzmann machines, 2010.
    """
    if kind_of(input) == BOOL:
        raise RuntimeError("Boolean inputs not supported for relu")
    _refuse_complex_bounds(input)
    return _rectified(input)


@with_inplace
@op(function=False, method=False, grad="HardtanhBackward0")
def relu6(input: Array):
    """The rectified linear unit, at most 6: min(max(0, x), 6).

    Example:
        >>> kuai.nn.functional.relu6(kuai.tensor([-1.0, 3.0, 9.0]))
        tensor([0., 3., 6.])

    Reference: Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.
    """
    if kind_of(input) == BOOL:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    _refuse_complex_bounds(input)
    return _clamp(input, *like(input, 0, 6))


@with_underscore
@with_inplace
@op(function=False, method=False)
def leaky_relu(input: Array, negative_slope: Number = 0.01):
    """The leaky rectifier: x where x > 0, negative_slope·x elsewhere.

    Args:
        negative_slope: the slope below zero.

    Example:
        >>> kuai.nn.functional.leaky_relu(kuai.tensor([-1.0, 2.0]), 0.5)
        tensor([-0.5000,  2.0000])

    Reference: Maas et al., "Rectifier nonlinearities improve neural network acoustic models",
    2013.
    """
    refuse("leaky_relu_cpu", input, *NOT_REAL)
    return in_wide(lambda x: jnp.where(x > 0, x, like(x, negative_slope)[0] * x), input)


@op(functional=True, grad="PreluKernelBackward0", autocast="lower")
def prelu(input: Array, weight: Array):
    """The parametric rectifier: x where x > 0, a·x elsewhere, with learned slopes a.

    Shape:
        any, the channels second; the output has the input's. `weight` is `(num_parameters,)`.

    Example:
        >>> kuai.nn.functional.prelu(kuai.tensor([-1.0, 2.0]), kuai.tensor([0.25]))
        tensor([-0.2500,  2.0000])

    Reference: He et al., Delving deep into rectifiers, 2015.
    """
    if input.dtype != weight.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {scalar_name(input.dtype)} and "
            f"{scalar_name(weight.dtype)}"
        )
    refuse("prelu_cpu", input, *NOT_REAL)
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if weight.size != 1 and not input.ndim:
        raise RuntimeError("Not allow zero-dim input tensor.")
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.size not in (1, channels):
        raise RuntimeError(
            "Mismatch of parameter numbers and input channel size. "
            f"Found parameter numbers = {weight.size} and channel size = {channels}."
        )
    if weight.size > 1:
        weight = weight.reshape((1, channels) + (1,) * (input.ndim - 2))
    else:
        weight = weight.reshape(())
    return jnp.where(input > 0, input, spread(weight, input.shape) * input)


@op(function=False, method=False, random=True, grad="RreluWithNoiseBackward0")
def _randomized_relu(key, input: Array, lower: Number, upper: Number):
    """x where x > 0, a·x elsewhere, with a drawn uniformly from [lower, upper) for each element."""
    refuse("rrelu_with_noise_out_cpu", input, *NOT_REAL)
    low, high = like(input, lower, upper)
    slope = low + (high - low) * jax.random.uniform(key, input.shape, input.dtype)
    return jnp.where(input > 0, input, slope * input)


@op(function=False, method=False, grad="RreluWithNoiseBackward0")
def _averaged_relu(input: Array, lower: Number, upper: Number):
    """What `_randomized_relu` is on average."""
    refuse("leaky_relu_cpu", input, *NOT_REAL)
    return in_wide(lambda x: jnp.where(x > 0, x, like(x, (lower + upper) / 2)[0] * x), input)


# Piecewise linear units ---------------------------------------------------------------------------


@jax.custom_jvp
def _clamp(input, low, high):
    """x between low and high."""
    return jnp.minimum(jnp.maximum(input, low), high)


@_clamp.defjvp
def _clamp_derivative(primals, tangents):
    """1 strictly inside, and at nan, and 0 on the bounds."""
    (input, low, high), (tangent, _, _) = primals, tangents
    is_outside = (input <= low) | (input >= high)
    return _clamp(*primals), jnp.where(is_outside, jnp.zeros((), tangent.dtype), tangent)


def _check_bounds(input, min_val, max_val):
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    kind = input.dtype.jax
    if kind == jnp.uint8 and min_val <= -1:  # one that rounds to 0 is no negative limit
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    if kind.kind in "iu":
        for limit in (min_val, max_val):
            check_fits(limit, kind)


@with_underscore
@with_inplace
@op(function=False, method=False, check=_check_bounds)
def hardtanh(input: Array, min_val: Number = -1.0, max_val: Number = 1.0):
    """x clamped to [min_val, max_val].

    Args:
        min_val, max_val: the interval.

    Example:
        >>> kuai.nn.functional.hardtanh(kuai.tensor([-2.0, 0.5]))
        tensor([-1.0000,  0.5000])
    """
    if kind_of(input) == BOOL:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    _refuse_complex_bounds(input)
    return _clamp(input, *like(input, min_val, max_val))


@with_inplace
@op(function=False, method=False)
def hardsigmoid(input: Array):
    """A piecewise linear sigmoid: min(max(0, x + 3), 6) / 6.

    Example:
        >>> kuai.nn.functional.hardsigmoid(kuai.tensor([-4.0, 0.0, 4.0]))
        tensor([0.0000, 0.5000, 1.0000])

    Reference: Howard et al., "Searching for MobileNetV3", ICCV 2019.
    """
    refuse("hardsigmoid_cpu", input, *NOT_REAL)

    def unit(x):
        gate = (_clamp(x, *like(x, -3, 3)) + 3) / 6
        return jnp.where(jnp.isnan(x), jax.lax.stop_gradient(x), gate)

    return in_wide(unit, input)


@with_inplace
@op(function=False, method=False)
def hardswish(input: Array):
    """A piecewise swish: x·min(max(0, x + 3), 6) / 6.

    Example:
        >>> kuai.nn.functional.hardswish(kuai.tensor([-4.0, 1.0]))
        tensor([-0.0000, 0.6667])

    Reference: Howard et al., Searching for MobileNetV3, 2019.
    """
    refuse("hardswish_cpu", input, *NOT_REAL)

    def unit(x):
        below = jnp.where(x < 3, x, jnp.zeros((), x.dtype))
        gate = _clamp(below, *like(x, -3, 3)) + 3
        return jnp.where(x < 3, below * gate / 6, x)

    return in_wide(unit, input)


@op(functional=True, exact_out=FOUND)
def hardshrink(input: Array, lambd: Number = 0.5):
    """x where |x| > lambd, 0 elsewhere.

    Args:
        lambd: up to which size numbers are small.

    Example:
        >>> kuai.nn.functional.hardshrink(kuai.tensor([-1.0, 0.2]))
        tensor([-1.,  0.])

    Reference: Donoho & Johnstone, "Ideal spatial adaptation by wavelet shrinkage", 1994.
    """
    refuse("hardshrink_cpu", input, *NOT_REAL)
    (lambd,) = like(input, lambd)
    return jnp.where((input >= -lambd) & (input <= lambd), jnp.zeros((), input.dtype), input)


def _check_shift(input, lambd):
    kinds = {"float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16"}
    kind = kinds.get(str(input.dtype.jax))
    if lambd < 0 and kind is not None:
        largest = jnp.finfo(input.dtype.jax).max
        raise RuntimeError(
            f"lambda must be in range [0, {float(largest):g}] for input dtype {kind}, "
            f"but found {lambd:g}"
        )


@op(function=False, method=False, functional=True, exact_out=FOUND, check=_check_shift)
def softshrink(input: Array, lambd: Number = 0.5):
    """x moved towards 0 by lambd: x - lambd where x > lambd, x + lambd where x < -lambd, else 0.

    Args:
        lambd: by how much.

    Example:
        >>> kuai.nn.functional.softshrink(kuai.tensor([-1.0, 0.2]))
        tensor([-0.5000,  0.0000])

    Reference: Donoho & Johnstone, "Ideal spatial adaptation by wavelet shrinkage", 1994.
    """
    refuse("softshrink_check", input, *NOT_REAL)
    (shift,) = like(input, lambd)
    inside = (input >= -shift) & (input <= shift)
    return jnp.where(inside, input * 0, jnp.where(input > 0, input - shift, input + shift))


@with_underscore
@with_inplace
@op(inplace=True, method=False)
def threshold(input: Array, threshold: Number, value: Number):
    """x where x > threshold, value elsewhere.

    Args:
        threshold: up to where numbers are replaced.
        value: what takes their place.

    Example:
        >>> kuai.nn.functional.threshold(kuai.tensor([0.1, 2.0]), 1, 20)
        tensor([20.,  2.])
    """
    refuse("threshold_cpu", input, BOOL, COMPLEX)
    limit, value = like(input, threshold, value)
    if input.dtype == jnp.bfloat16:  # of which the limit is not rounded, as in PyTorch
        limit = threshold.astype(jnp.float32)
    return jnp.where(input <= limit, value, input)
