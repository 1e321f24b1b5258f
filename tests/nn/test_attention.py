"""Attention and transformers: errors, warnings and state, on torch and on Kuai."""

import warnings

import numpy as np
import pytest
import torch

import kuai


def z(t, *shape):
    return t.zeros(*shape)


def attend(t, *inputs, kdim=None, vdim=None, **keywords):
    return t.nn.MultiheadAttention(4, 2, kdim=kdim, vdim=vdim)(*inputs, **keywords)


def dot(t, *inputs, **keywords):
    return t.nn.functional.scaled_dot_product_attention(*inputs, **keywords)


def same(t, *shape):
    return [t.zeros(*shape)] * 3


WRONG = {
    "heads": lambda t: t.nn.MultiheadAttention(4, 3),
    "no size": lambda t: t.nn.MultiheadAttention(0, 3),
    "rank": lambda t: attend(t, *same(t, 3, 2, 4, 1)),
    "rank of key": lambda t: attend(t, z(t, 3, 2, 4), z(t, 3, 4), z(t, 3, 4)),
    "rank of mask": lambda t: attend(t, *same(t, 3, 2, 4), attn_mask=z(t, 3)),
    "rank of padding": lambda t: attend(t, *same(t, 3, 4), key_padding_mask=z(t, 1, 3)),
    "unbatched mask": lambda t: attend(t, *same(t, 3, 4), attn_mask=z(t, 3, 3, 3)),
    "size": lambda t: attend(t, *same(t, 3, 2, 5)),
    "value": lambda t: attend(t, z(t, 3, 2, 4), z(t, 3, 2, 4), z(t, 2, 2, 4)),
    "value of another size": lambda t: attend(
        t, z(t, 3, 2, 4), z(t, 3, 2, 3), z(t, 2, 2, 2), kdim=3, vdim=2
    ),
    "key size": lambda t: attend(t, z(t, 3, 2, 4), z(t, 3, 2, 2), z(t, 3, 2, 2), kdim=3, vdim=2),
    "padding batch": lambda t: attend(t, *same(t, 3, 2, 4), key_padding_mask=z(t, 3, 3)),
    "padding length": lambda t: attend(t, *same(t, 3, 2, 4), key_padding_mask=z(t, 2, 4)),
    "mask": lambda t: attend(t, *same(t, 3, 2, 4), attn_mask=z(t, 2, 4)),
    "mask of heads": lambda t: attend(t, *same(t, 3, 2, 4), attn_mask=z(t, 2, 3, 3)),
    "mask of integers": lambda t: attend(t, *same(t, 3, 2, 4), attn_mask=z(t, 3, 3).int()),
    "causal without mask": lambda t: attend(t, *same(t, 3, 2, 4), is_causal=True),
    "dtype": lambda t: attend(t, *[z(t, 3, 2, 4).double()] * 3),
    "dot: causal and mask": lambda t: dot(t, *same(t, 3, 4), attn_mask=z(t, 3, 3), is_causal=True),
    "dot: rank": lambda t: dot(t, *same(t, 4)),
    "dot: key size": lambda t: dot(t, z(t, 3, 4, 5), z(t, 3, 4, 6), z(t, 3, 4, 5)),
    "dot: value length": lambda t: dot(t, z(t, 3, 4, 5), z(t, 3, 4, 5), z(t, 3, 6, 5)),
    "dot: batch": lambda t: dot(t, z(t, 3, 4, 5), z(t, 2, 4, 5), z(t, 2, 4, 5)),
    "dot: dtype": lambda t: dot(t, z(t, 4, 5), z(t, 4, 5).double(), z(t, 4, 5)),
    "dot: mask dtype": lambda t: dot(t, *same(t, 3, 4, 5), z(t, 4, 4).long()),
    "dot: mask size": lambda t: dot(t, *same(t, 3, 4, 5), z(t, 4, 3)),
    "dot: groups": lambda t: dot(
        t, z(t, 2, 4, 4, 5), z(t, 2, 3, 4, 5), z(t, 2, 3, 4, 5), enable_gqa=True
    ),
    "dot: groups without heads": lambda t: dot(t, *same(t, 4, 5), enable_gqa=True),
    "dot: dropout": lambda t: dot(t, *same(t, 4, 5), dropout_p=1.5),
    "activation": lambda t: t.nn.TransformerEncoderLayer(4, 2, activation="sin"),
    "batches": lambda t: t.nn.Transformer(4, 2, 1, 1, 8, batch_first=True)(
        z(t, 2, 3, 4), z(t, 3, 3, 4)
    ),
    "features": lambda t: t.nn.Transformer(4, 2, 1, 1, 8, batch_first=True)(
        z(t, 2, 3, 4), z(t, 2, 3, 5)
    ),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG.keys())
