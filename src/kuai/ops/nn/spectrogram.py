"""Short-time Fourier transforms: `stft` and its inverse.

    X[ω, m] = Σₖ window[k] · input[m · hop_length + k] · exp(-2πi ω k / n_fft)

The inverse adds the frames up where they overlap and divides by the sum of the squared windows
there (Griffin, Lim, "Signal estimation from modified short-time Fourier transform", 1984).
"""

import math

import jax.numpy as jnp

from kuai.engine.op import Array, composite, op
from kuai.engine.tensor.concrete import is_concrete
from kuai.engine.tensor.promotion import promote_types, scalar_name
from kuai.engine.tensor.warning_once import warn_once
from kuai.ops.array.shaping import shape_of
from kuai.ops.array.windows import view_as_real
from kuai.ops.nn.padding import pad

_RECTANGULAR = (
    "A window was not provided. A rectangular window will be applied,which is known to cause "
    "spectral leakage. Other windows such as torch.hann_window or torch.hamming_window are "
    "recommended to reduce spectral leakage.To suppress this warning and use a rectangular "
    "window, explicitly set `window=torch.ones(n_fft, device=<device>)`."
)
_NO_INVERSE_WINDOW = (
    "A window was not provided. A rectangular window will be applied.Please provide the same "
    "window used by stft to make the inversion lossless.To suppress this warning and use a "
    "rectangular window, explicitly set `window=torch.ones(n_fft, device=<device>)`."
)
_SHORT = (
    "The length of signal is shorter than the length parameter. Result is being padded with zeros "
    "in the tail. Please check your center and hop_length settings."
)
_OLD = (
    "stft with return_complex=False is deprecated. In a future pytorch release, stft will return "
    "complex tensors for all inputs, and return_complex=False will raise an error.\n"
    "Note: you can still call torch.view_as_real on the complex output to recover the old return "
    "format."
)
_ONESIDED = "Cannot have onesided output if window or input is complex"


# Formulas -----------------------------------------------------------------------------------------


def _places(frames, hop_length, n_fft):
    return hop_length * jnp.arange(frames)[:, None] + jnp.arange(n_fft)


def _padded(window, win_length, n_fft, kind):
    """The window with zeros on both sides, n_fft points in all."""
    if window is None:
        window = jnp.ones(win_length, kind)
    left = (n_fft - win_length) // 2
    return jnp.pad(window, (left, n_fft - win_length - left))


@op(function=False, method=False, name="stft", grad="StftBackward0")
def spectrogram(
    input: Array,
    window: Array | None,
    n_fft: int,
    hop_length: int,
    win_length: int,
    frames: int,
    onesided: bool,
    normalized: bool,
):
    """The transforms of all frames, (…, frequency, frame)."""
    window = _padded(window, win_length, n_fft, input.dtype)
    cut = input[..., _places(frames, hop_length, n_fft)] * window
    norm = "ortho" if normalized else "backward"
    transform = jnp.fft.rfft if onesided else jnp.fft.fft
    return jnp.swapaxes(transform(cut, norm=norm), -1, -2)


