"""`format_tensor` against `repr` of the same values in torch, over many generated arrays."""

import ml_dtypes
import numpy as np
import pytest
import torch

from kuai.engine.tensor import printing
from kuai.engine.tensor.printing import format_tensor, set_printoptions

SHAPES = [(), (1,), (3,), (7,), (40,), (2, 3), (3, 1, 4), (2, 2, 2, 2), (5, 30)]
LONG_SHAPES = [(1001,), (40, 40), (2, 600), (600, 2), (7, 8, 30), (1100, 1), (1, 1, 2000)]
EMPTY_SHAPES = [(0,), (0, 3), (2, 0, 4), (3, 0)]
FLOATS = ["float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
INTEGERS = ["int8", "uint8", "int16", "int32", "int64", "uint16", "uint32", "uint64"]
KINDS = ["normal", "integral", "wide", "tiny", "huge", "special", "zeros", "signed zeros"]


@pytest.fixture(autouse=True)
def default_options():
    yield
    set_printoptions(profile="default")
    torch.set_printoptions(profile="default")


def draw(kind: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal(shape)
    with np.errstate(over="ignore"):
        return np.asarray(
            {
                "normal": lambda: normal,
                "integral": lambda: np.round(normal * 20),
                "wide": lambda: normal * 10.0 ** rng.integers(-6, 6, shape),
                "tiny": lambda: normal * 1e-6,
                "huge": lambda: np.round(normal * 1e10),
                "special": lambda: rng.choice([np.nan, np.inf, -np.inf, 1.5, 2.0, 0.0], shape),
                "zeros": lambda: np.zeros(shape),
                "signed zeros": lambda: rng.choice([-0.0, 0.0, 1.0], shape),
            }[kind]()
        )


def pair(values: np.ndarray, dtype: str) -> tuple[np.ndarray, torch.Tensor]:
    """The same numbers as a NumPy array and as a torch tensor."""
    theirs = torch.from_numpy(np.array(values)).to(getattr(torch, dtype))
    if dtype in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        ours = theirs.double().numpy().astype(getattr(ml_dtypes, dtype))
    else:
        ours = theirs.numpy()
    return ours, theirs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_floats(kind, dtype):
    for seed, shape in enumerate(SHAPES + LONG_SHAPES):
        with np.errstate(over="ignore"):
            ours, theirs = pair(draw(kind, shape, seed), dtype)
        assert format_tensor(ours) == repr(theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex(kind, dtype):
    for seed, shape in enumerate(SHAPES + LONG_SHAPES):
        values = draw(kind, shape, seed).astype(dtype)
        values.imag = draw(KINDS[seed % len(KINDS)], shape, seed + 1)
        ours, theirs = pair(values, dtype)
        assert format_tensor(ours) == repr(theirs)


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
def test_integers_and_truth_values(dtype):
    for seed, shape in enumerate(SHAPES + LONG_SHAPES):
        rng = np.random.default_rng(seed)
        low = 0 if dtype.startswith(("u", "b")) else -100
        ours, theirs = pair(rng.integers(low, 101, shape), dtype)
        assert format_tensor(ours) == repr(theirs)


@pytest.mark.parametrize("shape", EMPTY_SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "float64", "complex64"])
def test_empty(shape, dtype):
    ours, theirs = pair(np.zeros(shape), dtype)
    assert format_tensor(ours) == repr(theirs)


@pytest.mark.parametrize("length", range(1, 40))
def test_suffixes_break_the_line_where_torch_does(length):
    values = draw("normal", (length,), length)
    for dtype in ("float32", "float64"):
        ours, theirs = pair(values, dtype)
        theirs.requires_grad_()
        assert format_tensor(ours, requires_grad=True) == repr(theirs)
        result = theirs * 2
        text = format_tensor(result.detach().numpy(), grad_fn_name="MulBackward0")
        assert text == repr(result)


def test_grad_fn_of_a_linear_layer():
    layer = torch.nn.Linear(4, 3)
    result = layer(torch.ones(2, 4))
    text = format_tensor(result.detach().numpy(), grad_fn_name="AddmmBackward0")
    assert text == repr(result)


def test_device():
    text = format_tensor(np.ones((2, 3), np.float32), device_text="cuda:0")
    assert text == "tensor([[1., 1., 1.],\n        [1., 1., 1.]], device='cuda:0')"
    text = format_tensor(np.ones((1,), np.int32), device_text="cuda:0")
    assert text == "tensor([1], device='cuda:0', dtype=torch.int32)"
    text = format_tensor(np.ones((0, 2), np.int32), device_text="cuda:0")
    assert text == "tensor([], device='cuda:0', size=(0, 2), dtype=torch.int32)"


def test_default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        for dtype in ("float32", "float64", "complex64", "complex128", "int64"):
            ours, theirs = pair(np.ones(2), dtype)
            assert format_tensor(ours, default_dtype="float64") == repr(theirs)
    finally:
        torch.set_default_dtype(torch.float32)


def test_class_name_of_a_subclass():
    class Batch(torch.Tensor):
        pass

    values = draw("normal", (3, 40), 0).astype(np.float32)
    theirs = torch.from_numpy(values).as_subclass(Batch)
    assert format_tensor(values, class_name="Batch") == repr(theirs)


OPTIONS = [
    {"precision": 2},
    {"precision": 8, "linewidth": 120},
    {"threshold": 5},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 0},
    {"linewidth": 20},
    {"linewidth": 1},
    {"profile": "short"},
    {"profile": "full"},
    {"profile": "Short", "precision": 6},
    {"sci_mode": True},
    {"sci_mode": False},
    {"sci_mode": True, "precision": 2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_options(options, kind):
    set_printoptions(**options)
    torch.set_printoptions(**options)
    for seed, shape in enumerate(SHAPES + LONG_SHAPES[:3]):
        ours, theirs = pair(draw(kind, shape, seed), "float32")
        assert format_tensor(ours) == repr(theirs)
        values = draw(kind, shape, seed).astype("complex64")
        values.imag = 2 * values.real
        ours, theirs = pair(values, "complex64")
        assert format_tensor(ours) == repr(theirs)


def test_options_add_up_and_sci_mode_is_always_reset():
    for setter in (set_printoptions, torch.set_printoptions):
        setter(precision=2)
        setter(linewidth=40, sci_mode=True)
        setter(edgeitems=2)
    ours, theirs = pair(draw("wide", (50,), 3), "float64")
    assert format_tensor(ours) == repr(theirs)
    assert printing.get_printoptions().sci_mode is None
