"""assert_close and make_tensor beside PyTorch's: what passes, and the texts where it does not."""

import numpy as np
import pytest
import torch

import kuai
import kuai.testing

NAN, INF = float("nan"), float("inf")
COMPARED = {
    "same": lambda t, close: close(t.ones(2), t.ones(2)),
    "values": lambda t, close: close(t.tensor([1.0, 2.0]), t.tensor([1.0, 2.1])),
    "nan": lambda t, close: close(t.tensor([1.0, NAN]), t.tensor([1.1, NAN])),
    "equal nan": lambda t, close: close(t.tensor([NAN]), t.tensor([NAN]), equal_nan=True),
    "integers": lambda t, close: close(t.tensor([[1, 2], [3, 4]]), t.tensor([[1, 2], [3, 0]])),
    "booleans": lambda t, close: close(t.tensor([True, False]), t.tensor([True, True])),
    "dtype": lambda t, close: close(t.ones(1), t.ones(1).double()),
    "any dtype": lambda t, close: close(t.ones(1), t.ones(1).double(), check_dtype=False),
    "shape": lambda t, close: close(t.ones(1), t.ones(2)),
    "numbers": lambda t, close: close(1.0, 1.1),
    "whole numbers": lambda t, close: close(1, 2),
    "zero": lambda t, close: close(1, 0),
    "types of numbers": lambda t, close: close(1, 1.0),
    "0-d": lambda t, close: close(t.tensor(1.0), t.tensor(2.0)),
    "list": lambda t, close: close([t.ones(1), t.ones(1)], [t.ones(1), t.zeros(1)]),
    "keys": lambda t, close: close({"a": t.ones(1)}, {"b": t.ones(1)}),
    "nested": lambda t, close: close({"a": [1, 2]}, {"a": [1, 3]}),
    "lengths": lambda t, close: close([1], [1, 2]),
    "None": lambda t, close: close(None, 1),
    "both None": lambda t, close: close(None, None),
    "truth": lambda t, close: close(True, False),
    "texts": lambda t, close: close("a", "b"),
    "exact": lambda t, close: close(t.ones(1), t.zeros(1), rtol=0, atol=0),
    "one tolerance": lambda t, close: close(t.ones(1), t.ones(1), rtol=0.1),
    "tolerances": lambda t, close: close(t.ones(1), 2 * t.ones(1), rtol=0.1, atol=0.2),
    "within": lambda t, close: close(t.ones(1), 2 * t.ones(1), rtol=0.1, atol=1.0),
    "message": lambda t, close: close(t.ones(1), t.zeros(1), msg="mine"),
    "more": lambda t, close: close(t.ones(1), t.zeros(1), msg=lambda text: f"mine: {text}"),
    "complex": lambda t, close: close(t.tensor([1 + 1j]), t.tensor([2 + 0j])),
    "half": lambda t, close: close(t.ones(1).half(), 1.3 * t.ones(1).half()),
    "bfloat16": lambda t, close: close(t.ones(1).bfloat16(), 1.3 * t.ones(1).bfloat16()),
    "inf": lambda t, close: close(t.tensor([INF]), t.tensor([1.0])),
    "both inf": lambda t, close: close(t.tensor([INF]), t.tensor([INF])),
    "division by zero": lambda t, close: close(t.tensor([1.0, 0]), t.tensor([0.0, 5])),
    "empty": lambda t, close: close(t.zeros(0), t.zeros(0)),
    "arrays": lambda t, close: close(np.ones(2), np.zeros(2)),
    "same arrays": lambda t, close: close(np.ones(2), np.ones(2)),
    "stride": lambda t, close: close(t.ones(2, 3), t.ones(3, 2).T, check_stride=True),
    "bytes": lambda t, close: close(t.tensor([2, 1]).byte(), t.tensor([255, 1]).byte()),
    "mixed integers": lambda t, close: close(
        t.tensor([2]).byte(), t.tensor([255]), check_dtype=False
    ),
    "objects": lambda t, close: close(object, t),
    "gradients": lambda t, close: close(t.ones(2, requires_grad=True), t.zeros(2)),
}


def said(t, name):
    try:
        return COMPARED[name](t, t.testing.assert_close)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("name", COMPARED)
def test_assert_close(name):
    assert said(kuai, name) == said(torch, name)


def test_assert_allclose():
    with pytest.warns(FutureWarning, match="assert_allclose"):
        kuai.testing.assert_allclose(kuai.tensor([1.00001]), [1.0])
    with pytest.warns(FutureWarning, match="assert_allclose"), pytest.raises(AssertionError):
        kuai.testing.assert_allclose(kuai.tensor([1.1]), [1.0])


