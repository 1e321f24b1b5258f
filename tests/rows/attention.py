"""Rows: attention and transformers."""

from tests.rowkit import A, Row

_Q, _K, _V = A(2, 3, 4, 6), A(2, 3, 5, 6), A(2, 3, 5, 7)
_CLOSED = [[False, True, False], [False, False, True], [False, False, False]]
_PADDED = [[False, False, True], [False, False, False]]


def _f(name, **keywords):
    return lambda t, *inputs: getattr(t.nn.functional, name)(*inputs, **keywords)


def _sdpa(**keywords):
    return _f("scaled_dot_product_attention", **keywords)


def _weights(t, module):
    """The same weights on both sides, for rows that call a module with keywords."""
    for number, weight in enumerate(module.parameters()):
        rows = t.arange(weight.numel(), dtype=weight.dtype).reshape(weight.shape)
        weight.data = (rows * (0.7 + number)).sin() / 2
    return module


def _attend(*arguments, call=None, **keywords):
    """Self-attention by a layer with fixed weights; `call` makes the keywords of the call."""

    def run(t, x):
        module = _weights(t, t.nn.MultiheadAttention(*arguments, **keywords).to(x.dtype))
        return module(x, x, x, **(call(t) if call else {}))

    return run


def _layer(name, *arguments, **keywords):
    return lambda t, *_: getattr(t.nn, name)(*arguments, **keywords)


def _evaluated(name, *arguments, **keywords):
    return lambda t, *_: getattr(t.nn, name)(*arguments, **keywords).eval()


def _masked(name, *, call, **keywords):
    """A transformer block with fixed weights, called with keywords."""

    def run(t, *inputs):
        block = _weights(t, getattr(t.nn, name)(4, 2, 8, 0.0, **keywords).to(inputs[0].dtype))
        return block(*inputs, **call(t))

    return run


def _encoder(t, *_):
    layer = t.nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
    return t.nn.TransformerEncoder(layer, 2, t.nn.LayerNorm(4))


def _decoder(t, *_):
    layer = t.nn.TransformerDecoderLayer(4, 2, 8, 0.0, batch_first=True)
    return t.nn.TransformerDecoder(layer, 2)


_X = A(3, 2, 4)
_CALLS = {
    "bool mask": lambda t: {"attn_mask": t.tensor(_CLOSED)},
    "bool mask, no weights": lambda t: {"attn_mask": t.tensor(_CLOSED), "need_weights": False},
    "float mask": lambda t: {"attn_mask": t.arange(9.0).reshape(3, 3)},
    "mask of each head": lambda t: {"attn_mask": t.arange(36.0).reshape(4, 3, 3)},
    "padding": lambda t: {"key_padding_mask": t.tensor(_PADDED)},
    "padding, no weights": lambda t: {
        "key_padding_mask": t.tensor(_PADDED),
        "need_weights": False,
    },
    "both masks": lambda t: {
        "key_padding_mask": t.tensor(_PADDED),
        "attn_mask": t.tensor(_CLOSED),
    },
    "weights of each head": lambda t: {"average_attn_weights": False},
    "no weights": lambda t: {"need_weights": False},
    "causal": lambda t: {
        "attn_mask": t.nn.Transformer.generate_square_subsequent_mask(3),
        "is_causal": True,
        "need_weights": False,
    },
}

