"""What surrounds a GPU's own LSTM: the order of weights, states and dimensions, and derivatives.

JAX's reference of the kernel stands in for it; `tests/gpu` runs the kernel itself.
"""

import jax
import pytest
from jax.experimental import rnn

import kuai
from kuai import nn
from kuai.engine.tensor.acceleration import is_cudnn_enabled
from kuai.ops.nn import fused_recurrence


@pytest.fixture
def kernels(monkeypatch):
    """How often a GPU's kernel would have been called, forwards and backwards."""
    called = {"forward": 0, "backward": 0}

    def forward(x, h_0, c_0, weights, lengths, inputs, hidden, layers, dropout, both, precision):
        def reference(x, h_0, c_0, weights):
            parts = rnn.unpack_lstm_weights(weights, inputs, hidden, layers, both)
            options = lengths, inputs, hidden, layers, dropout, both
            return rnn.lstm_ref(x, h_0, c_0, *parts, *options)

        called["forward"] += 1
        return jax.vjp(reference, x, h_0, c_0, weights)

    def backward(inputs, hidden, layers, dropout, both, precision, saved, cotangents):
        called["backward"] += 1
        return (*saved(cotangents), None)

    monkeypatch.setattr(rnn, "lstm_fwd", forward)
    monkeypatch.setattr(rnn, "lstm_bwd", backward)
    monkeypatch.setattr(fused_recurrence, "_card", lambda: jax.local_devices()[0])
    monkeypatch.setattr("kuai.nn.modules.rnn.may_be_fused", lambda input: is_cudnn_enabled())
    fused_recurrence._is_right.cache_clear()
    jax.clear_caches()
    yield called
    jax.clear_caches()
    fused_recurrence._is_right.cache_clear()


def results(layer, x, states):
    x = x.clone().requires_grad_()
    output, (hidden, cells) = layer(x, states)
    ((output.square().sum() + hidden.sum()) * 2 + (cells * cells.detach().cos()).sum()).backward()
    gradients = [parameter.grad for parameter in layer.parameters()]
    layer.zero_grad()
    return [output, hidden, cells, x.grad, *gradients]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 3, "bidirectional": True},
     {"bias": False, "num_layers": 2}],
)  # fmt: skip
def test_the_same_as_the_loop(kernels, options, batch_first):
    layer = nn.LSTM(5, 4, batch_first=batch_first, **options)
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    x, states = kuai.randn(7, 3, 5), (kuai.randn(rows, 3, 4), kuai.randn(rows, 3, 4))
    x = x.transpose(0, 1) if batch_first else x
    for given in (states, None):
        found = results(layer, x, given)
        with kuai.backends.cudnn.flags(enabled=False):
            wanted = results(layer, x, given)
        for ours, theirs in zip(found, wanted, strict=True):
            kuai.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert kernels["forward"] and kernels["backward"]


def test_a_second_derivative_says_how_to_get_it(kernels):
    layer, x = nn.LSTM(3, 2), kuai.randn(4, 1, 3, requires_grad=True)

    def second():
        (first,) = kuai.autograd.grad(layer(x)[0].sum(), x, create_graph=True)
        return kuai.autograd.grad(first.square().sum(), x)[0]

    with pytest.raises(RuntimeError, match=r"_cudnn_rnn_backward[\s\S]*enabled=False"):
        second()
    with kuai.backends.cudnn.flags(enabled=False):
        assert second().abs().sum() > 0


def test_a_compiled_step_sees_the_switch(kernels):
    layer, x = nn.LSTM(3, 2), kuai.randn(4, 1, 3)
    run = kuai.compile(lambda: layer(x)[0])
    for enabled in (True, True, False, False, True):
        kernels["forward"] = 0
        with kuai.backends.cudnn.flags(enabled=enabled):
            run()
        assert enabled or not kernels["forward"]


def test_what_the_kernel_does_not_know_is_left_to_xla(kernels):
    layer, x = nn.LSTM(3, 4, proj_size=2), kuai.randn(5, 2, 3)
    layer(x)
    nn.GRU(3, 4)(x)
    nn.LSTM(3, 4).double()(x.double())
    nn.LSTM(3, 4, 2, dropout=0.5)(x)
    packed = nn.utils.rnn.pack_padded_sequence(x, [5, 3])
    nn.LSTM(3, 4)(packed)
    assert not kernels["forward"]


@pytest.mark.parametrize("fault", [None, "missing", "wrong gradients"])
def test_the_kernel_is_compared_before_it_is_believed(kernels, monkeypatch, fault):
    forward, backward = rnn.lstm_fwd, rnn.lstm_bwd

    def missing(*args):
        raise NotImplementedError("no such kernel")

    def wrong(*args):
        first, *others = backward(*args)
        return (first * 1.1, *others)

    monkeypatch.setattr(rnn, "lstm_fwd", missing if fault == "missing" else forward)
    monkeypatch.setattr(rnn, "lstm_bwd", wrong if fault == "wrong gradients" else backward)
    fused_recurrence._is_right.cache_clear()
    layer, x = nn.LSTM(3, 6), kuai.randn(4, 2, 3)
    with kuai.backends.cudnn.flags(enabled=False):
        wanted = layer(x)[0]
    assert fused_recurrence._is_right() is (fault is None)
    kernels["forward"] = 0
    kuai.testing.assert_close(layer(x)[0], wanted, rtol=1e-5, atol=1e-6)
    assert (kernels["forward"] > 0) is (fault is None)
