"""The transformer: stacks of encoder and decoder layers."""

import copy
import warnings

from kuai.engine.tensor import Tensor
from kuai.nn import functional as F, init
from kuai.nn.base.module import Module
from kuai.nn.modules.container import ModuleList
from kuai.nn.modules.normalization import LayerNorm
from kuai.nn.modules.transformer_layers import (
    TransformerDecoderLayer,
    TransformerEncoderLayer,
    _get_activation_fn as _get_activation_fn,
)
from kuai.ops.array.creation import full
from kuai.ops.nn.multi_head_attention import canonical_mask, dtype_of

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]


def _generate_square_subsequent_mask(size, device=None, dtype=None):
    """-inf above the diagonal, zero elsewhere."""
    return full((size, size), float("-inf"), device=device, dtype=dtype).triu(1)


def _detect_is_causal_mask(mask, is_causal=None, size=None) -> bool:
    """Whether a mask hides exactly what comes later; `is_causal` is believed where it is said."""
    if is_causal is not None or mask is None:
        return is_causal is True
    size = mask.shape[-2] if size is None else size
    causal = _generate_square_subsequent_mask(size, mask.device, mask.dtype)
    return mask.shape == causal.shape and bool((mask == causal).all())


def _get_seq_len(src, batch_first) -> int:
    """How many steps a batch of sequences has, or one sequence."""
    return src.shape[1 if batch_first and src.ndim > 2 else 0]


def _get_clones(layer, count) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


class TransformerEncoder(Module):
    """Encoder layers one after the other, and a normalization at the end.

    Args:
        encoder_layer: copied `num_layers` times, with the same first weights.
        norm: a module for the end, or None.
        enable_nested_tensor, mask_check: accepted as in PyTorch, where they choose a kernel.

    Shape:
        input and output as of `TransformerEncoderLayer`.

    Example:
        >>> layer = kuai.nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        >>> kuai.nn.TransformerEncoder(layer, num_layers=2)(kuai.ones(2, 5, 16)).shape
        torch.Size([2, 5, 16])

    Differs from PyTorch: in evaluation without gradients PyTorch writes zeros to the padded places
    of the output; here they are computed as in every other case.

    Reference: Vaswani et al., Attention is all you need, 2017.
    """

    def __init__(
        self, encoder_layer, num_layers, norm=None, enable_nested_tensor=True, mask_check=True
    ):
        super().__init__()
        self.layers = _get_clones(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check
        reason = _why_not_nested(encoder_layer)
        self.use_nested_tensor = enable_nested_tensor and not reason
        if enable_nested_tensor and reason:
            warnings.warn(
                "enable_nested_tensor is True, but self.use_nested_tensor is False because "
                f"encoder_layer{reason}",
                stacklevel=2,
            )

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """The output of the last layer, normalized."""
        src_key_padding_mask = canonical_mask(
            src_key_padding_mask, "src_key_padding_mask", src.dtype, dtype_of(mask), "mask"
        )
        mask = canonical_mask(mask, "mask", src.dtype)
        for layer in self.layers:
            src = layer(  # by name, for layers of one's own
                src,
                src_mask=mask,
                is_causal=is_causal is True,
                src_key_padding_mask=src_key_padding_mask,
            )
        return src if self.norm is None else self.norm(src)


def _why_not_nested(layer) -> str:
    """Why PyTorch has no kernel for nested tensors and this layer, or an empty text."""
    if not isinstance(layer, TransformerEncoderLayer):
        return " was not TransformerEncoderLayer"
    attention = layer.self_attn
    reasons = {
        ".norm_first was True": layer.norm_first,
        ".self_attn.batch_first was not True"
        "(use batch_first for better inference performance)": not attention.batch_first,
        ".self_attn._qkv_same_embed_dim was not True": not attention._qkv_same_embed_dim,
        ".self_attn was passed bias=False": attention.in_proj_bias is None,
        ".activation_relu_or_gelu was not True": not layer.activation_relu_or_gelu,
        ".norm1.eps was not equal to encoder_layer.norm2.eps": layer.norm1.eps != layer.norm2.eps,
        ".self_attn.num_heads is odd": attention.num_heads % 2 == 1,
    }
    return next((text for text, holds in reasons.items() if holds), "")


class TransformerDecoder(Module):
    """Decoder layers one after the other, and a normalization at the end.

    Args:
        decoder_layer: copied `num_layers` times, with the same first weights.
        norm: a module for the end, or None.

    Shape:
        target, memory and output as of `TransformerDecoderLayer`.

    Example:
        >>> layer = kuai.nn.TransformerDecoderLayer(16, 4, 32, batch_first=True)
        >>> decoder = kuai.nn.TransformerDecoder(layer, num_layers=2)
        >>> decoder(kuai.ones(2, 3, 16), kuai.ones(2, 5, 16)).shape
        torch.Size([2, 3, 16])

    Reference: Vaswani et al., Attention is all you need, 2017.
    """

    def __init__(self, decoder_layer, num_layers, norm=None):
        super().__init__()
        self.layers = _get_clones(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The output of the last layer, normalized."""
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=tgt_is_causal is True,
                memory_is_causal=memory_is_causal,
            )
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder that reads a source, and a decoder that reads it and a target.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation: as of `TransformerEncoderLayer`.
        layer_norm_eps, batch_first, norm_first, bias: likewise.
        num_encoder_layers, num_decoder_layers: how many layers there are of each.
        custom_encoder, custom_decoder: modules to use instead.

    Shape:
        source `(S, N, E)`, target and output `(T, N, E)`, with the batch first or without it
        likewise.

    Example:
        >>> net = kuai.nn.Transformer(16, 4, 1, 1, 32, batch_first=True)
        >>> net(kuai.ones(2, 5, 16), kuai.ones(2, 3, 16)).shape
        torch.Size([2, 3, 16])

    Reference: Vaswani et al., Attention is all you need, 2017.
    """

    def __init__(
        self,
        d_model=512,
        nhead=8,
        num_encoder_layers=6,
        num_decoder_layers=6,
        dim_feedforward=2048,
        dropout=0.1,
        activation=F.relu,
        custom_encoder=None,
        custom_decoder=None,
        layer_norm_eps=1e-5,
        batch_first=False,
        norm_first=False,
        bias=True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        made = {"bias": bias, "device": device, "dtype": dtype}
        sizes = d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps
        parts = (
            ("encoder", custom_encoder, TransformerEncoderLayer, TransformerEncoder),
            ("decoder", custom_decoder, TransformerDecoderLayer, TransformerDecoder),
        )
        counts = num_encoder_layers, num_decoder_layers
        for (name, custom, layer_kind, kind), count in zip(parts, counts, strict=True):
            if custom is None:
                layer = layer_kind(*sizes, batch_first, norm_first, **made)
                custom = kind(layer, count, LayerNorm(d_model, layer_norm_eps, **made))
            setattr(self, name, custom)
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def _reset_parameters(self):
        for weight in self.parameters():
            if weight.ndim > 1:
                init.xavier_uniform_(weight)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The decoder's output for the target, given the encoder's for the source."""
        batch_dim = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch_dim] != tgt.shape[batch_dim]:
            raise RuntimeError("the batch number of src and tgt must be equal")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz, device=None, dtype=None):
        """A mask by which each position attends to itself and those before it.

        Example:
            >>> kuai.nn.Transformer.generate_square_subsequent_mask(3)
            tensor([[0., -inf, -inf],
                    [0., 0., -inf],
                    [0., 0., 0.]])
        """
        return _generate_square_subsequent_mask(sz, device, dtype)
