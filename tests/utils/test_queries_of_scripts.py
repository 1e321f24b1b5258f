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
