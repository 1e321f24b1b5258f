"""Window functions: `kuai.hann_window` and the like, and the formulas that `kuai.signal` has, too.

A window is computed once, in float64, and rounded. A periodic window of n points is a symmetric one
of n + 1 without its last point.
"""

from collections.abc import Sequence

import numpy as np

from kuai.engine.op import composite
from kuai.engine.tensor import Tensor, dtypes, from_array
from kuai.engine.tensor.promotion import scalar_name
from kuai.engine.tensor.size import whole

__all__ = ["bartlett", "cosines", "kaiser", "made", "positions"]


#: What PyTorch's errors call the types of C++.
_NAMES = {
    dtypes.bool_: "bool",
    dtypes.uint8: "unsigned char",
    dtypes.int8: "signed char",
    dtypes.int16: "short int",
    dtypes.int32: "int",
    dtypes.int64: "long int",
    dtypes.uint16: "uint16",
    dtypes.uint32: "uint32",
    dtypes.uint64: "uint64",
}

# Formulas -----------------------------------------------------------------------------------------


def positions(count: int, periodic: bool) -> np.ndarray:
    """n / N for the points n of a window: from 0 to 1, or up to what would be before 1."""
    return np.arange(count) / max(count if periodic else count - 1, 1)


def cosines(count: int, periodic: bool, coefficients: Sequence[float]) -> np.ndarray:
    """Σᵢ (-1)ⁱ aᵢ cos(2π i n / N), and 1 for a single point."""
    if count == 1:
        return np.ones(1)
    angles = 2 * np.pi * positions(count, periodic)
    terms = [(-1) ** i * a * np.cos(i * angles) for i, a in enumerate(coefficients)]
    return np.sum(terms, 0)


def bartlett(count: int, periodic: bool) -> np.ndarray:
    """1 - |2n / N - 1|."""
    return np.ones(1) if count == 1 else 1 - np.abs(2 * positions(count, periodic) - 1)


def kaiser(count: int, periodic: bool, beta: float) -> np.ndarray:
    """I₀(β √(1 - (2n / N - 1)²)) / I₀(β)."""
    if count == 1:
        return np.ones(1)
    distance = 2 * positions(count, periodic) - 1
    return np.i0(beta * np.sqrt(np.maximum(1 - distance**2, 0))) / np.i0(np.asarray(beta))


def made(values: np.ndarray, dtype, device, requires_grad: bool) -> Tensor:
    """A window as a tensor."""
    kind = dtypes.default_float_jax() if dtype is None else dtypes.to_jax(dtype)
    return from_array(values.astype(kind), device, requires_grad)


# PyTorch's older functions ------------------------------------------------------------------------


def _refuse_integers(name, dtype):
    if dtype is None or dtype.is_floating_point or dtype.is_complex:
        return
    raise RuntimeError(
        f"{name} expects floating point dtypes, got: TensorOptions(dtype={_NAMES[dtype]}, "
        "device=cpu, layout=Strided (default), requires_grad=false (default), "
        "pinned_memory=false, memory_format=(nullopt))"
    )


def _window(name, formula, count, dtype, device, requires_grad):
    _refuse_integers(name, dtype)
    if dtype is not None and dtype.is_complex:
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{scalar_name(dtype.jax)}'")
    count = whole(count)
    if count < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={count}")
    return made(formula(count), dtype, device, requires_grad)


@composite(method=False)
def hann_window(
    window_length,
    periodic=True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """The Hann window, 1/2 (1 - cos(2π n / N)).

    Args:
        window_length: the number of points.
        periodic: N is the number of points, for spectra; else one less, for filters.

    Example:
        >>> kuai.hann_window(4), kuai.hann_window(3, periodic=False)
        (tensor([0.0000, 0.5000, 1.0000, 0.5000]), tensor([0., 1., 0.]))
    """

    def formula(count):
        return cosines(count, periodic, (0.5, 0.5))

    return _window("hann_window", formula, window_length, dtype, device, requires_grad)


@composite(method=False)
def hamming_window(
    window_length,
    periodic=True,
    alpha=0.54,
    beta=0.46,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """The Hamming window, alpha - beta cos(2π n / N).

    Example:
        >>> kuai.hamming_window(4)
        tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """

    def formula(count):
        return cosines(count, periodic, (alpha, beta))

    return _window("hamming_window", formula, window_length, dtype, device, requires_grad)


@composite(method=False)
def blackman_window(
    window_length,
    periodic=True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """The Blackman window, 0.42 - 0.5 cos(2π n / N) + 0.08 cos(4π n / N).

    Example:
        >>> kuai.blackman_window(4)[1:]
        tensor([0.3400, 1.0000, 0.3400])
    """

    def formula(count):
        return cosines(count, periodic, (0.42, 0.5, 0.08))

    return _window("blackman_window", formula, window_length, dtype, device, requires_grad)


@composite(method=False)
def bartlett_window(
    window_length,
    periodic=True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """The Bartlett window, 1 - |2n / N - 1|: a triangle.

    Example:
        >>> kuai.bartlett_window(4)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """

    def formula(count):
        return bartlett(count, periodic)

    return _window("bartlett_window", formula, window_length, dtype, device, requires_grad)


@composite(method=False)
def kaiser_window(
    window_length,
    periodic=True,
    beta=12.0,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """The Kaiser window, I₀(β √(1 - (2n / N - 1)²)) / I₀(β).

    Example:
        >>> kuai.kaiser_window(4, beta=5.0)
        tensor([0.0367, 0.5529, 1.0000, 0.5529])
    """

    def formula(count):
        return kaiser(count, periodic, beta)

    return _window("kaiser_window", formula, window_length, dtype, device, requires_grad)
