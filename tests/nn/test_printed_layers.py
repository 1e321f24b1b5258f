"""What every layer prints, beside PyTorch's, with whatever arguments both take."""

import itertools

import pytest
import torch

import kuai

POSITIONAL = [(), (3,), (4, 2), (2, 4, 3), (4, 4, 4, 4), (0.5,), (1, 2.0)]
NAMED = [
    {},
    *({"inplace": True}, {"bias": False}, {"affine": False}, {"padding": 1}, {"ceil_mode": True}),
]
NAMES = [name for name in torch.nn.modules.__all__ if hasattr(kuai.nn, name)]
NAMES.remove("LinearCrossEntropyOptions")  # which is no layer


def printed(t, name, args, kwargs):
    return repr(getattr(t.nn, name)(*args, **kwargs))


def calls_that_torch_takes(name):
    for args, kwargs in itertools.product(POSITIONAL, NAMED):
        try:
            yield args, kwargs, printed(torch, name, args, kwargs)
        except (TypeError, ValueError, RuntimeError, AssertionError, NotImplementedError):
            continue  # not arguments of this layer


@pytest.mark.filterwarnings("ignore")  # both warn of dropout between the layers of a single one
@pytest.mark.parametrize("name", NAMES)
def test_layers_print_as_in_pytorch(name):
    for args, kwargs, text in calls_that_torch_takes(name):
        assert printed(kuai, name, args, kwargs) == text
