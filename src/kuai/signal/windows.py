"""`torch.signal.windows`: window functions of M points.

With `sym=True` a window is symmetric, for filters; with `sym=False` it is periodic, for spectra:
the first M points of a symmetric one of M + 1. All are 1 in the middle.
"""

import math
from collections.abc import Iterable

import numpy as np

from kuai.engine.tensor import Tensor, dtypes
from kuai.engine.tensor.dtypes import dtype as _dtype
from kuai.engine.tensor.formats import strided
from kuai.ops.array import window_functions

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


def _check(name, M, dtype, layout):
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout != strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    dtype = dtypes.get_default_dtype() if dtype is None else dtype
    if dtype not in (dtypes.float32, dtypes.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")


def _middle(M, sym):
    return (M if not sym and M > 1 else M - 1) / 2


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype: _dtype | None = None,
    layout=strided,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """The exponential (Poisson) window, exp(-|n - center| / tau).

    Args:
        M: the number of points.
        center: where it is 1; only for periodic windows. Default: the middle.
        tau: how slowly it falls.
        sym: symmetric rather than periodic.

    Example:
        >>> kuai.signal.windows.exponential(10)
        tensor([0.0111, 0.0302, 0.0821, 0.2231, 0.6065, 0.6065, 0.2231, 0.0821, 0.0302,
                0.0111])
    """
    _check("exponential", M, dtype, layout)
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    center = _middle(M, sym) if center is None else center
    values = np.exp(-np.abs(np.arange(M) - center) / tau)
    return window_functions.made(values, dtype, device, requires_grad)


def cosine(
    M: int,
    *,
    sym: bool = True,
    dtype: _dtype | None = None,
    layout=strided,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """The cosine (sine) window, sin(π (n + 1/2) / M).

    Example:
        >>> kuai.signal.windows.cosine(10)
        tensor([0.1564, 0.4540, 0.7071, 0.8910, 0.9877, 0.9877, 0.8910, 0.7071, 0.4540,
                0.1564])
    """
    _check("cosine", M, dtype, layout)
    period = M + 1 if not sym and M > 1 else M
    values = np.sin(np.pi * (np.arange(M) + 0.5) / max(period, 1))
    return window_functions.made(values, dtype, device, requires_grad)


def gaussian(
    M: int,
    *,
    std: float = 1.0,
    sym: bool = True,
    dtype: _dtype | None = None,
    layout=strided,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """The Gaussian window, exp(-(n - c)² / (2 std²)) around the middle c.

    Example:
        >>> kuai.signal.windows.gaussian(5, std=2.0)
        tensor([0.6065, 0.8825, 1.0000, 0.8825, 0.6065])
    """
    _check("gaussian", M, dtype, layout)
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    values = np.exp(-(((np.arange(M) - _middle(M, sym)) / (std * math.sqrt(2))) ** 2))
    return window_functions.made(values, dtype, device, requires_grad)


def kaiser(
    M: int,
    *,
    beta: float = 12.0,
    sym: bool = True,
    dtype: _dtype | None = None,
    layout=strided,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """The Kaiser window, I₀(β √(1 - (2n / N - 1)²)) / I₀(β); N is M - 1, or M if periodic.

    Example:
        >>> kuai.signal.windows.kaiser(5)
        tensor([5.2773e-05, 2.1567e-01, 1.0000e+00, 2.1567e-01, 5.2773e-05])
    """
    _check("kaiser", M, dtype, layout)
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    values = window_functions.kaiser(M, not sym, beta)
    return window_functions.made(values, dtype, device, requires_grad)


def bartlett(
    M: int,
    *,
    sym: bool = True,
    dtype: _dtype | None = None,
    layout=strided,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """The Bartlett window, 1 - |2n / N - 1|: a triangle.

    Example:
        >>> kuai.signal.windows.bartlett(5)
        tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    _check("bartlett", M, dtype, layout)
    values = window_functions.bartlett(M, not sym)
    return window_functions.made(values, dtype, device, requires_grad)


def general_cosine(
    M: int,
    *,
    a: Iterable[float],
    sym: bool = True,
    dtype: _dtype | None = None,
    layout=strided,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """A sum of cosines, Σᵢ (-1)ⁱ aᵢ cos(2π i n / N).

    Args:
        M: the number of points.
        a: the coefficients.
        sym: symmetric rather than periodic.

    Example:
        >>> kuai.signal.windows.general_cosine(5, a=[0.46, 0.23, 0.31])
        tensor([0.5400, 0.1500, 1.0000, 0.1500, 0.5400])
    """
    _check("general_cosine", M, dtype, layout)
    if M > 1:
        if not isinstance(a, Iterable):
            raise TypeError("Coefficients must be a list/tuple")
        if not a:
            raise ValueError("Coefficients cannot be empty")
    values = window_functions.cosines(M, not sym, tuple(a)) if M else np.zeros(0)
    return window_functions.made(values, dtype, device, requires_grad)


def general_hamming(
    M: int,
    *,
    alpha: float = 0.54,
    sym: bool = True,
    dtype: _dtype | None = None,
    layout=strided,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """The generalised Hamming window, alpha - (1 - alpha) cos(2π n / N).

    Example:
        >>> kuai.signal.windows.general_hamming(5, alpha=0.6)
        tensor([0.2000, 0.6000, 1.0000, 0.6000, 0.2000])
    """
    options = {"sym": sym, "dtype": dtype, "layout": layout, "device": device}
    return general_cosine(M, a=(alpha, 1 - alpha), requires_grad=requires_grad, **options)


def hamming(
    M: int,
    *,
    sym: bool = True,
    dtype: _dtype | None = None,
    layout=strided,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """The Hamming window, 0.54 - 0.46 cos(2π n / N).

    Example:
        >>> kuai.signal.windows.hamming(5)
        tensor([0.0800, 0.5400, 1.0000, 0.5400, 0.0800])
    """
    options = {"sym": sym, "dtype": dtype, "layout": layout, "device": device}
    return general_hamming(M, requires_grad=requires_grad, **options)


def hann(
    M: int,
    *,
    sym: bool = True,
    dtype: _dtype | None = None,
    layout=strided,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """The Hann window, 1/2 (1 - cos(2π n / N)).

    Example:
        >>> kuai.signal.windows.hann(5)
        tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    options = {"sym": sym, "dtype": dtype, "layout": layout, "device": device}
    return general_hamming(M, alpha=0.5, requires_grad=requires_grad, **options)


def blackman(
    M: int,
    *,
    sym: bool = True,
    dtype: _dtype | None = None,
    layout=strided,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """The Blackman window, 0.42 - 0.5 cos(2π n / N) + 0.08 cos(4π n / N).

    Example:
        >>> kuai.signal.windows.blackman(5)[1:4]
        tensor([0.3400, 1.0000, 0.3400])
    """
    _check("blackman", M, dtype, layout)
    options = {"sym": sym, "dtype": dtype, "layout": layout, "device": device}
    return general_cosine(M, a=(0.42, 0.5, 0.08), requires_grad=requires_grad, **options)


def nuttall(
    M: int,
    *,
    sym: bool = True,
    dtype: _dtype | None = None,
    layout=strided,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """The 4-term Blackman-Harris window of least sidelobes.

    Nuttall, "Some windows with very good sidelobe behavior" (1981),
    https://doi.org/10.1109/TASSP.1981.1163506.

    Example:
        >>> kuai.signal.windows.nuttall(5)
        tensor([3.6280e-04, 2.2698e-01, 1.0000e+00, 2.2698e-01, 3.6280e-04])
    """
    coefficients = (0.3635819, 0.4891775, 0.1365995, 0.0106411)
    options = {"sym": sym, "dtype": dtype, "layout": layout, "device": device}
    return general_cosine(M, a=coefficients, requires_grad=requires_grad, **options)
