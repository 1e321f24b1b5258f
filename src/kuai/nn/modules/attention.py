"""Multi-head attention: the layer that owns the projections."""

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F, init
from kuai.nn.base.module import Module
from kuai.nn.modules.factory import parameter
from kuai.nn.modules.linear import NonDynamicallyQuantizableLinear
from kuai.ops.nn.multi_head_attention import canonical_mask, dtype_of

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention of several heads: each attends in its own projection of query, key and value.

    headᵢ = softmax(Q Wᵢᵠ (K Wᵢᴷ)ᵀ / √D + masks) V Wᵢⱽ, and the output is [head₁ … head_H] Wᴼ.

    Args:
        embed_dim: the size E of query and output; each head has E / num_heads.
        num_heads: how many heads there are.
        dropout: of the attention weights, while training.
        bias: whether the projections have biases.
        add_bias_kv: one more, learned source position.
        add_zero_attn: one more source position of zeros.
        kdim, vdim: the sizes of key and value, E by default.
        batch_first: the batch is the first dimension of inputs and output.

    Shape:
        query `(L, N, E)`, key `(S, N, kdim)`, value `(S, N, vdim)`, with `batch_first` `(N, L, E)`
        and so on, or without N; output as the query, weights `(N, L, S)`.

    Example:
        >>> attention = kuai.nn.MultiheadAttention(16, 4, batch_first=True)
        >>> x = kuai.ones(2, 5, 16)
        >>> output, weights = attention(x, x, x)
        >>> output.shape, weights.shape
        (torch.Size([2, 5, 16]), torch.Size([2, 5, 5]))

    Reference: Vaswani et al., Attention is all you need, 2017.
    """

    def __init__(
        self,
        embed_dim,
        num_heads,
        dropout=0.0,
        bias=True,
        add_bias_kv=False,
        add_zero_attn=False,
        kdim=None,
        vdim=None,
        batch_first=False,
        device=None,
        dtype=None,
    ):
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "embed_dim and num_heads must be greater than 0, "
                f"got embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")
        self._make_weights(bias, add_bias_kv, {"device": device, "dtype": dtype})
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _make_weights(self, bias, add_bias_kv, made):
        size = self.embed_dim
        packed = (3 * size, size) if self._qkv_same_embed_dim else None
        shapes = {
            "q_proj_weight": None if packed else (size, size),
            "k_proj_weight": None if packed else (size, self.kdim),
            "v_proj_weight": None if packed else (size, self.vdim),
            "in_proj_weight": packed,
            "in_proj_bias": 3 * size if bias else None,
        }
        for name, shape in shapes.items():
            self.register_parameter(name, None if shape is None else parameter(shape, **made))
        self.out_proj = NonDynamicallyQuantizableLinear(size, size, bias, **made)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, parameter((1, 1, size), **made) if add_bias_kv else None)

    def _reset_parameters(self):
        names = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
        for weight in map(self.__getattr__, names):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for row in (self.bias_k, self.bias_v):
            if row is not None:
                init.xavier_normal_(row)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The output, and the attention weights (None with `need_weights=False`)."""
        key_padding_mask = canonical_mask(
            key_padding_mask, "key_padding_mask", query.dtype, dtype_of(attn_mask), "attn_mask"
        )
        attn_mask = canonical_mask(attn_mask, "attn_mask", query.dtype)
        swaps = self.batch_first and query.ndim == 3
        if swaps:
            query, key, value = _swapped(query, key, value)
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (output.transpose(0, 1) if swaps else output), weights


def _swapped(*tensors):
    """Each with the batch second; what was one tensor stays one, and is projected once."""
    made = {id(tensor): tensor for tensor in tensors}
    made = {number: tensor.transpose(0, 1) for number, tensor in made.items()}
    return [made[id(tensor)] for tensor in tensors]
