"""What training scripts ask and set up without a GPU: PyTorch's answers."""

import warnings

import pytest
import torch

import kuai
import kuai.distributed


def _answer(t):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        scaler = t.amp.GradScaler(growth_factor=0.5)
        t.set_float32_matmul_precision("exact")
    optimizer = t.optim.SGD([t.nn.Parameter(t.ones(1))])
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    state = scaler.is_enabled(), scaler.get_scale(), scaler.state_dict()
    texts = [str(each.message).partition(" (Triggered")[0] for each in said]
    names = [t.typename(each) for each in ([], 3, len, None, t.ones(1), t.ones(1).half())]
    return state, t.scalar_tensor(1).item(), texts, names, t.get_float32_matmul_precision()


@pytest.mark.skipif(kuai.cuda.is_available() or torch.cuda.is_available(), reason="there is a GPU")
def test_scalers_precision_and_names_are_as_there():
    assert _answer(kuai) == _answer(torch)


def test_a_backend_that_nobody_has_is_refused():
    with pytest.raises(AssertionError, match="Unknown backend type nope"):
        kuai.distributed.init_process_group("nope", rank=0, world_size=1)
    assert not kuai.distributed.is_initialized()


def _precision(t, make):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with make(t):
            dtype = str(t.nn.Linear(2, 2)(t.ones(1, 2)).dtype)
            on = t.is_autocast_enabled(), t.is_autocast_enabled("cpu")
    return dtype, on, [(str(each.message), each.category) for each in said]


@pytest.mark.skipif(kuai.cuda.is_available() or torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.autocast("cuda"),
        lambda t: t.autocast("cuda", enabled=False),
        lambda t: t.cuda.amp.autocast(),
        lambda t: t.cpu.amp.autocast(),
        lambda t: t.amp.autocast("cpu"),
    ],
)
def test_autocast_for_what_is_not_there_is_off(make):
    assert _precision(kuai, make) == _precision(torch, make)
