"""Padding: constants, reflections, copies of the border, or the other end, around a tensor.

Negative amounts cut off instead.
"""

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.tensor.size import whole
from kuai.ops.accumulation import in_wide
from kuai.ops.array.shaping import shape_of
from kuai.ops.known_values import check_fits

_COMBINATIONS = """Supported combinations for non-constant padding:
  - 2D or 3D input: padding size = 2 (pads last dimension)
  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)
  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"""


def _check_even(pad) -> None:
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")


def _amounts(pad, ndim):
    """(before, after) for each dimension; PyTorch counts from the last one."""
    _check_even(pad)
    if len(pad) > 2 * ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(pad)} and input of dimension {ndim}"
        )
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    return [(0, 0)] * (ndim - len(pairs)) + pairs[::-1]


@op(function=False, method=False, grad="ConstantPadNdBackward0")
def _pad_constant(input: Array, pad: tuple, value: Number):
    amounts = _amounts(pad, input.ndim)
    if any(n + low + high < 0 for n, (low, high) in zip(input.shape, amounts, strict=True)):
        raise RuntimeError("narrow(): length must be non-negative.")
    config = [(low, high, 0) for low, high in amounts]
    return jax.lax.pad(input, jnp.asarray(value).astype(input.dtype), config)


def _border_name(kind):
    def name(input, *rest):
        return f"{kind}{max(1, len(input.shape) - 2)}DBackward0"

    return name


def _cut(input, amounts):
    """Negative amounts cut off; what is left to do are the positive ones."""
    slices = [
        slice(max(0, -low), size - max(0, -high))
        for size, (low, high) in zip(input.shape, amounts, strict=True)
    ]
    return input[tuple(slices)], [(max(0, low), max(0, high)) for low, high in amounts]


def _check_border(input, pad):
    _check_even(pad)
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(pad)} and input of dimension {input.ndim}"
        )
    if len(pad) not in (2, 4, 6) or input.ndim - len(pad) // 2 not in (1, 2):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {input.ndim}D input tensor.\n"
            + _COMBINATIONS
        )


def _check_filled(input, pad):
    """Only a batch may be empty: a border needs something to be made of."""
    dims = len(pad) // 2
    if 0 in input.shape[input.ndim - dims - 1 :]:
        raise RuntimeError(
            f"Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with possibly 0 batch size "
            f"and other non-zero dimensions for input, but got: {list(input.shape)}"
        )


def _check_reflection(input, amounts):
    pairs = list(enumerate(zip(input.shape, amounts, strict=True)))
    for dim, (size, pair) in reversed(pairs):  # PyTorch begins with the last dimension
        if max(pair) >= size and pair != (0, 0):
            raise RuntimeError(
                f"Argument #{2 * (input.ndim - dim) + 2}: Padding size should be less than the "
                f"corresponding input dimension, but got: padding ({pair[0]}, {pair[1]}) at "
                f"dimension {dim} of input {list(input.shape)}"
            )


def _check_circular(input, amounts):
    for size, pair in zip(input.shape, amounts, strict=True):
        if max(pair) > size:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if pair != (0, 0) and size + sum(pair) <= 0:
            raise RuntimeError("Negative padding value is resulting in an empty dimension")


def _reflection_choice(input, pad):
    """PyTorch's table has no reflections of volumes."""
    return None if len(pad) == 6 else "float32"


