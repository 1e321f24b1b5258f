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
    "preserve_format",
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


strided = layout("torch.strided")
sparse_coo, jagged = layout("torch.sparse_coo"), layout("torch.jagged")
sparse_csr, sparse_csc = layout("torch.sparse_csr"), layout("torch.sparse_csc")
sparse_bsr, sparse_bsc = layout("torch.sparse_bsr"), layout("torch.sparse_bsc")
contiguous_format = legacy_contiguous_format = memory_format("torch.contiguous_format")
preserve_format = memory_format("torch.preserve_format")
channels_last = memory_format("torch.channels_last")
channels_last_3d = memory_format("torch.channels_last_3d")
