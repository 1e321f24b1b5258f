"""Which input elements each output element of an interpolation reads, and with what weights.

Everything here depends on sizes alone, so it is NumPy and runs once, while tracing. Positions are
computed in the precision PyTorch uses, because where an element is taken from is a matter of
rounding.
"""

import numpy as np

__all__ = ["taps", "whole_weights"]


def _triangle(x):
    return np.maximum(0, 1 - np.abs(x))


def _cubic(x, a):
    """Keys' cubic convolution kernel."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x):
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


#: The filters of the modes that smooth when they make an image smaller, and how far they reach.
_FILTERS = {
    "linear": (_triangle, 1),
    "cubic": (lambda x: _cubic(x, -0.5), 2),
    "lanczos": (_lanczos, 3),
}


def _step(source, target, factor, align_corners, kind):
    """How far one output step is in the input."""
    if align_corners:
        return kind(source - 1) / kind(target - 1) if target > 1 else kind(0)
    return kind(1.0 / factor) if factor else kind(source) / kind(target)


def _nearest(source, target, step, shift, kind):
    index = np.floor((np.arange(target).astype(kind) + kind(shift)) * step).astype(np.int64)
    return np.minimum(index, source - 1)[:, None], np.ones((target, 1))


def _positions(target, step, align_corners, kind):
    numbers = np.arange(target).astype(kind)
    return step * numbers if align_corners else step * (numbers + kind(0.5)) - kind(0.5)


def _linear_taps(source, target, step, align_corners, kind):
    position = np.maximum(_positions(target, step, align_corners, kind), 0)
    index = np.minimum(np.floor(position).astype(np.int64), source - 1)
    share = np.clip(position - index, 0, 1)
    after = np.minimum(index + 1, source - 1)
    return np.stack([index, after], 1), np.stack([1 - share, share], 1)


def _cubic_taps(source, target, step, align_corners, kind):
    position = _positions(target, step, align_corners, kind)
    index = np.floor(position).astype(np.int64)
    share = np.clip(position - index, 0, 1)[:, None]
    offsets = np.arange(-1, 3)
    return np.clip(index[:, None] + offsets, 0, source - 1), _cubic(offsets - share, -0.75)


def _smooth_taps(source, target, step, mode):
    """Every input element within the filter's reach, which grows with the step."""
    function, reach = _FILTERS[mode]
    widening = max(float(step), 1.0)
    center = float(step) * (np.arange(target) + 0.5)
    first = np.maximum((center - reach * widening + 0.5).astype(np.int64), 0)
    last = np.minimum((center + reach * widening + 0.5).astype(np.int64), source)
    numbers = first[:, None] + np.arange(max(1, (last - first).max()))
    weights = function((numbers - center[:, None] + 0.5) / widening)
    weights = np.where(numbers < last[:, None], weights, 0)
    return np.minimum(numbers, source - 1), weights / weights.sum(1, keepdims=True)


def taps(source, target, factor, mode, align_corners, antialias, kind):
    """Indices and weights, both (target, taps), along one dimension.

    Args:
        source, target: the sizes.
        factor: target / source as the caller gave it, or None.
        mode: nearest, nearest-exact, linear, cubic or lanczos.
        kind: np.float32 or np.float64, in which positions are computed.

    Example:
        >>> index, weight = taps(2, 4, None, "linear", False, False, np.float32)
        >>> index.tolist(), weight[1].tolist()
        ([[0, 1], [0, 1], [0, 1], [1, 1]], [0.75, 0.25])
    """
    step = _step(source, target, factor, align_corners, kind)
    if mode.startswith("nearest"):
        return _nearest(source, target, step, 0.5 if mode == "nearest-exact" else 0.0, kind)
    if antialias:
        return _smooth_taps(source, target, step, mode)
    make = _linear_taps if mode == "linear" else _cubic_taps
    return make(source, target, step, align_corners, kind)


def whole_weights(index, weight):
    """Weights as whole numbers of at most 16 bits, and how many bits are behind their point.

    Elements that are read twice, at the borders, are counted once, with the sum of their weights.

    Example:
        >>> index, weight = taps(2, 4, None, "linear", False, False, np.float64)
        >>> whole_weights(index, weight)
        (array([[16384,     0],
               [12288,  4096],
               [ 4096, 12288],
               [16384,     0]], dtype=int32), 14)
    """
    weight = weight.copy()
    for tap in range(1, index.shape[1]):
        for earlier in range(tap):
            same = index[:, tap] == index[:, earlier]
            weight[same, earlier] += weight[same, tap]
            weight[same, tap] = 0
    bits = 0
    while bits < 22 and int(0.5 + weight.max() * 2 ** (bits + 1)) < 2**15:
        bits += 1
    return np.trunc(weight * 2**bits + np.copysign(0.5, weight)).astype(np.int32), bits