@op(
    function=False,
    method=False,
    grad=_border_name("ReflectionPad"),
    autocast={"cpu": _reflection_choice},
)
def _pad_reflect(input: Array, pad: tuple):
    _check_border(input, pad)
    _check_filled(input, pad)
    amounts = _amounts(pad, input.ndim)
    _check_reflection(input, amounts)
    _check_result(input, amounts, len(pad) // 2)
    input, amounts = _only_border(input, amounts, _mirrored)
    cut, amounts = _cut(input, amounts)
    return in_wide(lambda wide: jnp.pad(wide, amounts, mode="reflect"), cut)


@op(function=False, method=False, grad=_border_name("ReplicationPad"), autocast={"cpu": "float32"})
def _pad_replicate(input: Array, pad: tuple):
    _check_border(input, pad)
    _check_filled(input, pad)
    amounts = _amounts(pad, input.ndim)
    _check_result(input, amounts, len(pad) // 2)
    input, amounts = _only_border(input, amounts, lambda place, size: place.clip(0, size - 1))
    cut, amounts = _cut(input, amounts)
    return in_wide(lambda wide: jnp.pad(wide, amounts, mode="edge"), cut)


def _mirrored(place, size):
    return np.where(place < 0, -place, np.where(place >= size, 2 * (size - 1) - place, place))


def _only_border(input, amounts, source):
    """Where one side cuts off everything, what the other side makes of it is fetched by index."""
    amounts = list(amounts)
    for dim, (size, (low, high)) in enumerate(zip(input.shape, amounts, strict=True)):
        if size + min(low, high) <= 0 < size + low + high:
            places = source(np.arange(size + low + high) - low, size)
            input = in_wide(lambda wide, d=dim, at=places: jnp.take(wide, at, axis=d), input)
            amounts[dim] = (0, 0)
    return input, amounts


def _check_result(input, amounts, dims):
    before, after = input.shape[-dims:], []
    for size, pair in zip(before, amounts[-dims:], strict=True):
        after.append(size + sum(pair))
    if min(after) < 1:
        names = "DHW"[3 - dims :]
        given = ", ".join(f"{name}: {size}" for name, size in zip(names, before, strict=True))
        found = " ".join(f"{name}: {size}" for name, size in zip(names, after, strict=True))
        raise RuntimeError(f"input ({given}) is too small. Calculated output {found}")


@op(function=False, method=False, grad="CopySlices")
def _pad_circular(input: Array, pad: tuple):
    _check_border(input, pad)
    amounts = _amounts(pad, input.ndim)
    _check_circular(input, amounts)
    cut, amounts = _cut(input, amounts)
    return in_wide(lambda wide: jnp.pad(wide, amounts, mode="wrap"), cut)


_BORDERS = {"reflect": _pad_reflect, "replicate": _pad_replicate, "circular": _pad_circular}


@composite(method=False)
def constant_pad_nd(input, pad, value=0):
    """The input with a constant around it: `(left, right, top, bottom, …)`, cut off if negative.

    Example:
        >>> kuai.constant_pad_nd(kuai.tensor([1.0, 2.0]), (1, -1), 5)
        tensor([5., 1.])
    """
    ndim, pad = len(shape_of(input)), tuple(int(amount) for amount in pad)
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * ndim:
        raise RuntimeError(
            "Length of pad should be no more than twice the number of dimensions of the input. Pad "
            f"length is {len(pad)}while the input has {ndim}dimensions."
        )
    check_fits(value, input.dtype.jax)
    return _pad_constant(input, pad, value)


@composite(function=False, method=False, functional=True)
def pad(input, pad, mode="constant", value=None):
    """A larger tensor with the input in its middle.

    Args:
        pad: how much before and after, the last dimension first: `(left, right, top, bottom, …)`.
        mode: `'constant'`, `'reflect'`, `'replicate'` or `'circular'`.
        value: the constant, 0 by default.

    Example:
        >>> kuai.nn.functional.pad(kuai.tensor([1.0, 2.0]), (1, 2))
        tensor([0., 1., 2., 0., 0.])
    """
    pad = _whole_amounts(pad)
    if mode == "constant":
        check_fits(value or 0, input.dtype.jax)
        return _pad_constant(input, pad, 0.0 if value is None else value)
    if mode not in _BORDERS:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    return _BORDERS[mode](input, pad)


def _whole_amounts(pad):
    start = "pad(): argument 'pad' (position 2) must be tuple of ints, "
    if not isinstance(pad, (tuple, list)):
        raise TypeError(f"{start}not {type(pad).__name__}")
    for place, amount in enumerate(pad):
        if isinstance(amount, float):
            raise TypeError(f"{start}but found element of type float at pos {place}")
    return tuple(map(whole, pad))
