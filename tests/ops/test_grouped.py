"""Products of groups of matrices against torch's, whose CPU kernel is for bfloat16."""

import numpy as np
import pytest
import torch

import kuai

RNG = np.random.default_rng(0)
ENDS = [8, 8, 16, 24]


@pytest.mark.parametrize(
    ("left", "right", "ends"),
    [
        ((24, 16), (4, 16, 8), ENDS),
        ((16, 24), (24, 8), ENDS),
        ((4, 16, 8), (8, 24), ENDS),
        ((3, 8, 16), (3, 16, 8), None),
    ],
)
def test_grouped_mm(left, right, ends):
    values = [RNG.standard_normal(shape).astype("float32") for shape in (left, right)]

    def result(t):
        a, b = (t.tensor(value).to(t.bfloat16) for value in values)
        offs = None if ends is None else t.tensor(ends, dtype=t.int32)
        return t.nn.functional.grouped_mm(a, b, offs=offs).float().numpy()

    np.testing.assert_allclose(result(kuai), result(torch), rtol=2e-2, atol=2e-2)


def test_gradients_stay_in_their_group():
    x, w = kuai.ones(3, 2, requires_grad=True), kuai.ones(2, 2, 1, requires_grad=True)
    out = kuai.nn.functional.grouped_mm(x, w, offs=kuai.tensor([1, 3], dtype=kuai.int32))
    out[0].sum().backward()
    assert x.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    assert w.grad.flatten().tolist() == [1.0, 1.0, 0.0, 0.0]


def test_offsets_are_needed_for_two_dimensions():
    with pytest.raises(RuntimeError, match="offsets"):
        kuai.nn.functional.grouped_mm(kuai.ones(2, 2), kuai.ones(2, 2, 1))
