"""Whole numbers and halves, beside torch: sequences, 8-bit pictures, functions of 16 bits."""

import copy

import numpy as np
import pytest
import torch

import kuai


def same(ours, theirs):
    assert str(ours.dtype) == str(theirs.dtype)
    np.testing.assert_array_equal(ours.float().numpy(), theirs.float().numpy())


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "float16", "bfloat16"])
def test_sequences_are_counted_in_their_dtype(dtype):
    for ends in [(4.3, 9.9, 4), (0, 10, 4), (-1.0, 7.3, 11)][: 2 if dtype == "uint8" else 3]:
        made = [t.linspace(*ends, dtype=getattr(t, dtype)) for t in (kuai, torch)]
        same(*made)
    same(*(t.logspace(0, 1.9, 5, dtype=getattr(t, dtype)) for t in (kuai, torch)))
    same(*(t.arange(0.7, 6.2, 1.5, dtype=getattr(t, dtype)) for t in (kuai, torch)))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_pictures_of_bytes_are_resized_bit_for_bit(mode):
    numbers = np.random.default_rng(0).integers(0, 256, (1, 3, 8, 10)).astype(np.uint8)
    for smooth in (False, True):
        made = [
            t.nn.functional.interpolate(t.tensor(numbers), (5, 13), mode=mode, antialias=smooth)
            for t in (kuai, torch)
        ]
        same(*made)


@pytest.mark.parametrize("name", ["exp2", "log2", "i0", "expm1"])
def test_functions_of_halves_are_rounded_once(name):
    numbers = np.linspace(0.1, 11, 200)
    inputs = [t.tensor(numbers, dtype=t.float16) for t in (kuai, torch)]
    ours, theirs = getattr(kuai, name)(inputs[0]), getattr(torch, name)(inputs[1])
    twice = kuai.compile(lambda x: getattr(kuai, name)(x * 1))
    for found in (ours, twice(inputs[0]), twice(inputs[0])):
        np.testing.assert_allclose(found.float().numpy(), theirs.float().numpy(), rtol=1.1e-3)


def test_indices_of_nothing_may_have_any_number_of_dimensions():
    for t in (kuai, torch):
        x, none = t.ones(2, 3), t.zeros(0, dtype=t.int64)
        assert tuple(x.gather(1, none).shape) == (0,)
        assert tuple(x.scatter(1, none, t.zeros(0)).shape) == (2, 3)
        assert tuple(t.diff(x, 0, 0, x).shape) == (2, 3)


@pytest.mark.filterwarnings("ignore:backward hook")
def test_a_shallow_copy_is_a_leaf_on_the_same_storage():
    for t in (kuai, torch):
        x = t.ones(2, requires_grad=True)
        x.register_hook(lambda g: g * 100)
        (x * 2).sum().backward()
        made = copy.copy(x)
        assert made.grad is None and made.data_ptr() == x.data_ptr()
        made.sum().backward()
        assert made.grad.tolist() == [1.0, 1.0] and x.grad.tolist() == [200.0, 200.0]