@op(function=False, method=False, name="istft", grad="IstftBackward0")
def overlapped(
    input: Array,
    window: Array | None,
    n_fft: int,
    hop_length: int,
    win_length: int,
    normalized: bool,
    is_complex: bool,
):
    """The frames and the squared windows, both added up where they overlap."""
    real = jnp.finfo(input.dtype).dtype
    window = _padded(window, win_length, n_fft, real)
    spectra = jnp.swapaxes(input, -1, -2)
    norm = "ortho" if normalized else "backward"
    if is_complex:
        cut = jnp.fft.ifft(spectra, norm=norm)
    else:  # of both sides a real signal needs only one
        cut = jnp.fft.irfft(spectra[..., : n_fft // 2 + 1], n_fft, norm=norm)
    frames = cut.shape[-2]
    places = _places(frames, hop_length, n_fft)
    length = n_fft + hop_length * (frames - 1)
    cut = cut * window
    total = jnp.zeros((*cut.shape[:-2], length), cut.dtype).at[..., places].add(cut)
    squares = jnp.broadcast_to((window * window).astype(cut.dtype), (frames, n_fft))
    return total, jnp.zeros(length, cut.dtype).at[places].add(squares)


# PyTorch's functions ------------------------------------------------------------------------------


def _sizes(n_fft, hop_length, win_length):
    hop_length = n_fft // 4 if hop_length is None else hop_length
    return hop_length, n_fft if win_length is None else win_length


def _described_window(window):
    if window is None:
        return "None"
    return f"torch.{scalar_name(window.dtype.jax)}Tensor{{{list(shape_of(window))}}}"


def _said(flag):
    return "None" if flag is None else str(int(flag))


@composite
def stft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    pad_mode="reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window=None,
):
    """The Fourier transforms of short, overlapping frames of a signal.

    Args:
        input: the signals, (time) or (batch, time).
        n_fft: the length of the transforms.
        hop_length: how far apart frames begin; default: n_fft // 4.
        win_length: the length of the window, which zeros on both sides fill up to n_fft.
        window: what frames are multiplied by; default: ones.
        center: whether frames are centred at multiples of hop_length, the signal being padded.
        pad_mode: how it is padded.
        normalized: divide by √n_fft.
        onesided: only the frequencies from 0 to n_fft / 2; default: if all is real.
        return_complex: has to be said for real signals; False gives pairs of numbers.
        align_to_window: without `center`, whether frames begin where the window does, and not
            where its zeros do.

    Shape:
        (batch, frequency, frame), complex.

    Example:
        >>> signal = kuai.sin(2 * kuai.pi * kuai.arange(32) / 8)
        >>> spectrum = kuai.stft(signal, 16, window=kuai.hann_window(16), return_complex=True)
        >>> spectrum.shape, int(spectrum[:, 4].abs().argmax())
        (torch.Size([9, 9]), 2)
    """
    hop_length, win_length = _sizes(n_fft, hop_length, win_length)
    has_complex = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None:
        if not has_complex:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will "
                "further require that return_complex=True in a future PyTorch release."
            )
        return_complex = True
    if window is None:
        warn_once(_RECTANGULAR, stacklevel=2)
    if not return_complex:
        warn_once(_OLD, stacklevel=2)
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    if center:
        input = _centred(input, n_fft, pad_mode)

    def refuse(problem):
        raise RuntimeError(
            f"stft(torch.{scalar_name(input.dtype.jax)}Tensor{list(shape_of(input))}, "
            f"n_fft={n_fft}, hop_length={hop_length}, win_length={win_length}, "
            f"window={_described_window(window)}, normalized={int(normalized)}, "
            f"onesided={_said(onesided)}, return_complex={_said(return_complex)}, "
            f"align_to_window={_said(align_to_window)}) : {problem}"
        )

    _check_signal(input, n_fft, hop_length, win_length, window, refuse)
    if onesided and has_complex:
        raise RuntimeError(_ONESIDED)
    if align_to_window and win_length < n_fft:
        left = (n_fft - win_length) // 2
        input = pad(input, (left, n_fft - win_length - left))
    frames = 1 + (shape_of(input)[-1] - n_fft) // hop_length
    made = spectrogram(
        input,
        window,
        n_fft,
        hop_length,
        win_length,
        frames,
        not has_complex if onesided is None else bool(onesided),
        bool(normalized),
    )
    return made if return_complex else view_as_real(made)


def _centred(input, n_fft, pad_mode):
    """The signal with half a frame on both sides."""
    shape = shape_of(input)
    front = (1,) * (3 - len(shape)) if len(shape) < 3 else ()
    half = n_fft // 2
    padded = pad(input.reshape(*front, *shape), (half, half), pad_mode)
    return padded.reshape(*shape[:-1], shape_of(padded)[-1])


