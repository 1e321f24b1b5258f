"""Recurrent layers: constructors, printed text, errors and state, on torch and on Kuai."""

import numpy as np
import pytest
import torch

import kuai
from kuai.ops.nn.recurrent import recurrent_stack

CONSTRUCTORS = [
    lambda t: t.nn.RNN(3, 4, 1, "relu"),
    lambda t: t.nn.LSTM(3, 4, 2, False, True, 0.5, True, 2),
    lambda t: t.nn.GRU(3, 4, bias=False),
    lambda t: t.nn.RNNCell(3, 4, False, "relu"),
    lambda t: t.nn.LSTMCell(3, 4),
    lambda t: t.nn.GRUCell(3, 4, dtype=t.float64),
]


@pytest.mark.parametrize("make", CONSTRUCTORS)
def test_parameters_and_text(make):
    ours, theirs = make(kuai), make(torch)
    assert repr(ours) == repr(theirs)
    shapes = [
        {name: (tuple(p.shape), str(p.dtype)) for name, p in module.named_parameters()}
        for module in (ours, theirs)
    ]
    assert list(shapes[0].items()) == list(shapes[1].items())
    for weight in ours.parameters():
        assert weight.detach().abs().max().item() <= 0.5


WRONG = {
    "proj_size": lambda t: t.nn.RNN(3, 4, proj_size=2),
    "proj_size of a gru": lambda t: t.nn.GRU(3, 4, proj_size=2),
    "proj_size too large": lambda t: t.nn.LSTM(3, 4, proj_size=4),
    "nonlinearity": lambda t: t.nn.RNN(3, 4, 1, "sin"),
    "float size": lambda t: t.nn.LSTM(3.0, 4),
    "zero size": lambda t: t.nn.LSTM(3, 0),
    "no layers": lambda t: t.nn.LSTM(3, 4, 0),
    "dropout": lambda t: t.nn.LSTM(3, 4, dropout=2),
    "bias": lambda t: t.nn.LSTM(3, 4, bias=1),
    "empty": lambda t: t.nn.GRU(3, 4)(t.zeros(0, 2, 3)),
    "input size": lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 2, 2)),
    "rank of rnn": lambda t: t.nn.RNN(3, 4)(t.zeros(5, 2, 3, 1)),
    "one state for lstm": lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 2, 3), t.zeros(1, 2, 4)),
    "a tuple of one for lstm": lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 2, 3), (t.zeros(1, 2, 4),)),
    "three states for lstm": lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 2, 3), (t.zeros(1, 2, 4),) * 3),
    "two states for gru": lambda t: t.nn.GRU(3, 4)(t.zeros(5, 2, 3), (t.zeros(1, 2, 4),) * 2),
    "two states for a cell": lambda t: t.nn.GRUCell(3, 4)(t.zeros(2, 3), (t.zeros(2, 4),) * 2),
    "one state for an lstm's cell": lambda t: t.nn.LSTMCell(3, 4)(
        t.zeros(2, 3), t.zeros(2, 1, 2, 4)
    ),
    "rank of lstm": lambda t: t.nn.LSTM(3, 4)(t.zeros(5)),
    "dtype": lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 2, 3).double()),
    "dtype of state": lambda t: t.nn.RNN(3, 4)(t.zeros(5, 2, 3), t.zeros(1, 2, 4).double()),
    "state": lambda t: t.nn.GRU(3, 4)(t.zeros(5, 2, 3), t.zeros(1, 3, 4)),
    "rank of state": lambda t: t.nn.GRU(3, 4)(t.zeros(5, 2, 3), t.zeros(1, 4)),
    "rank of states": lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 3), (t.zeros(1, 1, 4), t.zeros(1, 4))),
    "cell state": lambda t: t.nn.LSTM(3, 4)(t.zeros(5, 2, 3), (t.zeros(1, 2, 4), t.zeros(1, 2, 5))),
    "cell input": lambda t: t.nn.GRUCell(3, 4)(t.zeros(2, 5)),
    "cell hidden": lambda t: t.nn.LSTMCell(3, 4)(t.zeros(2, 3), (t.zeros(2, 5), t.zeros(2, 4))),
    "cell batch": lambda t: t.nn.RNNCell(3, 4)(t.zeros(2, 3), t.zeros(3, 4)),
    "cell rank": lambda t: t.nn.RNNCell(3, 4)(t.zeros(2, 3, 1)),
    "cell rank of hx": lambda t: t.nn.LSTMCell(3, 4)(
        t.zeros(2, 3), (t.zeros(2, 4), t.zeros(2, 4, 1))
    ),
    "cell dtype": lambda t: t.nn.GRUCell(3, 4)(t.zeros(2, 3).double()),
    "cell nonlinearity": lambda t: t.nn.RNNCell(3, 4, nonlinearity="sin")(t.zeros(2, 3)),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG.keys())
