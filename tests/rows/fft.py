"""Rows of `kuai.ops.fourier`."""

from tests.rowkit import A, Row

REAL, COMPLEX = A(3, 5), A(3, 5, dtype="complex64")
FLOATS = ("float32", "float64")

_ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
_TWO = tuple(f"{name}2" for name in _ONE)
_SEVERAL = tuple(f"{name}n" for name in _ONE)
_FROM_COMPLEX = [name for name in (*_ONE, *_TWO, *_SEVERAL) if not name.startswith(("r", "ihf"))]

ROWS = [
    *(
        Row(f"fft.{name}", lambda t, x, f=name: getattr(t.fft, f)(x), REAL, dtypes=FLOATS)
        for name in (*_ONE, *_TWO, *_SEVERAL)
    ),
    *(
        Row(f"fft.{name} complex", lambda t, x, f=name: getattr(t.fft, f)(x), COMPLEX)
        for name in _FROM_COMPLEX
    ),
    *(
        Row(
            f"fft.{name} n, dim, norm",
            lambda t, x, f=name, n=norm: getattr(t.fft, f)(x, 4, 0, n),
            REAL,
        )
        for name in _ONE
        for norm in ("forward", "ortho")
    ),
    *(
        Row(
            f"fft.{name} s, dim, norm",
            lambda t, x, f=name: getattr(t.fft, f)(x, (4, -1), (1, 0), "ortho"),
            REAL,
        )
        for name in _SEVERAL
    ),
    Row("fft.fft integers", lambda t, x: t.fft.fft(x), A(4, dtype="int64")),
    Row("fft.fft none", lambda t, x: (t.fft.fftn(x, dim=()), t.fft.fftn(x[0, 0])), REAL),
    Row("fft.fftfreq", lambda t, x: t.fft.fftfreq(5, 0.5, dtype=t.float64) + x, A(5)),
    Row("fft.rfftfreq", lambda t, x: t.fft.rfftfreq(4) + x, A(3)),
    Row("fft.fftshift", lambda t, x: (t.fft.fftshift(x), t.fft.fftshift(x, 1)), REAL),
    Row("fft.ifftshift", lambda t, x: (t.fft.ifftshift(x), t.fft.ifftshift(x, (0,))), REAL),
]