ROWS = [
    Row(
        "F.multi_head_attention_forward",
        lambda t, x, w, b, o: t.nn.functional.multi_head_attention_forward(
            x, x, x, 4, 2, w, b, None, None, False, 0.0, o, None
        ),
        _X,
        A(12, 4),
        A(12),
        A(4, 4),
        gradcheck=True,
    ),
    Row(
        "F.multi_head_attention_forward static",
        lambda t, x, w, o, k, v: t.nn.functional.multi_head_attention_forward(
            x, x, x, 4, 2, w, None, None, None, False, 0.0, o, None, static_k=k, static_v=v
        ),
        _X,
        A(12, 4),
        A(4, 4),
        A(4, 5, 2),
        A(4, 5, 2),
    ),
    Row("F.scaled_dot_product_attention", _sdpa(), _Q, _K, _V, gradcheck=True),
    Row("F.scaled_dot_product_attention causal", _sdpa(is_causal=True), _Q, _K, _V),
    Row("F.scaled_dot_product_attention scale", _sdpa(scale=0.3), _Q, _K, _V),
    Row("F.scaled_dot_product_attention 2-d", _sdpa(), A(4, 6), A(5, 6), A(5, 7)),
    Row("F.scaled_dot_product_attention mask", _sdpa(), _Q, _K, _V, A(4, 5), gradcheck=True),
    Row(
        "F.scaled_dot_product_attention bool mask",
        _sdpa(),
        A(2, 3, 6),
        A(2, 3, 6),
        A(2, 3, 6),
        A(values=[[True, True, False], [False, False, False], [True, True, True]], dtype="bool"),
    ),
    Row(
        "F.scaled_dot_product_attention grouped heads",
        _sdpa(enable_gqa=True),
        A(2, 4, 3, 6),
        A(2, 2, 5, 6),
        A(2, 2, 5, 6),
    ),
    Row(
        "F.scaled_dot_product_attention dropout",
        _sdpa(dropout_p=0.5),
        A(2, 3, 6),
        A(2, 3, 6),
        A(2, 3, 6),
        random=True,
    ),
    Row("nn.MultiheadAttention", _layer("MultiheadAttention", 4, 2), _X, _X, _X, layer=True),
    Row(
        "nn.MultiheadAttention batch first",
        _layer("MultiheadAttention", 4, 2, bias=False, batch_first=True),
        A(2, 3, 4),
        A(2, 5, 4),
        A(2, 5, 4),
        layer=True,
    ),
    Row(
        "nn.MultiheadAttention sizes",
        _layer("MultiheadAttention", 4, 2, kdim=3, vdim=5),
        _X,
        A(6, 2, 3),
        A(6, 2, 5),
        layer=True,
    ),
    Row(
        "nn.MultiheadAttention added positions",
        _layer("MultiheadAttention", 4, 2, add_bias_kv=True, add_zero_attn=True),
        _X,
        _X,
        _X,
        layer=True,
    ),
    Row(
        "nn.MultiheadAttention unbatched",
        _layer("MultiheadAttention", 4, 2),
        A(3, 4),
        A(5, 4),
        A(5, 4),
        layer=True,
    ),
    Row("nn.MultiheadAttention self", _attend(4, 2), _X, gradcheck=True),
    *(
        Row(f"nn.MultiheadAttention {title}", _attend(4, 2, call=call), _X)
        for title, call in _CALLS.items()
    ),
    Row(
        "nn.MultiheadAttention masks and added positions",
        _attend(4, 2, add_bias_kv=True, add_zero_attn=True, call=_CALLS["both masks"]),
        _X,
    ),
    Row(
        "nn.MultiheadAttention dropout",
        _layer("MultiheadAttention", 4, 2, dropout=0.5),
        _X,
        _X,
        _X,
        layer=True,
        random=True,
    ),
    Row(
        "nn.TransformerEncoderLayer",
        _layer("TransformerEncoderLayer", 4, 2, 8, 0.0),
        _X,
        layer=True,
    ),
    Row(
        "nn.TransformerEncoderLayer norm first",
        _layer("TransformerEncoderLayer", 4, 2, 8, 0.0, "gelu", batch_first=True, norm_first=True),
        A(2, 3, 4),
        layer=True,
    ),
    Row(
        "nn.TransformerEncoderLayer without bias",
        _layer("TransformerEncoderLayer", 4, 2, 8, 0.0, bias=False),
        A(3, 4),
        layer=True,
    ),
    Row(
        "nn.TransformerEncoderLayer eval",
        _evaluated("TransformerEncoderLayer", 4, 2, 8, batch_first=True),
        A(2, 3, 4),
        layer=True,
    ),
    Row(
        "nn.TransformerEncoderLayer training",
        _layer("TransformerEncoderLayer", 4, 2, 8),
        _X,
        layer=True,
        random=True,
    ),
    Row(
        "nn.TransformerEncoderLayer masks",
        _masked(
            "TransformerEncoderLayer",
            call=lambda t: {
                "src_mask": t.tensor(_CLOSED),
                "src_key_padding_mask": t.tensor(_PADDED),
            },
        ),
        _X,
    ),
    Row(
        "nn.TransformerDecoderLayer",
        _layer("TransformerDecoderLayer", 4, 2, 8, 0.0),
        _X,
        A(5, 2, 4),
        layer=True,
    ),
    Row(
        "nn.TransformerDecoderLayer norm first",
        _layer("TransformerDecoderLayer", 4, 2, 8, 0.0, norm_first=True, batch_first=True),
        A(2, 3, 4),
        A(2, 5, 4),
        layer=True,
    ),
    Row(
        "nn.TransformerDecoderLayer masks",
        _masked(
            "TransformerDecoderLayer",
            call=lambda t: {
                "tgt_mask": t.nn.Transformer.generate_square_subsequent_mask(3),
                "tgt_is_causal": True,
                "memory_key_padding_mask": t.tensor(_PADDED),
            },
        ),
        _X,
        A(3, 2, 4),
    ),
    Row("nn.TransformerEncoder", _encoder, A(2, 3, 4), layer=True),
    Row("nn.TransformerDecoder", _decoder, A(2, 3, 4), A(2, 5, 4), layer=True),
    Row(
        "nn.Transformer",
        _layer("Transformer", 4, 2, 1, 1, 8, 0.0, batch_first=True),
        A(2, 5, 4),
        A(2, 3, 4),
        layer=True,
    ),
]
