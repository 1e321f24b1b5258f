"""Numbers, strings and the like given for arguments of other types, beside PyTorch."""

import numpy as np
import pytest
import torch

import kuai

BOTH = (torch, kuai)


def outcome(library, call):
    """What a call says, or the error's class and text; and the dtype of what it gives."""
    try:
        made = call(library, library.tensor([[1.0, 3.0], [2.0, 0.0]]))
    except (TypeError, RuntimeError, OverflowError, ValueError) as error:
        text = str(error).partition("\nException raised from")[0]
        return type(error), text.replace("kuai", "torch")
    return made.dtype.itemsize, made.tolist()


WHOLE = {
    "sum, NumPy's bool": lambda t, x: x.sum(0, keepdim=np.bool_(True)),
    "sum, a tensor": lambda t, x: x.sum(0, keepdim=t.tensor(True)),
    "sum, nothing": lambda t, x: x.mean(0, keepdim=None),
    "topk": lambda t, x: x.topk(1, largest=1),
    "roll by a bool": lambda t, x: t.roll(x, True),
    "roll by a real number": lambda t, x: t.roll(x, 1.0),
    "roll over a bool": lambda t, x: t.roll(x, 1, True),
    "tril_indices, a real number": lambda t, x: t.tril_indices(2.0, 2),
    "tril_indices, a bool": lambda t, x: t.tril_indices(2, 2, True),
    "triu_indices, NumPy's": lambda t, x: t.triu_indices(np.int64(2), 2),
    "combinations": lambda t, x: t.combinations(x[0], with_replacement=1),
    "clone": lambda t, x: x.clone(memory_format=1),
    "contiguous": lambda t, x: x.contiguous(memory_format="channels_last"),
    "zeros_like": lambda t, x: t.zeros_like(x, memory_format=t.float32),
    "is_contiguous": lambda t, x: x.is_contiguous(memory_format=1),
    "cpu": lambda t, x: x.cpu(memory_format=True),
    "float": lambda t, x: x.float(memory_format=1.0),
    "the norm of a transform": lambda t, x: t.fft.fft(x, norm=1),
    "einsum of a number": lambda t, x: t.einsum(1, x),
    "einsum of nothing": lambda t, x: t.einsum(None, x),
    "multinomial": lambda t, x: t.multinomial(x, 1.0),
    "multinomial of a number": lambda t, x: t.multinomial(1.0),
    "copy_": lambda t, x: x.copy_(x, 1),
    "requires_grad_": lambda t, x: x.requires_grad_(1),
    "var over a tensor": lambda t, x: x.var(t.tensor(1)),
    "var, a bool": lambda t, x: x.var(True),
    "hann_window": lambda t, x: t.hann_window(3, periodic=1),
}
#: Their functions are written in Python in PyTorch, and name those that they call.
CLASS_ONLY = {
    "unique": lambda t, x: t.unique(x, sorted=1),
    "unique_consecutive": lambda t, x: t.unique_consecutive(x, return_inverse=1)[0],
    "stft": lambda t, x: t.stft(x[0], 2, normalized=1, return_complex=True),
    "embedding": lambda t, x: t.nn.functional.embedding(t.tensor([0]), x, sparse=1),
    "dropout": lambda t, x: t.nn.functional.dropout(x, 0.0, training=1),
    "interpolate": lambda t, x: t.nn.functional.interpolate(
        x[None], 4, mode="linear", align_corners=1
    ),
}


@pytest.mark.parametrize("call", WHOLE.values(), ids=WHOLE)
def test_texts(call):
    expected, got = (outcome(library, call) for library in BOTH)
    assert got == expected


@pytest.mark.parametrize("call", CLASS_ONLY.values(), ids=CLASS_ONLY)
def test_classes(call):
    expected, got = (outcome(library, call) for library in BOTH)
    assert got[0] is expected[0] is TypeError


def test_own_calls_are_not_looked_at():
    assert kuai.nn.functional.kl_div(kuai.zeros(2), kuai.ones(2), reduction="sum").item() == 0.0


# Numbers of many digits ---------------------------------------------------------------------------

LARGE = {
    "equal": lambda t, x: x.long() == 2**63,
    "added": lambda t, x: x.long() + 2**63,
    "taken from": lambda t, x: 2**63 - x.long(),
    "divided by": lambda t, x: x.long() / 2**63,
    "beside bytes": lambda t, x: x.to(t.uint8) + 2**63,
    "beside a number": lambda t, x: t.tensor(1) + 2**63,
    "beside bools": lambda t, x: x.bool() + 2**63,
    "beside real numbers": lambda t, x: x + (2**64 - 1),
    "below 64 bits": lambda t, x: x.long() + (-(2**63) - 1),
    "beyond 64 bits": lambda t, x: x.long() + 2**64,
    "rounded to 400 places": lambda t, x: x.round(decimals=400),
    "rounded to 10^400": lambda t, x: x.double().round(decimals=-400),
    "filled": lambda t, x: t.full((2,), 1e40, dtype=t.float16),
    "filled, just too large": lambda t, x: t.full((2,), 65505.0, dtype=t.float16),
    "filled, one element": lambda t, x: t.full((1,), 1e40, dtype=t.bfloat16),
    "filled, complex": lambda t, x: t.full((2,), 1e40, dtype=t.complex64),
    "fill_": lambda t, x: x.half().fill_(70000.0),
    "masked_fill": lambda t, x: x.half().masked_fill(x > 1, -1e40),
    "clamped": lambda t, x: x.half().clamp(max=1e40),
    "a complex number for bools": lambda t, x: x.bool().fill_(1j),
}


@pytest.mark.parametrize("call", LARGE.values(), ids=LARGE)
def test_large_numbers(call):
    expected, got = (outcome(library, call) for library in BOTH)
    assert str(got) == str(expected)  # nan is nan


def test_a_large_number_is_assigned():
    for library in BOTH:
        x = library.zeros(2, dtype=library.float16)
        x[0] = 70000.0
        assert x.tolist() == [float("inf"), 0.0]


def in_fused(function):
    def called(x):
        with kuai.fused():
            return function(x)

    return called


@pytest.mark.parametrize("way", [kuai.compile, in_fused], ids=["compile", "fused"])
def test_large_numbers_in_records(way):
    step = way(lambda x: (x + 2**63) * 2)
    for _ in range(3):
        assert step(kuai.tensor([1, 2])).tolist() == [2, 4]


@pytest.mark.parametrize("kind", ["bool", "int32", "float16"])
def test_a_bool_of_numpys_beside_a_tensor_is_a_real_number(kind):
    said = []
    for library in BOTH:
        x = library.ones(2, dtype=getattr(library, kind))
        made = [
            x + np.True_,
            library.add(x, np.True_),
            x.mul(np.False_),
            x.masked_fill(x > 0, np.True_),
        ]
        said.append([(str(each.dtype), each.tolist()) for each in made])
    assert said[1] == said[0]