def _check_signal(input, n_fft, hop_length, win_length, window, refuse):
    shape = shape_of(input)
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        refuse("expected a tensor of floating point or complex values")
    kind = (input.dtype if window is None else promote_types(input.dtype, window.dtype)).jax
    if kind.itemsize == 2:
        raise RuntimeError(f"MKL FFT doesn't support tensors of type: {scalar_name(kind)}")
    if len(shape) not in (1, 2):
        refuse("expected a 1D or 2D tensor")
    if not 0 < n_fft <= shape[-1]:
        refuse(f"expected 0 < n_fft < {shape[-1]}, but got n_fft={n_fft}")
    if hop_length <= 0:
        refuse(f"expected hop_length > 0, but got hop_length={hop_length}")
    if not 0 < win_length <= n_fft:
        refuse(f"expected 0 < win_length <= n_fft, but got win_length={win_length}")
    if window is not None and shape_of(window) != (win_length,):
        refuse(
            f"expected a 1D window tensor of size equal to win_length={win_length}, "
            f"but got window with size {list(shape_of(window))}"
        )


@composite
def istft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length=None,
    return_complex: bool = False,
):
    """The signal whose short-time Fourier transform this is, or the one nearest to it.

    Args:
        input: the transforms, (frequency, frame) or (batch, frequency, frame), complex.
        n_fft, hop_length, win_length, window, center, normalized, onesided: as `stft` had them.
        length: the length of the signal; default: all that the frames reach.
        return_complex: whether the signal is complex.

    Raises:
        RuntimeError: somewhere no window reaches, so the signal is unknown there.

    Example:
        >>> window, signal = kuai.hann_window(8), kuai.arange(16.0)
        >>> spectrum = kuai.stft(signal, 8, window=window, return_complex=True)
        >>> kuai.allclose(kuai.istft(spectrum, 8, window=window), signal, atol=1e-5)
        True
    """
    hop_length, win_length = _sizes(n_fft, hop_length, win_length)
    if window is None:
        warn_once(_NO_INVERSE_WINDOW, stacklevel=2)

    def refuse(problem, colon=" : "):
        raise RuntimeError(
            f"istft(CPU{scalar_name(input.dtype.jax)}Type{list(shape_of(input))}, "
            f"n_fft={n_fft}, hop_length={hop_length}, win_length={win_length}, "
            f"window={_described_window(window)}, center={int(center)}, "
            f"normalized={int(normalized)}, onesided={_said(onesided)}, length={length}, "
            f"return_complex={int(return_complex)}){colon}{problem}"
        )

    _check_spectrum(input, n_fft, hop_length, win_length, window, onesided, return_complex, refuse)
    total, squares = overlapped(
        input, window, n_fft, hop_length, win_length, bool(normalized), return_complex
    )
    start = n_fft // 2 if center else 0
    reach = shape_of(total)[-1]
    end = start + length if length is not None else reach - start
    total, squares = total[..., start:end], squares[start:end]
    if is_concrete(squares) and not bool((squares.abs() > 1e-11).all()):
        refuse("window overlap add min: 1", colon=" ")
    signal = total / squares
    if end > reach:
        warn_once(_SHORT, stacklevel=2)
        signal = pad(signal, (0, end - reach))
    return signal


def _check_spectrum(input, n_fft, hop_length, win_length, window, onesided, return_complex, refuse):
    """Whether the transform has one side only; errors where the arguments do not fit."""
    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    shape = shape_of(input)
    if math.prod(shape) == 0:
        refuse("input tensor cannot be empty.")
    if len(shape) not in (2, 3):
        refuse(f"expected a tensor with 3 or 4 dimensions, but got {len(shape) + 1}")
    one = shape[-2] != n_fft if onesided is None else bool(onesided)
    if one and shape[-2] != n_fft // 2 + 1:
        refuse(
            "expected the frequency dimension (3rd to the last) of the input tensor to match "
            f"n_fft / 2 + 1 when onesided=True, but got {shape[-2]}"
        )
    if not one and shape[-2] != n_fft:
        refuse(
            "expected the frequency dimension (3rd to the last) of the input tensor to match "
            f"n_fft when onesided=False, but got {shape[-2]}"
        )
    if not 0 < hop_length <= win_length:
        refuse("expected 0 < hop_length <= win_length")
    if not 0 < win_length <= n_fft:
        refuse("expected 0 < win_length <= n_fft")
    if window is not None and shape_of(window) != (win_length,):
        refuse("Invalid window shape. window has to be 1D and length of `win_length`")
    if window is not None and window.dtype.is_complex and not return_complex:
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
    if return_complex and one:
        raise RuntimeError(_ONESIDED)
    return one
