"""The layers a transformer is made of: one of its encoder, and one of its decoder."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F
from kuai.nn.base.module import Module
from kuai.nn.modules.activation import GELU
from kuai.nn.modules.attention import MultiheadAttention
from kuai.nn.modules.dropout import Dropout
from kuai.nn.modules.linear import Linear
from kuai.nn.modules.normalization import LayerNorm
from kuai.nn.modules.rectifiers import ReLU
from kuai.ops.nn.multi_head_attention import canonical_mask, dtype_of

__all__ = ["TransformerDecoderLayer", "TransformerEncoderLayer"]


def _activation_of(activation):
    """The function itself, or the one that a name stands for."""
    return _get_activation_fn(activation) if isinstance(activation, str) else activation


def _get_activation_fn(activation):
    """The function that a name stands for."""
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return getattr(F, activation)


def _is_kind(activation, function, layer) -> bool:
    return activation is function or isinstance(activation, layer)


def _attended(attention, x, source, attn_mask, key_padding_mask, is_causal):
    """What x finds in a source; masks go by name, as in PyTorch, to what is put in its place."""
    attended = attention(
        x,
        source,
        source,
        attn_mask=attn_mask,
        key_padding_mask=key_padding_mask,
        need_weights=False,
        is_causal=is_causal,
    )
    return attended[0]


class TransformerEncoderLayer(Module):
    """Self-attention and a feed-forward network, each with a residual and a normalization.

    x ← LN(x + attention(x)), x ← LN(x + W₂ activation(W₁ x)); with `norm_first`
    x ← x + attention(LN(x)) and likewise.

    Args:
        d_model: the size E of input and output.
        nhead: the number of heads.
        dim_feedforward: the size between the two linear maps.
        dropout: of the attention weights, of the inner activations and of both branches.
        activation: `'relu'`, `'gelu'` or a function.
        batch_first: the batch is the first dimension.
        norm_first: normalize what a branch reads instead of the sum.

    Shape:
        input and output `(S, N, E)`, `(N, S, E)` with `batch_first`, or `(S, E)`.

    Example:
        >>> layer = kuai.nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        >>> layer(kuai.ones(2, 5, 16)).shape
        torch.Size([2, 5, 16])

    Reference: Vaswani et al., Attention is all you need, 2017; `norm_first`: Xiong et al., On
    layer normalization in the transformer architecture, 2020.
    """

    def __init__(
        self,
        d_model,
        nhead,
        dim_feedforward=2048,
        dropout=0.1,
        activation=F.relu,
        layer_norm_eps=1e-5,
        batch_first=False,
        norm_first=False,
        bias=True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        made = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, batch_first=batch_first, **made
        )
        self.linear1 = Linear(d_model, dim_feedforward, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **made)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, **made)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, **made)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        activation = _activation_of(activation)
        is_gelu = _is_kind(activation, F.gelu, GELU)
        self.activation_relu_or_gelu = 2 if is_gelu else int(_is_kind(activation, F.relu, ReLU))
        self.activation = activation

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """The layer's output, of the shape of `src`."""
        padding = canonical_mask(
            src_key_padding_mask, "src_key_padding_mask", src.dtype, dtype_of(src_mask), "src_mask"
        )
        masks = canonical_mask(src_mask, "src_mask", src.dtype), padding
        if self.norm_first:
            x = src + self._sa_block(self.norm1(src), *masks, is_causal=is_causal)
            return x + self._ff_block(self.norm2(x))
        x = self.norm1(src + self._sa_block(src, *masks, is_causal=is_causal))
        return self.norm2(x + self._ff_block(x))

    # Subclasses override these blocks, which have PyTorch's names and arguments for them.

    def _sa_block(self, x, attn_mask, key_padding_mask, is_causal=False):
        masks = attn_mask, key_padding_mask, is_causal
        return self.dropout1(_attended(self.self_attn, x, x, *masks))

    def _ff_block(self, x):
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(Module):
    """Self-attention, attention to the encoder's output, and a feed-forward network.

    Each has a residual and a normalization, as in `TransformerEncoderLayer`, which has the same
    arguments.

    Shape:
        target and output `(T, N, E)`, memory `(S, N, E)`, with the batch first or without it
        likewise.

    Example:
        >>> layer = kuai.nn.TransformerDecoderLayer(16, 4, 32, batch_first=True)
        >>> layer(kuai.ones(2, 3, 16), kuai.ones(2, 5, 16)).shape
        torch.Size([2, 3, 16])

    Reference: Vaswani et al., Attention is all you need, 2017.
    """

    def __init__(
        self,
        d_model,
        nhead,
        dim_feedforward=2048,
        dropout=0.1,
        activation=F.relu,
        layer_norm_eps=1e-5,
        batch_first=False,
        norm_first=False,
        bias=True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        made = {"bias": bias, "device": device, "dtype": dtype}
        heads = {"dropout": dropout, "batch_first": batch_first, **made}
        self.self_attn = MultiheadAttention(d_model, nhead, **heads)
        self.multihead_attn = MultiheadAttention(d_model, nhead, **heads)
        self.linear1 = Linear(d_model, dim_feedforward, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **made)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, **made)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, **made)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, **made)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation_of(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The layer's output, of the shape of `tgt`."""
        own = tgt_mask, tgt_key_padding_mask, tgt_is_causal
        others = memory, memory_mask, memory_key_padding_mask, memory_is_causal
        if self.norm_first:
            x = tgt + self._sa_block(self.norm1(tgt), *own)
            x = x + self._mha_block(self.norm2(x), *others)
            return x + self._ff_block(self.norm3(x))
        x = self.norm1(tgt + self._sa_block(tgt, *own))
        x = self.norm2(x + self._mha_block(x, *others))
        return self.norm3(x + self._ff_block(x))

    def _sa_block(self, x, attn_mask, key_padding_mask, is_causal=False):
        masks = attn_mask, key_padding_mask, is_causal
        return self.dropout1(_attended(self.self_attn, x, x, *masks))

    def _mha_block(self, x, mem, attn_mask, key_padding_mask, is_causal=False):
        masks = attn_mask, key_padding_mask, is_causal
        return self.dropout2(_attended(self.multihead_attn, x, mem, *masks))

    def _ff_block(self, x):
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))