@pytest.mark.parametrize(
    "name",
    ["bool", "uint8", "int8", "int64", "float16", "bfloat16", "float32", "float64", "complex64"],
)
def test_make_tensor(name):
    dtype, theirs = getattr(kuai, name), getattr(torch, name)
    kuai.manual_seed(0)
    low = 0 if name == "uint8" else None
    made = kuai.testing.make_tensor((20, 3), dtype=dtype, device="cpu", low=low)
    known = torch.testing.make_tensor((20, 3), dtype=theirs, device="cpu", low=low)
    assert tuple(made.shape) == tuple(known.shape) and made.dtype is dtype
    real = kuai.view_as_real(made) if dtype.is_complex else made
    assert float(real.double().min()) >= -9 and float(real.double().max()) <= 10
    assert len(set(real.double().flatten().tolist())) > 1
    spread = kuai.testing.make_tensor(
        4, 3, dtype=dtype, device="cpu", low=low, noncontiguous=True, exclude_zero=True
    )
    assert spread.shape == (4, 3) and not bool((spread == 0).any())


def test_make_tensor_is_noncontiguous_and_requires_grad():
    made = kuai.testing.make_tensor(2, 3, dtype=kuai.float32, device="cpu", noncontiguous=True)
    assert not made.is_contiguous()
    options = {"dtype": kuai.complex64, "device": "cpu", "requires_grad": True}
    assert kuai.testing.make_tensor(2, **options).requires_grad


REFUSED = {
    "order": {"dtype": "float32", "low": 3, "high": 1},
    "range": {"dtype": "uint8", "low": 300, "high": 500},
    "integers": {"dtype": "int32", "requires_grad": True},
    "nan": {"dtype": "float32", "low": NAN},
}


@pytest.mark.parametrize("name", REFUSED)
def test_make_tensor_refuses(name):
    texts = []
    for t in (kuai, torch):
        options = {**REFUSED[name], "dtype": getattr(t, REFUSED[name]["dtype"]), "device": "cpu"}
        with pytest.raises(ValueError, match=r".") as caught:
            t.testing.make_tensor(2, **options)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_constants():
    for name in ("e", "inf", "pi"):
        assert getattr(kuai, name) == getattr(torch, name)
    assert kuai.nan != kuai.nan
    assert kuai.newaxis is None and kuai.ones(2)[:, kuai.newaxis].shape == (2, 1)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64", "complex64"])
def test_finfo(name):
    ours, theirs = (t.finfo(getattr(t, name)) for t in (kuai, torch))
    assert repr(ours) == repr(theirs)
    for field in ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny"):
        assert getattr(ours, field) == getattr(theirs, field), field
    assert ours == kuai.finfo(getattr(kuai, name)) and hash(ours) == hash(
        kuai.finfo(getattr(kuai, name))
    )


@pytest.mark.parametrize("name", ["uint8", "int8", "int16", "int32", "int64"])
def test_iinfo(name):
    ours, theirs = (t.iinfo(getattr(t, name)) for t in (kuai, torch))
    assert repr(ours) == repr(theirs)
    for field in ("bits", "dtype", "max", "min"):
        assert getattr(ours, field) == getattr(theirs, field), field
    assert ours != kuai.iinfo(kuai.uint16)


@pytest.mark.parametrize("call", ["finfo(3)", "iinfo(3)", "iinfo(t.bool)"])
def test_limits_of_what_has_none(call):
    texts = []
    for t in (kuai, torch):
        with pytest.raises(TypeError) as caught:
            eval(f"t.{call}", {"t": t})
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_fork_rng():
    kuai.manual_seed(0)
    expected = kuai.rand(3)
    kuai.manual_seed(0)
    with kuai.random.fork_rng():
        kuai.manual_seed(5)
        inside = kuai.rand(3)
    assert kuai.initial_seed() == 0
    assert bool((kuai.rand(3) == expected).all()) and not bool((inside == expected).any())
    with kuai.random.fork_rng(enabled=False):
        kuai.rand(1)
    kuai.manual_seed(0)
    with pytest.raises(KeyError), kuai.random.fork_rng(devices=[]):
        kuai.rand(3)
        raise KeyError
    assert bool((kuai.rand(3) == expected).all())


def test_fork_rng_in_a_compiled_function():
    @kuai.compile
    def draw():
        with kuai.random.fork_rng():
            inside = kuai.rand(3)
        return inside, kuai.rand(3)

    kuai.manual_seed(0)
    for _ in range(3):
        inside, after = draw()
        assert bool((inside == after).all())
