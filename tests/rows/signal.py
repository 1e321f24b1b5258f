"""Rows for window functions and short-time Fourier transforms."""

from tests.rowkit import A, Row

REAL, PAIRS = A(2, 60), A(2, 60, dtype="complex64")


def window(t, x, size=16):
    return t.hann_window(size, dtype=x.dtype)


def spectrum(t, x, **options):
    return t.stft(x, 16, window=window(t, x), return_complex=True, **options)


def parts(t, made):
    """Real numbers, whose gradients have no convention about conjugates."""
    return t.view_as_real(made)


ROWS = [
    *(
        Row(
            f"{name} {periodic} {dtype}",
            lambda t, name=name, periodic=periodic, dtype=dtype: [
                getattr(t, name)(count, periodic, dtype=getattr(t, dtype)) for count in (0, 1, 2, 9)
            ],
            atol=3e-3 if dtype == "float16" else 3e-7,
        )
        for name in (
            "hann_window",
            "hamming_window",
            "blackman_window",
            "bartlett_window",
            "kaiser_window",
        )
        for periodic, dtype in ((True, "float32"), (False, "float64"), (True, "float16"))
    ),
    Row("hamming_window coefficients", lambda t: t.hamming_window(7, False, 0.6, 0.3), atol=1e-6),
    Row("kaiser_window beta", lambda t: t.kaiser_window(7, False, 3.5), atol=1e-6),
    Row("stft", lambda t, x: parts(t, spectrum(t, x)), REAL, atol=1e-5),
    Row(
        "stft method",
        lambda t, x: x.stft(8, 3, window=window(t, x, 8), return_complex=True),
        REAL,
        grad=False,
        atol=1e-5,
    ),
    Row("stft of one signal", lambda t, x: parts(t, spectrum(t, x[0])), REAL, atol=1e-5),
    Row("stft normalized", lambda t, x: parts(t, spectrum(t, x, normalized=True)), REAL, atol=1e-5),
    Row("stft two sides", lambda t, x: parts(t, spectrum(t, x, onesided=False)), REAL, atol=1e-5),
    Row("stft not centred", lambda t, x: parts(t, spectrum(t, x, center=False)), REAL, atol=1e-5),
    Row(
        "stft padded with zeros",
        lambda t, x: parts(t, spectrum(t, x, pad_mode="constant")),
        REAL,
        atol=1e-5,
    ),
    Row(
        "stft short window",
        lambda t, x: parts(t, t.stft(x, 16, 3, 10, window=window(t, x, 10), return_complex=True)),
        REAL,
        atol=1e-5,
    ),
    Row(
        "stft aligned to the window",
        lambda t, x: parts(
            t,
            t.stft(
                x,
                16,
                3,
                10,
                window=window(t, x, 10),
                center=False,
                align_to_window=True,
                return_complex=True,
            ),
        ),
        REAL,
        atol=1e-5,
    ),
    Row(
        "stft of complex numbers",
        lambda t, x: t.stft(x, 16, window=t.hann_window(16)),
        PAIRS,
        grad=False,
        atol=1e-5,
    ),
    Row(
        "istft",
        lambda t, x: t.istft(spectrum(t, x), 16, window=window(t, x)),
        REAL,
        atol=1e-5,
    ),
    Row(
        "istft length",
        lambda t, x: spectrum(t, x, normalized=True).istft(
            16, window=window(t, x), normalized=True, length=50
        ),
        REAL,
        atol=1e-5,
    ),
    Row(
        "istft short window",
        lambda t, x: t.istft(
            t.stft(x, 16, 3, 10, window=window(t, x, 10), return_complex=True),
            16,
            3,
            10,
            window=window(t, x, 10),
        ),
        REAL,
        atol=1e-5,
    ),
    Row(
        "istft of complex signals",
        lambda t, x: t.istft(
            t.stft(x, 16, window=t.hann_window(16)),
            16,
            window=t.hann_window(16),
            onesided=False,
            return_complex=True,
        ),
        PAIRS,
        grad=False,
        atol=1e-5,
    ),
    Row(
        "binomial",
        lambda t, n, p: t.binomial(n.abs().floor(), p),
        A(3, 4, low=1, high=9),
        A(3, 4, low=0, high=1),
        random=True,
        grad=False,
    ),
]
