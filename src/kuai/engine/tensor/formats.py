"""Layouts and memory formats: PyTorch's names for how a tensor lies in memory.

XLA decides that, so `kuai.strided` is the layout of all tensors but sparse ones, and a memory
format is taken and changes nothing.
"""

from collections.abc import Iterator
from typing import TypeVar

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


class _Name:
    """One of a few things that are known by their names; each is there once."""

    __slots__ = ("_text",)
    _text: str

    def __new__(cls, *args, **kwargs):
        raise TypeError(f"cannot create 'torch.{cls.__name__}' instances")

    def __repr__(self) -> str:
        return self._text

    def __reduce__(self) -> str:
        return self._text.removeprefix("torch.")


_Kind = TypeVar("_Kind", bound=_Name)


class layout(_Name):
    """How a tensor's elements are stored.

    Example:
        >>> kuai.strided, isinstance(kuai.strided, kuai.layout)
        (torch.strided, True)
    """

    __slots__ = ()


class memory_format(_Name):
    """In which order a tensor's dimensions lie in memory.

    Example:
        >>> kuai.channels_last
        torch.channels_last
    """

    __slots__ = ()


class qscheme(_Name):
    """How numbers are quantized; a name only, no tensor is.

    Example:
        >>> kuai.per_tensor_affine, isinstance(kuai.per_tensor_affine, kuai.qscheme)
        (torch.per_tensor_affine, True)
    """

    __slots__ = ()


def _made(kind: type[_Kind], *names: str) -> Iterator[_Kind]:
    for name in names:
        one = object.__new__(kind)
        one._text = f"torch.{name}"
        yield one


strided, sparse_coo, jagged = _made(layout, "strided", "sparse_coo", "jagged")
sparse_csr, sparse_csc = _made(layout, "sparse_csr", "sparse_csc")
sparse_bsr, sparse_bsc = _made(layout, "sparse_bsr", "sparse_bsc")
contiguous_format, preserve_format = _made(memory_format, "contiguous_format", "preserve_format")
legacy_contiguous_format = contiguous_format
channels_last, channels_last_3d = _made(memory_format, "channels_last", "channels_last_3d")
per_tensor_affine, per_tensor_symmetric, per_channel_affine = _made(
    qscheme, "per_tensor_affine", "per_tensor_symmetric", "per_channel_affine"
)
per_channel_symmetric, per_channel_affine_float_qparams = _made(
    qscheme, "per_channel_symmetric", "per_channel_affine_float_qparams"
)