def test_errors(call):
    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(theirs.type) as ours:
        call(kuai)
    assert str(ours.value) == str(theirs.value)


def test_dropout_of_one_layer_warns():
    for t in (kuai, torch):
        with pytest.warns(UserWarning, match="dropout option adds dropout after all but last"):
            t.nn.LSTM(3, 4, dropout=0.5)


def test_dropout_only_while_training():
    net = kuai.nn.LSTM(3, 4, 2, dropout=0.5)
    x = kuai.randn(5, 2, 3)
    assert not kuai.equal(net(x)[0], net(x)[0])
    net.eval()
    assert kuai.equal(net(x)[0], net(x)[0])


def test_all_weights_are_the_parameters():
    for t in (kuai, torch):
        net = t.nn.LSTM(3, 4, 2, bidirectional=True)
        assert [len(group) for group in net.all_weights] == [4, 4, 4, 4]
        assert net.all_weights[1][0] is net.weight_ih_l0_reverse
        net.flatten_parameters()


def test_a_replaced_weight_is_used():
    for t in (kuai, torch):
        net = t.nn.RNN(3, 4)
        for name in ("weight_ih_l0", "weight_hh_l0"):
            setattr(net, name, t.nn.Parameter(t.zeros_like(getattr(net, name))))
        net.bias_ih_l0 = net.bias_hh_l0 = t.nn.Parameter(t.full((4,), 0.5))
        output, _ = net(t.zeros(2, 1, 3))
        np.testing.assert_allclose(output.detach().numpy(), np.tanh(1.0), rtol=1e-6)


def test_a_sequence_in_two_parts():
    net = kuai.nn.LSTM(3, 4, 2)
    x = kuai.randn(6, 2, 3)
    whole, (h, c) = net(x)
    first, state = net(x[:2])
    second, (h2, c2) = net(x[2:], state)
    np.testing.assert_allclose(kuai.cat([first, second]).tolist(), whole.tolist(), rtol=1e-5)
    np.testing.assert_allclose(c2.tolist(), c.tolist(), rtol=1e-5)


@pytest.mark.parametrize(("mode", "reverse"), [("RNN_TANH", True), ("LSTM", False), ("GRU", False)])
def test_second_derivatives(mode, reverse):
    """The weight's gradient is written by hand, so its own derivative is worth a check."""
    gates = {"RNN_TANH": 1, "LSTM": 4, "GRU": 3}[mode]
    sizes = [(gates * 2, 2), (gates * 2, 2), (gates * 2,), (gates * 2,)] * (1 + reverse)
    weights = [kuai.randn(*size, dtype=kuai.float64, requires_grad=True) for size in sizes]
    x = kuai.randn(3, 1, 2, dtype=kuai.float64, requires_grad=True)

    def output(x, *weights):
        return recurrent_stack(x, [], list(weights), (mode, True, False, 1 + reverse, False))[0]

    assert kuai.autograd.gradgradcheck(output, (x, *weights))


def test_second_derivatives_of_an_lstm():
    # its backward pass is written by hand, loop and all: it has to be differentiable itself
    theirs = torch.nn.LSTM(2, 3, 2, bidirectional=True, dtype=torch.float64)
    ours = kuai.nn.LSTM(2, 3, 2, bidirectional=True, dtype=kuai.float64)
    ours.load_state_dict({k: kuai.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    values = np.random.default_rng(0).standard_normal((4, 2, 2))
    found = []
    for t, layer in ((torch, theirs), (kuai, ours)):
        x = t.tensor(values, requires_grad=True)
        output, (_, cell) = layer(x)
        wanted = [x, layer.weight_hh_l0, layer.bias_ih_l0_reverse]
        loss = (output * output).sum() + cell.sum()
        first = t.autograd.grad(loss, wanted, create_graph=True)
        sum((gradient * gradient).sum() for gradient in first).backward()
        second = [x.grad, *(parameter.grad for parameter in layer.parameters())]
        found.append([tensor.detach().numpy() for tensor in (*first, *second)])
    for expected, actual in zip(*found, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)
