"""Products of groups of matrices of different heights, and two of PyTorch's older operations."""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, composite, op
from kuai.ops.nn.convolution import conv1d
from kuai.ops.nn.vision import channel_shuffle

__all__ = ["conv_tbc", "grouped_mm", "native_channel_shuffle"]


def _sizes(ends):
    return jnp.diff(ends, prepend=0)


def _members(ends, count):
    """Which elements of a row belong to which group: (groups, count)."""
    place = jnp.arange(count)
    begin = jnp.concatenate([jnp.zeros(1, ends.dtype), ends[:-1]])
    return (place >= begin[:, None]) & (place < ends[:, None])


def _product(a, b, ends):
    kind = jnp.promote_types(a.dtype, jnp.float32)
    if ends is None:
        return jnp.matmul(a, b, preferred_element_type=kind)
    if a.ndim == 2 and b.ndim == 3:  # rows of a are in groups
        return jax.lax.ragged_dot(a, b, _sizes(ends), preferred_element_type=kind)
    if a.ndim == 2:  # what is summed over is in groups
        members = _members(ends, a.shape[1]).astype(a.dtype)
        return jnp.einsum("mk,gk,kn->gmn", a, members, b, preferred_element_type=kind)
    members = _members(ends, b.shape[1]).astype(a.dtype)  # columns of b are in groups
    return jnp.einsum("gmk,kn,gn->mn", a, b, members, preferred_element_type=kind)


@op(function=False, method=False, functional=True, grad="GroupedMmBackward0")
def grouped_mm(
    mat_a: Array,
    mat_b: Array,
    *,
    offs: Array | None = None,
    bias: Array | None = None,
    out_dtype=None,
):
    """A matrix product for each group, where the groups have different sizes.

    Args:
        offs: where each group ends, in the dimension of a 2-d operand that is in groups; None if
            both operands are 3-d.
        bias: added to the result.

    Shape:
        `(M, K)` and `(G, K, N)` give `(M, N)`, `(M, K)` and `(K, N)` give `(G, M, N)`,
        `(G, M, K)` and `(K, N)` give `(M, N)`, `(G, M, K)` and `(G, K, N)` give `(G, M, N)`.

    Example:
        >>> x, w = kuai.ones(3, 1), kuai.tensor([[[1.0]], [[2.0]]])
        >>> kuai.nn.functional.grouped_mm(x, w, offs=kuai.tensor([1, 3])).flatten()
        tensor([1., 2., 2.])
    """
    if mat_a.ndim not in (2, 3):
        raise RuntimeError("mat_a has to be 2 or 3d")
    if mat_b.ndim not in (2, 3):
        raise RuntimeError("mat_b has to be 2 or 3d")
    is_ragged = mat_a.ndim == 2 or mat_b.ndim == 2
    if is_ragged != (offs is not None):
        raise RuntimeError("Have to provide offsets if there is a 2d matrix, and only then")
    made = _product(mat_a, mat_b, offs)
    made = made if bias is None else made + bias
    return made.astype(mat_a.dtype if out_dtype is None else out_dtype.jax)


@composite(export=("conv_tbc", "nn.functional.conv_tbc"))
def conv_tbc(input, weight, bias, pad=0):
    """Convolution along the first dimension, time; batch and channels come after it.

    Shape:
        input `(T, B, I)`, weight `(K, I, O)`, bias `(O)`, output `(T + 2 pad - K + 1, B, O)`.

    Example:
        >>> x = kuai.tensor([1.0, 2.0, 4.0]).reshape(3, 1, 1)
        >>> kuai.conv_tbc(x, kuai.ones(2, 1, 1), kuai.zeros(1)).flatten()
        tensor([3., 6.])
    """
    for name, tensor, ndim in (("Input", input, 3), ("Weight", weight, 3), ("Bias", bias, 1)):
        if tensor.ndim != ndim:
            raise RuntimeError(_tbc_message(name))
    if input.shape[2] != weight.shape[1]:
        raise RuntimeError(
            "Input dim 2 (input channels) is not == dim 1 in the weight tensor (input channels)."
        )
    if weight.shape[2] != bias.shape[0]:
        raise RuntimeError("Bias size must equal dim 2 in the weight tensor (output channels).")
    made = conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return made.permute(2, 0, 1).contiguous()


def _tbc_message(name):
    if name == "Input":
        return "Input must have 3 dims: time, batch, in_channel"
    if name == "Weight":
        return "Weight tensor must have 3 dims: kernel_width, in_channels, out_channels."
    return "Bias must be 1-D"


@composite(export=("native_channel_shuffle", "nn.functional.native_channel_shuffle"))
def native_channel_shuffle(input, groups):
    """Another name of `channel_shuffle`.

    Example:
        >>> x = kuai.arange(4.0).reshape(1, 4, 1)
        >>> kuai.native_channel_shuffle(x, 2).flatten()
        tensor([0., 2., 1., 3.])
    """
    return channel_shuffle(input, groups)
