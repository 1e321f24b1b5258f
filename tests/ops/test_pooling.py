"""Pooling: PyTorch's complaints."""

import pytest
import torch

import kuai


def _case(text):
    return lambda t: eval(text, {"F": t.nn.functional, "z": t.zeros, "t": t})


MISUSES = [
    "F.max_pool2d(z(2, 8), 2)",
    "F.max_pool2d(z(2, 3, 1, 1), 2)",
    "F.max_pool2d(z(2, 3, 8, 8), 2, padding=2)",
    "F.max_pool2d(z(2, 3, 8, 8), (2, 2, 2))",
    "F.max_pool2d(z(2, 3, 8, 8), 2, stride=0)",
    "F.max_pool2d(z(2, 3, 8, 8), 2, stride=(1, 1, 1))",
    "F.max_pool2d(z(2, 3, 8, 8), 0)",
    "F.max_pool2d(z(2, 3, 8, 8), 2, dilation=0)",
    "F.max_pool2d(z(2, 3, 8, 8), 2, padding=(1, 1, 1))",
    "F.max_pool2d(z(2, 3, 8, 8), 2, dilation=(1, 1, 1))",
    "F.max_pool2d(z(2, 3, 8, 8), 2, padding=-1)",
    "F.max_pool2d(z(2, 0, 8, 8), 2)",
    "F.max_pool2d(z(2, 8, 8, dtype=t.bool), 2)",
    "F.max_pool1d(z(2, 8, 8, 1), 2)",
    "F.max_pool1d(z(2, 8), 20)",
    "F.max_pool1d(z(2, 8), 2, padding=2)",
    "F.max_pool1d(z(2, 8), 2, stride=0)",
    "F.max_pool1d(z(2, 8), 2, stride=(1, 1))",
    "F.max_pool1d(z(2, 8), 2, padding=(1, 1))",
    "F.max_pool1d(z(2, 8), 0)",
    "F.max_pool1d(z(2, 8), 2, dilation=0)",
    "F.max_pool1d(z(2, 8), 2, padding=-1)",
    "F.max_pool1d(z(2, 8), (2, 2))",
    "F.max_pool3d(z(2, 8, 8), 2)",
    "F.max_pool3d(z(2, 8, 8, 1), 2)",
    "F.max_pool3d(z(2, 2, 8, 8, 8), (2, 2))",
    "F.max_pool3d(z(2, 2, 8, 8, 8), 2, dilation=0)",
    "F.avg_pool2d(z(2, 3, 1, 1), 2)",
    "F.avg_pool2d(z(2, 3, 8, 8), 2, padding=2)",
    "F.avg_pool2d(z(2, 3, 8, 8), 2, divisor_override=0)",
    "F.avg_pool2d(z(2, 3, 8, 8), (2, 2, 2))",
    "F.avg_pool2d(z(2, 3, 8, 8), 2, stride=0)",
    "F.avg_pool2d(z(1, 1, 2, 8, 8), 2)",
    "F.avg_pool2d(z(2, 3, 8, 8, dtype=t.int32), 2)",
    "F.avg_pool1d(z(8), 2)",
    "F.avg_pool1d(z(2, 8), 20)",
    "F.avg_pool1d(z(2, 8), (2, 2))",
    "F.avg_pool3d(z(2, 8, 8), 2)",
    "F.avg_pool3d(z(2, 8, 8, 1), 2)",
    "F.avg_pool3d(z(2, 2, 8, 8, 8), (2, 2))",
    "F.adaptive_avg_pool2d(z(2, 8), 2)",
    "F.adaptive_avg_pool2d(z(2, 8, 8), (2, 2, 2))",
    "F.adaptive_avg_pool2d(z(2, 8, 8), (2,))",
    "F.adaptive_avg_pool2d(z(2, 8, 8), -1)",
    "F.adaptive_avg_pool2d(z(2, 8, 0), 2)",
    "F.adaptive_avg_pool2d(z(2, 8, 8, dtype=t.int64), 2)",
    "F.adaptive_avg_pool1d(z(8), 2)",
    "F.adaptive_avg_pool1d(z(2, 8), (2, 2))",
    "F.adaptive_avg_pool1d(z(2, 8), -1)",
    "F.adaptive_avg_pool3d(z(2, 2, 8), 2)",
    "F.adaptive_max_pool2d(z(2, 8), 2)",
    "F.adaptive_max_pool2d(z(2, 8, 8), (2,))",
    "F.adaptive_max_pool2d(z(2, 8, 8), -1)",
    "F.adaptive_max_pool2d(z(2, 8, 0), 2)",
    "F.adaptive_max_pool1d(z(8), 2)",
    "F.adaptive_max_pool3d(z(2, 8, 8), 2)",
]


@pytest.mark.parametrize("misuse", MISUSES)
def test_complains_as_torch_does(misuse):
    kinds = (RuntimeError, ValueError, TypeError)
    with pytest.raises(kinds) as expected:
        _case(misuse)(torch)
    with pytest.raises(type(expected.value)) as given:
        _case(misuse)(kuai)
    assert str(given.value) == str(expected.value).split("\n")[0]
