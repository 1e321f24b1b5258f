"""Type promotion against PyTorch, over all pairs of dtypes and kinds of operands."""

import itertools

import numpy as np
import pytest
import torch

from kuai.engine.tensor import dtypes, from_array
from kuai.engine.tensor.promotion import can_cast, promote_types, result_type

NAMES = [d.name for d in dtypes.DTYPES]
BY_NAME = {d.name: d for d in dtypes.DTYPES}
COMMON = (
    "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128"
).split()
NUMBERS = (True, 3, 2.5, 1j)


def outcome(function, *arguments):
    try:
        return str(function(*arguments))
    except RuntimeError as error:
        return f"RuntimeError: {error}"


def without_complex32(text):
    """Kuai has no 16-bit complex numbers; complex64 takes their place."""
    return text.replace("complex32", "complex64")


@pytest.mark.parametrize("first", NAMES)
def test_promote_types(first):
    for second in NAMES:
        ours = outcome(promote_types, BY_NAME[first], BY_NAME[second])
        theirs = outcome(torch.promote_types, getattr(torch, first), getattr(torch, second))
        assert ours == without_complex32(theirs), (first, second)


@pytest.mark.parametrize("first", NAMES)
def test_can_cast(first):
    for second in NAMES:
        ours = can_cast(BY_NAME[first], BY_NAME[second])
        assert ours == torch.can_cast(getattr(torch, first), getattr(torch, second)), (
            first,
            second,
        )


def operands():
    """Pairs (ours, torch's): a tensor with dimensions and a 0-d one of each dtype, and numbers."""
    for name, shape in itertools.product(COMMON, ((2,), ())):
        array = np.zeros(shape, BY_NAME[name].jax)
        yield from_array(array), torch.zeros(shape, dtype=getattr(torch, name)), (name, shape)
    for number in NUMBERS:
        yield number, number, number


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize("default", ["float32", "float64", "float16"])
def test_result_type_of_every_pair(default):
    pairs = itertools.product(list(operands()), repeat=2)
    try:
        torch.set_default_dtype(getattr(torch, default))
        dtypes.set_default_dtype(BY_NAME[default])
        for (a, torch_a, what_a), (b, torch_b, what_b) in pairs:
            ours = str(result_type(a, b))
            theirs = without_complex32(str(torch.result_type(torch_a, torch_b)))
            assert ours == theirs, (what_a, what_b)
    finally:
        torch.set_default_dtype(torch.float32)
        dtypes.set_default_dtype(dtypes.float32)
