"""`kuai.signal.windows` beside PyTorch's, and what it and `stft` refuse."""

import numpy as np
import pytest
import torch

import kuai
import kuai.signal

OPTIONS = {
    "bartlett": {},
    "blackman": {},
    "cosine": {},
    "exponential": {"tau": 2.5},
    "gaussian": {"std": 1.5},
    "general_cosine": {"a": [0.46, 0.23, 0.31]},
    "general_hamming": {"alpha": 0.6},
    "hamming": {},
    "hann": {},
    "kaiser": {"beta": 5.0},
    "nuttall": {},
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("sym", [True, False])
def test_as_pytorchs(name, sym):
    assert kuai.signal.windows.__all__ == sorted(torch.signal.windows.__all__)
    for count in (0, 1, 2, 7, 10):
        for dtype in ("float32", "float64"):
            ours, theirs = (
                getattr(t.signal.windows, name)(
                    count, sym=sym, dtype=getattr(t, dtype), **OPTIONS[name]
                )
                for t in (kuai, torch)
            )
            assert str(ours.dtype) == str(theirs.dtype)
            np.testing.assert_allclose(
                ours.numpy(), theirs.numpy(), atol=5e-7 if dtype == "float32" else 1e-13
            )


def test_center_and_requires_grad():
    ours, theirs = (
        t.signal.windows.exponential(6, center=1, tau=0.5, sym=False) for t in (kuai, torch)
    )
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)
    assert kuai.signal.windows.hann(4, requires_grad=True).requires_grad


def window(t, **options):
    return t.hann_window(20, **options)


def signal(t):
    return t.arange(200.0).reshape(2, 100)


def transform(t, x=None, n_fft=20, **options):
    x = signal(t) if x is None else x
    options = {"window": t.ones(20), "return_complex": True, **options}
    return t.stft(x, n_fft, **options)


def inverse(t, n_fft=20, **options):
    return t.istft(transform(t), n_fft, **{"window": t.ones(20), **options})


REFUSED = {
    "negative": lambda t: t.hann_window(-1),
    "integers": lambda t: t.hamming_window(3, dtype=t.int64),
    "complex": lambda t: t.kaiser_window(3, dtype=t.complex64),
    "M": lambda t: t.signal.windows.hann(-1),
    "half": lambda t: t.signal.windows.hann(3, dtype=t.float16),
    "tau": lambda t: t.signal.windows.exponential(3, tau=0),
    "center": lambda t: t.signal.windows.exponential(3, center=1),
    "std": lambda t: t.signal.windows.gaussian(3, std=-1),
    "beta": lambda t: t.signal.windows.kaiser(3, beta=-1),
    "no coefficients": lambda t: t.signal.windows.general_cosine(3, a=[]),
    "one coefficient": lambda t: t.signal.windows.general_cosine(3, a=1),
    "return_complex": lambda t: t.stft(signal(t), 20, window=t.ones(20)),
    "stft integers": lambda t: transform(t, signal(t).long()),
    "stft half": lambda t: transform(t, signal(t).half(), window=t.ones(20).half()),
    "n_fft": lambda t: transform(t, n_fft=0, window=t.ones(0), center=False),
    "long n_fft": lambda t: transform(t, n_fft=200, center=False),
    "padding": lambda t: transform(t, n_fft=300),
    "pad_mode": lambda t: transform(t, pad_mode="foo"),
    "hop_length": lambda t: transform(t, hop_length=0),
    "win_length": lambda t: transform(t, win_length=30),
    "window": lambda t: transform(t, window=t.ones(7)),
    "dimensions": lambda t: transform(t, signal(t)[None]),
    "onesided": lambda t: transform(t, signal(t) + 0j, onesided=True),
    "aligned": lambda t: transform(t, align_to_window=True),
    "istft real": lambda t: t.istft(signal(t), 20, window=t.ones(20)),
    "istft n_fft": lambda t: inverse(t, 30),
    "istft hop_length": lambda t: inverse(t, hop_length=30),
    "istft win_length": lambda t: inverse(t, win_length=30),
    "istft window": lambda t: inverse(t, window=t.ones(3)),
    "istft two sides": lambda t: inverse(t, onesided=False),
    "istft complex": lambda t: inverse(t, return_complex=True),
    "istft complex window": lambda t: inverse(t, window=t.ones(20) + 0j),
    "istft empty": lambda t: t.istft(transform(t)[..., :0], 20, window=t.ones(20)),
    "istft unknown": lambda t: inverse(t, window=t.zeros(20)),
    "istft ends": lambda t: t.istft(
        transform(t, window=window(t)), 20, window=window(t), center=False
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    with pytest.raises((RuntimeError, ValueError, TypeError)) as theirs:
        REFUSED[name](torch)
    with pytest.raises(type(theirs.value)) as ours:
        REFUSED[name](kuai)
    text = str(theirs.value).partition("\nException raised")[0].partition("\n[ CPUBool")[0]
    assert str(ours.value) == text


@pytest.fixture
def warnings_come_each_time():
    kuai.set_warn_always(True)
    yield
    kuai.set_warn_always(False)


@pytest.mark.usefixtures("warnings_come_each_time")
def test_warnings():
    with pytest.warns(UserWarning, match="A window was not provided"):
        spectrum = kuai.stft(signal(kuai), 20, return_complex=True)
    with pytest.warns(UserWarning, match="A window was not provided"):
        kuai.istft(spectrum, 20)
    with pytest.warns(UserWarning, match="return_complex=False is deprecated"):
        pairs = transform(kuai, return_complex=False)
    np.testing.assert_allclose(pairs.numpy(), kuai.view_as_real(transform(kuai)).numpy())
    with pytest.warns(UserWarning, match="shorter than the length"):
        longer = inverse(kuai, length=120)
    assert longer.shape == (2, 120) and longer[:, 110:].abs().max() == 0


def test_there_and_back_in_a_compiled_step():
    window = kuai.hann_window(20)

    @kuai.compile(fullgraph=True)
    def there_and_back(x):
        spectrum = kuai.stft(x, 20, window=window, return_complex=True)
        return kuai.istft(spectrum, 20, window=window)

    x = kuai.randn(2, 100)
    for _ in range(2):
        np.testing.assert_allclose(there_and_back(x).numpy(), x.numpy(), atol=1e-5)


def test_gradcheck():
    window = kuai.hann_window(6, dtype=kuai.float64)

    def spectrum(x, window):
        return kuai.view_as_real(kuai.stft(x, 6, window=window, return_complex=True))

    x = kuai.randn(2, 12, dtype=kuai.float64, requires_grad=True)
    assert kuai.autograd.gradcheck(spectrum, (x, window.requires_grad_(True)))
