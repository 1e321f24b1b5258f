"""Convolution: PyTorch's complaints, and derivatives the rows do not ask for."""

import jax.test_util
import numpy as np
import pytest
import torch

import kuai
from kuai.ops.nn import convolution_kernels
from kuai.ops.nn.convolution_kernels import Window

MISUSES = {
    "dims": lambda t: t.nn.functional.conv2d(t.zeros(3, 8), t.zeros(4, 3, 3, 3)),
    "channels": lambda t: t.nn.functional.conv2d(t.zeros(2, 5, 8, 8), t.zeros(4, 3, 3, 3)),
    "unbatched": lambda t: t.nn.functional.conv2d(t.zeros(5, 8, 8), t.zeros(4, 3, 3, 3)),
    "kernel": lambda t: t.nn.functional.conv2d(t.zeros(2, 3, 2, 2), t.zeros(4, 3, 3, 3)),
    "dilated kernel": lambda t: t.nn.functional.conv2d(
        t.zeros(2, 3, 2, 3), t.zeros(4, 3, 3, 3), padding=(0, 1), dilation=2
    ),
    "bias": lambda t: t.nn.functional.conv2d(t.zeros(2, 3, 8, 8), t.zeros(4, 3, 3, 3), t.zeros(5)),
    "stride": lambda t: t.nn.functional.conv1d(t.zeros(2, 3, 8), t.zeros(4, 3, 3), stride=0),
    "stride length": lambda t: t.nn.functional.conv2d(
        t.zeros(2, 3, 8, 8), t.zeros(4, 3, 3, 3), stride=(1, 1, 1)
    ),
    "weight dims": lambda t: t.nn.functional.conv2d(t.zeros(2, 3, 8, 8), t.zeros(4, 3, 3)),
    "padding": lambda t: t.nn.functional.conv1d(t.zeros(2, 3, 8), t.zeros(4, 3, 3), padding=-1),
    "padding word": lambda t: t.nn.functional.conv1d(
        t.zeros(2, 3, 8), t.zeros(4, 3, 3), padding="some"
    ),
    "same with stride": lambda t: t.nn.functional.conv1d(
        t.zeros(2, 3, 8), t.zeros(4, 3, 3), padding="same", stride=2
    ),
    "dilation": lambda t: t.nn.functional.conv1d(t.zeros(2, 3, 8), t.zeros(4, 3, 3), dilation=0),
    "groups": lambda t: t.nn.functional.conv1d(t.zeros(2, 4, 8), t.zeros(4, 2, 3), groups=0),
    "uneven groups": lambda t: t.nn.functional.conv1d(t.zeros(2, 4, 8), t.zeros(5, 2, 3), groups=2),
    "dtype": lambda t: t.nn.functional.conv1d(t.zeros(2, 4, 8), t.zeros(5, 4, 3, dtype=t.float64)),
    "bias dtype": lambda t: t.nn.functional.conv1d(
        t.zeros(2, 4, 8), t.zeros(5, 4, 3), t.zeros(5, dtype=t.float64)
    ),
    "transposed dims": lambda t: t.nn.functional.conv_transpose3d(
        t.zeros(3, 8), t.zeros(3, 4, 3, 3, 3)
    ),
    "transposed channels": lambda t: t.nn.functional.conv_transpose2d(
        t.zeros(2, 3, 8, 8), t.zeros(4, 3, 3, 3)
    ),
    "transposed bias": lambda t: t.nn.functional.conv_transpose2d(
        t.zeros(2, 3, 8, 8), t.zeros(3, 4, 3, 3), t.zeros(5)
    ),
    "output padding": lambda t: t.nn.functional.conv_transpose2d(
        t.zeros(2, 3, 8, 8), t.zeros(3, 4, 3, 3), output_padding=1
    ),
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_complains_as_torch_does(misuse):
    with pytest.raises((RuntimeError, TypeError)) as expected:
        MISUSES[misuse](torch)
    with pytest.raises(type(expected.value)) as given:
        MISUSES[misuse](kuai)
    assert str(given.value) == str(expected.value).split("\n")[0]


SHAPES = {
    "blocked": ((2, 1, 7, 6), (2, 1, 5, 5), Window((1, 1), ((2, 2), (2, 1)), (1, 1), 1)),
    "patched": ((2, 2, 4, 5), (3, 2, 3, 3), Window((1, 1), ((1, 1), (0, 0)), (1, 1), 1)),
    "pointwise": ((2, 3, 4, 3), (2, 3, 1, 1), Window((2, 1), ((0, 0), (0, 0)), (1, 1), 1)),
    "depthwise": ((1, 2, 5, 5), (4, 1, 3, 2), Window((2, 1), ((1, 1), (0, 0)), (1, 2), 2)),
    "grouped": ((2, 4, 5, 5), (6, 2, 3, 3), Window((1, 2), ((1, 1), (1, 1)), (1, 2), 2)),
    "direct": ((1, 4, 5, 5), (2, 4, 3, 3), Window((1, 2), ((1, 1), (1, 1)), (1, 1), 1)),
}


@pytest.mark.parametrize("formulation", SHAPES)
def test_formulations_agree_and_differentiate_twice_in_both_modes(formulation):
    shape, kernel, window = SHAPES[formulation]
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal(shape), rng.standard_normal(kernel)
    way = convolution_kernels.choose(x, weight, window).value
    assert getattr(way, "func", way).__name__ == formulation
    expected = convolution_kernels.direct(x, weight, window)
    np.testing.assert_allclose(
        convolution_kernels.convolve(x, weight, window), expected, atol=1e-12
    )
    jax.test_util.check_grads(
        lambda x, weight: convolution_kernels.convolve(x, weight, window),
        (x, weight),
        order=2,
        modes=["fwd", "rev"],
        rtol=1e-6,
        atol=1e-6,
    )