def test_errors(call):
    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(theirs.type) as ours:
        call(kuai)
    assert str(ours.value) == str(theirs.value)


def test_mismatched_masks_warn():
    for t in (kuai, torch):
        net, x = t.nn.MultiheadAttention(4, 2), t.zeros(3, 2, 4)
        with pytest.warns(UserWarning, match="Support for mismatched key_padding_mask"):
            net(x, x, x, key_padding_mask=t.zeros(2, 3) > 0, attn_mask=t.zeros(3, 3))


LAYERS = {
    "odd heads": lambda t: t.nn.TransformerEncoderLayer(3, 3, batch_first=True),
    "norm first": lambda t: t.nn.TransformerEncoderLayer(4, 2, norm_first=True),
    "batch second": lambda t: t.nn.TransformerEncoderLayer(4, 2),
    "no bias": lambda t: t.nn.TransformerEncoderLayer(4, 2, bias=False, batch_first=True),
    "activation": lambda t: t.nn.TransformerEncoderLayer(
        4, 2, activation=t.nn.Tanh(), batch_first=True
    ),
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())
def test_encoder_warns_as_pytorch_does(make):
    messages = []
    for t in (kuai, torch):
        with pytest.warns(UserWarning) as caught:
            t.nn.TransformerEncoder(make(t), 1)
        messages.append([str(warning.message) for warning in caught])
    assert messages[0] == messages[1]


def test_encoder_copies_its_layer():
    for t in (kuai, torch):
        layer = t.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        net = t.nn.TransformerEncoder(layer, 2)
        assert len(list(net.parameters())) == 2 * len(list(layer.parameters()))
        assert net.layers[0].linear1.weight is not layer.linear1.weight
        assert net.layers[0].linear1.weight.tolist() == net.layers[1].linear1.weight.tolist()


def test_causal_mask_closes_the_future():
    net = kuai.nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
    mask = kuai.nn.Transformer.generate_square_subsequent_mask(5)
    x = kuai.randn(1, 5, 4)
    changed = x.clone()
    changed[0, 4] += 1.0
    before, after = net(x, mask, is_causal=True), net(changed, mask, is_causal=True)
    np.testing.assert_allclose(after[:, :4].tolist(), before[:, :4].tolist(), rtol=1e-5)
    assert not np.allclose(after[:, 4].tolist(), before[:, 4].tolist())


def test_dropout_only_while_training():
    net = kuai.nn.MultiheadAttention(4, 2, dropout=0.5)
    x = kuai.randn(6, 2, 4)
    assert not kuai.equal(net(x, x, x)[0], net(x, x, x)[0])
    net.eval()
    assert kuai.equal(net(x, x, x)[0], net(x, x, x)[0])


def test_initial_weights():
    net = kuai.nn.MultiheadAttention(16, 4, add_bias_kv=True)
    assert net.in_proj_bias.abs().max().item() == net.out_proj.bias.abs().max().item() == 0.0
    bound = (6 / (16 + 48)) ** 0.5
    assert 0.8 * bound < net.in_proj_weight.abs().max().item() <= bound


def test_no_mask_warning_where_none_is_due():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer = kuai.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        mask, padding = kuai.zeros(3, 3) > 0, kuai.zeros(2, 3) > 0
        kuai.nn.TransformerEncoder(layer, 1)(kuai.zeros(2, 3, 4), mask, padding)
