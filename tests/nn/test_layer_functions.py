"""Layers' functions under their names outside nn.functional, and nn.grad, beside PyTorch's."""

import numpy as np
import pytest
import torch
import torch.nn.grad

import kuai
import kuai.nn.grad


def numbers(t, *size):
    return t.arange(float(np.prod(size))).view(*size) / 10 - 0.4


def cell(t, name, gates):
    x, h, c = numbers(t, 1, 3), numbers(t, 1, 2), numbers(t, 1, 2) + 1
    state = (h, c) if name == "lstm_cell" else h
    bias = t.ones(2 * gates)
    return getattr(t, name)(
        x, state, numbers(t, 2 * gates, 3), numbers(t, 2 * gates, 2), bias, bias
    )


def chances(t):
    return t.log_softmax(numbers(t, 3, 1, 4), 2)


CALLS = {
    "layer_norm": lambda t, x: t.layer_norm(x, (2,), t.ones(2), t.zeros(2), 1e-3),
    "rms_norm": lambda t, x: t.rms_norm(x, [2]),
    "group_norm": lambda t, x: t.group_norm(x, 3),
    "batch_norm": lambda t, x: t.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False),
    "instance_norm": lambda t, x: t.instance_norm(
        x, None, None, None, None, True, 0.1, 1e-5, False
    ),
    "native_layer_norm": lambda t, x: t.native_layer_norm(x, [2], None, None, 1e-5),
    "native_group_norm": lambda t, x: t.native_group_norm(x, None, None, 2, 3, 2, 3, 1e-5),
    "native_batch_norm": lambda t, x: t.native_batch_norm(
        x, None, None, None, None, True, 0.1, 1e-5
    ),
    "dropout": lambda t, x: t.dropout(x, 0.5, False),
    "dropout_": lambda t, x: t.dropout_(x.clone(), 1.0, True),
    "feature_dropout": lambda t, x: t.feature_dropout(x, 0.0, True),
    "alpha_dropout": lambda t, x: t.alpha_dropout(x, 0.5, False),
    "native_dropout": lambda t, x: t.native_dropout(x, 0.0, True),
    "kl_div": lambda t, x: t.kl_div(x, x.abs()),
    "kl_div sum": lambda t, x: t.kl_div(x, x, 2, log_target=True),
    "bce": lambda t, x: t.binary_cross_entropy_with_logits(x, x.abs(), None, t.tensor(2.0), 1),
    "cosine": lambda t, x: t.cosine_embedding_loss(x[0], x[1], t.tensor([1, -1, 1]), 0.1),
    "hinge": lambda t, x: t.hinge_embedding_loss(x, x.sign()),
    "ranking": lambda t, x: t.margin_ranking_loss(x, -x, x.sign(), 0.1, 1),
    "poisson": lambda t, x: t.poisson_nll_loss(x, x.abs(), True, False, 1e-8, 1),
    "triplet": lambda t, x: t.triplet_margin_loss(x[0], x[1], 2 * x[1]),
    "ctc": lambda t, x: t.ctc_loss(chances(t), t.tensor([[1, 2]]), (3,), (2,), 0, 1),
    "embedding": lambda t, x: t.embedding(x[0], t.tensor([0, 2])),
    "embedding_renorm_": lambda t, x: t.embedding_renorm_(x[0].clone(), t.tensor([0, 2]), 0.1, 2.0),
    "convolution": lambda t, x: t.convolution(
        x, t.ones(2, 3, 1), None, [1], [0], [1], False, [0], 1
    ),
    "transposed": lambda t, x: t.convolution(
        x, t.ones(3, 2, 2), t.ones(2), [2], [0], [1], True, [1], 1
    ),
    "grid_sampler": lambda t, x: t.grid_sampler(x[None], numbers(t, 1, 1, 2, 2), 1, 1, False),
    "affine_grid": lambda t, x: t.affine_grid_generator(t.eye(2, 3)[None], [1, 1, 2, 2], False),
    "max_pool": lambda t, x: t.max_pool1d_with_indices(x, 2),
    "rnn_tanh_cell": lambda t, x: cell(t, "rnn_tanh_cell", 1),
    "rnn_relu_cell": lambda t, x: cell(t, "rnn_relu_cell", 1),
    "lstm_cell": lambda t, x: cell(t, "lstm_cell", 4),
    "gru_cell": lambda t, x: cell(t, "gru_cell", 3),
    "conv1d_input": lambda t, x: t.nn.grad.conv1d_input((1, 1, 4), x[:1, :1], x[:1, :1], 2),
    "conv2d_weight": lambda t, x: t.nn.grad.conv2d_weight(
        numbers(t, 1, 2, 3, 3), (2, 2, 2, 2), numbers(t, 1, 2, 2, 2)
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_functions_agree(name):
    found = []
    for t in (torch, kuai):
        made = CALLS[name](t, numbers(t, 2, 3, 2))
        found.append(made if isinstance(made, tuple) else (made,))
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["eig", "lstsq", "matrix_rank", "solve", "symeig"])
def test_what_is_gone_says_so(name):
    with pytest.raises(RuntimeError, match="deprecated since version 1.9 and is now removed"):
        getattr(kuai, name)(kuai.eye(2), kuai.eye(2))


@pytest.mark.filterwarnings("ignore:torch.set_default_tensor_type")
def test_default_tensor_type():
    try:
        kuai.set_default_tensor_type(kuai.DoubleTensor)
        assert kuai.tensor(1.5).dtype is kuai.float64
    finally:
        kuai.set_default_tensor_type("torch.FloatTensor")
    assert kuai.tensor(1.5).dtype is kuai.float32
    with pytest.raises(TypeError, match="only floating-point types"):
        kuai.set_default_tensor_type(kuai.IntTensor)
