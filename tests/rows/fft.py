"""Rows of `kuai.ops.analysis.fourier`."""

from tests.rowkit import A, Row

REAL, COMPLEX = A(3, 5), A(3, 5, dtype="complex64")
FLOATS = ("float32", "float64")

_ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
_TWO = tuple(f"{name}2" for name in _ONE)
_SEVERAL = tuple(f"{name}n" for name in _ONE)
_FROM_COMPLEX = [name for name in (*_ONE, *_TWO, *_SEVERAL) if not name.startswith(("r", "ihf"))]


def _all(names, *arguments):
    return lambda t, x: [getattr(t.fft, name)(x, *arguments) for name in names]


ROWS = [
    *(Row(" ".join(names), _all(names), REAL, dtypes=FLOATS) for names in (_ONE, _TWO, _SEVERAL)),
    Row("fft complex", _all(_FROM_COMPLEX), COMPLEX),
    Row("fft n, dim, norm", _all(_ONE, 4, 0, "forward"), REAL),
    Row("fftn s, dim, norm", _all(_SEVERAL, (4, -1), (1, 0), "ortho"), REAL),
    Row("fft.fft integers", lambda t, x: t.fft.fft(x), A(4, dtype="int64")),
    Row("fft.fft none", lambda t, x: (t.fft.fftn(x, dim=()), t.fft.fftn(x[0, 0])), REAL),
    Row("fft.fftfreq", lambda t, x: t.fft.fftfreq(5, 0.5, dtype=t.float64) + x, A(5)),
    Row("fft.rfftfreq", lambda t, x: t.fft.rfftfreq(4) + x, A(3)),
    Row("fft.fftshift", lambda t, x: (t.fft.fftshift(x), t.fft.fftshift(x, 1)), REAL),
    Row("fft.ifftshift", lambda t, x: (t.fft.ifftshift(x), t.fft.ifftshift(x, (0,))), REAL),
]
