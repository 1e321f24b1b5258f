"""Layouts and memory formats: PyTorch's names for how a tensor lies in memory.

XLA decides that, so `kuai.strided` is the only layout that a tensor has, and a memory format is
taken and changes nothing.
"""

__all__ = [
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "jagged",
    "layout",
    "legacy_contiguous_format",
    "memory_format",
    "per_channel_affine",
    "per_channel_affine_float_qparams",
    "per_channel_symmetric",
    "per_tensor_affine",
    "per_tensor_symmetric",
    "preserve_format",
    "qscheme",
    "sparse_bsc",
    "sparse_bsr",
    "sparse_coo",
    "sparse_csc",
    "sparse_csr",
    "strided",
]


class _Name(str):
    """A text that prints without quotation marks."""

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls, *args, **kwargs)

    def __repr__(self) -> str:
        return str(self)


class layout(_Name):
    """How a tensor's elements are stored.

    Example:
        >>> kuai.strided, isinstance(kuai.strided, kuai.layout)
        (torch.strided, True)
    """


class memory_format(_Name):
    """In which order a tensor's dimensions lie in memory.

    Example:
        >>> kuai.channels_last
        torch.channels_last
    """


class qscheme(_Name):
    """How numbers are quantized; a name only, no tensor is.

    Example:
        >>> kuai.per_tensor_affine, isinstance(kuai.per_tensor_affine, kuai.qscheme)
        (torch.per_tensor_affine, True)
    """


strided = layout("torch.strided")
sparse_coo, jagged = layout("torch.sparse_coo"), layout("torch.jagged")
sparse_csr, sparse_csc = layout("torch.sparse_csr"), layout("torch.sparse_csc")
sparse_bsr, sparse_bsc = layout("torch.sparse_bsr"), layout("torch.sparse_bsc")
contiguous_format = legacy_contiguous_format = memory_format("torch.contiguous_format")
preserve_format = memory_format("torch.preserve_format")
channels_last = memory_format("torch.channels_last")
channels_last_3d = memory_format("torch.channels_last_3d")
per_tensor_affine, per_tensor_symmetric = map(
    qscheme, ("torch.per_tensor_affine", "torch.per_tensor_symmetric")
)
per_channel_affine, per_channel_symmetric = map(
    qscheme, ("torch.per_channel_affine", "torch.per_channel_symmetric")
)
per_channel_affine_float_qparams = qscheme("torch.per_channel_affine_float_qparams")
