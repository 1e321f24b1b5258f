"""Dropout: operations that zero elements or whole channels at random while training.

The mask is drawn inside the operation from the generator's state, so eager and compiled code drop
the same elements. One comparison of random bits with a whole number makes the mask; the backward
pass keeps the mask alone.
"""

import math
import warnings

import jax
import jax.numpy as jnp

from kuai.engine.autograd.inplace import overwrite
from kuai.engine.op import Array, Number, composite, op
from kuai.ops.elementwise import FLOATING, kind_of

_SELU_LIMIT = -1.7580993408473766  # what selu tends to for x → -∞: -scale·alpha


def probability(p) -> tuple[float, int]:
    """p, and how many random bits decide about one element: none, where all are dropped.

    The generator makes 64 bits at a time, which is most of the price of dropout on a CPU, and 16 of
    them are enough for one element, unless p is very small or large: p is met to 2⁻¹⁷.
    """
    return float(p), 0 if p == 1 else 16 if 0.01 <= p <= 0.99 else 32


def keep_mask(key, shape, p, bits: int):
    """True with probability 1 - p, a number of the program; `bits` are those that it asks for.

    The barrier keeps XLA from drawing the bits once for each element of a word, and again in the
    backward pass. Dropout's share of a transformer's step fell from 20 to 5 %.
    """
    if not bits:
        return jnp.zeros(shape, bool)
    part, count = jnp.dtype(f"uint{bits}"), math.prod(shape)
    words = jax.random.bits(key, (-(-count * bits // 64),), jnp.uint64)
    parts = jax.lax.bitcast_convert_type(jax.lax.optimization_barrier(words), part)
    limit = jnp.minimum(jnp.round(p * 2.0**bits), 2.0**bits - 1).astype(part)
    return parts.reshape(-1)[:count].reshape(shape) >= limit


def scaled(values, p, bits: int):
    """What is kept, made larger for what is dropped; nothing is kept without bits."""
    return values / (1 - p) if bits else jnp.zeros((), values.dtype)


def _mask_shape(shape, channels: int):
    """The mask is the same behind the first `channels` dimensions; 0 stands for all of them."""
    if not channels:
        return shape
    if len(shape) < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (*shape[:channels], *(1 for _ in shape[channels:]))


def _refuse_integers(input):
    if kind_of(input) < FLOATING:
        raise RuntimeError("result type Float can't be cast to the desired output type Long")


@op(function=False, method=False, random=True, grad="MulBackward0")
def _drop(key, input: Array, p: Number, bits: int, channels: int):
    """Zero with probability p, scale the rest by 1 / (1 - p)."""
    _refuse_integers(input)
    shape = _mask_shape(input.shape, channels)
    mask = keep_mask(key, shape, p, bits)
    scale = 1 / (1 - p) if bits else 0.0
    return input * jnp.where(mask, jnp.asarray(scale, input.dtype), jnp.zeros((), input.dtype))


@op(function=False, method=False, random=True, grad="AddBackward0")
def _drop_alpha(key, input: Array, p: Number, bits: int, channels: int):
    """Set elements to selu's limit with probability p, then restore mean and variance."""
    _refuse_integers(input)
    shape = _mask_shape(input.shape, channels)
    if not bits:
        return input * 0
    scale = ((1 - p) * (1 + p * _SELU_LIMIT**2)) ** -0.5
    mask = keep_mask(key, shape, p, bits)
    kept = input * jnp.where(mask, scale, 0).astype(input.dtype)
    dropped = jnp.where(mask, 0, scale * _SELU_LIMIT) - scale * _SELU_LIMIT * p
    return kept + dropped.astype(input.dtype)


def _check_probability(p):
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _apply(operation, input, p, training, inplace, channels=0):
    if not training or p == 0:
        return input
    output = operation(input, *probability(p), channels)
    return overwrite(input, output) if inplace else output


@composite(function=False, method=False, functional=True)
def dropout(input, p=0.5, training: bool = True, inplace=False):
    """While training, zero elements with probability `p` and scale the rest by 1 / (1 - p).

    Example:
        >>> kuai.nn.functional.dropout(kuai.ones(2), 0.5, training=False)
        tensor([1., 1.])

    Reference: Hinton et al., Improving neural networks by preventing co-adaptation, 2012.
    """
    _check_probability(p)
    return _apply(_drop, input, p, training, inplace)


@composite(function=False, method=False, functional=True)
def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout for self-normalizing networks: keeps mean and variance.

    Example:
        >>> kuai.nn.functional.alpha_dropout(kuai.ones(3), 0.2, training=True).shape
        torch.Size([3])

    Reference: Klambauer et al., Self-normalizing neural networks, 2017.
    """
    _check_probability(p)
    return _apply(_drop_alpha, input, p, training, inplace)


@composite(function=False, method=False, functional=True)
def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """`alpha_dropout` of whole channels.

    Shape:
        input and output `(N, C, *)`.

    Example:
        >>> kuai.nn.functional.feature_alpha_dropout(kuai.ones(2, 3, 4), 0.2, True).shape
        torch.Size([2, 3, 4])
    """
    _check_probability(p)
    return _apply(_drop_alpha, input, p, training, inplace, channels=2)


def _drop_channels(input, p, training, inplace, batched):
    """Dropout of channels; without a batch dimension they are the first one."""
    return _apply(_drop, input, p, training, inplace, channels=2 if batched else 1)


@composite(function=False, method=False, functional=True)
def dropout1d(input, p=0.5, training: bool = True, inplace=False):
    """Dropout of whole channels of an input with one spatial dimension.

    Shape:
        input and output `(N, C, L)` or `(C, L)`.

    Example:
        >>> kuai.nn.functional.dropout1d(kuai.ones(2, 3, 4), 0.5).shape
        torch.Size([2, 3, 4])

    Reference: Tompson et al., Efficient object localization using convolutional networks, 2014.
    """
    _check_probability(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. "
            "Note that dropout1d exists to provide channel-wise dropout on inputs with 1 "
            "spatial dimension, a channel dimension, and an optional batch dimension "
            "(i.e. 2D or 3D inputs)."
        )
    return _drop_channels(input, p, training, inplace, batched=input.ndim == 3)


def _warn_rank(name, ndim, spatial):
    warnings.warn(
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated "
        "and will result in an error in a future release. To retain the behavior "
        "and silence this warning, please use dropout instead. Note that "
        f"{name} exists to provide channel-wise dropout on inputs with {spatial} "
        "spatial dimensions, a channel dimension, and an optional batch dimension "
        f"(i.e. {spatial + 1}D or {spatial + 2}D inputs).",
        stacklevel=3,
    )


@composite(function=False, method=False, functional=True)
def dropout2d(input, p=0.5, training: bool = True, inplace=False):
    """Dropout of whole channels of an input with two spatial dimensions.

    Shape:
        input and output `(N, C, H, W)`, or `(N, C, L)`.

    Example:
        >>> kuai.nn.functional.dropout2d(kuai.ones(2, 3, 4, 4), 0.5).shape
        torch.Size([2, 3, 4, 4])
    """
    _check_probability(p)
    if input.ndim not in (3, 4):
        _warn_rank("dropout2d", input.ndim, 2)
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise "
            "1D dropout behavior is desired - input is interpreted as shape (N, C, L), where C "
            "is the channel dim. This behavior will change in a future release to interpret the "
            "input as one without a batch dimension, i.e. shape (C, H, W). To maintain the 1D "
            "channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _drop_channels(input, p, training, inplace, batched=True)


@composite(function=False, method=False, functional=True)
def dropout3d(input, p=0.5, training: bool = True, inplace=False):
    """Dropout of whole channels of an input with three spatial dimensions.

    Shape:
        input and output `(N, C, D, H, W)` or `(C, D, H, W)`.

    Example:
        >>> kuai.nn.functional.dropout3d(kuai.ones(2, 3, 4, 4, 4), 0.5).shape
        torch.Size([2, 3, 4, 4, 4])
    """
    _check_probability(p)
    if input.ndim not in (4, 5):
        _warn_rank("dropout3d", input.ndim, 3)
    return _drop_channels(input, p, training, inplace, batched=input.ndim == 5)
