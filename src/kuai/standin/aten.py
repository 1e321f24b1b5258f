"""PyTorch's own operations that have a name in `torch.ops.aten` only, and no function of theirs."""

import kuai
from kuai.standin.refusing import refused

__all__ = ["OPERATIONS"]


def _alias(self):
    """The same elements as another tensor."""
    return self.view(self.shape)


def _index(self, indices):
    """`self[indices]`, where None takes all."""
    return self[tuple([slice(None) if each is None else each for each in indices])]


def _slice(self, dim=0, start=None, end=None, step=1):
    """`self[start:end:step]` in one dimension."""
    places = [slice(None)] * self.ndim
    places[dim] = slice(start, end, step)
    return self[tuple(places)]


def _to_copy(self, *, dtype=None, layout=None, device=None, pin_memory=None, non_blocking=False,
             memory_format=None):  # fmt: skip
    """A copy, of another type or on another device."""
    copy = self.to(device or self.device, dtype or self.dtype)
    return copy.clone() if copy is self else copy


def _pin_memory(self, device=None):
    """The tensor: XLA moves memory as it is."""
    return self


def _unsafe_view(self, size):
    """`self.reshape(size)`."""
    return kuai.reshape(self, size)


def _convolution(
    input, weight, bias, stride, padding, dilation, transposed, output_padding, groups, *_
):  # fmt: skip
    """A convolution of any number of dimensions, or a transposed one."""
    dims = input.ndim - 2
    name = f"conv_transpose{dims}d" if transposed else f"conv{dims}d"
    more = (output_padding, groups, dilation) if transposed else (dilation, groups)
    return getattr(kuai.nn.functional, name)(input, weight, bias, stride, padding, *more)


_SPARSE = "Kuai has no sparse tensors", "Use scatter_add or index_add"
OPERATIONS = {
    "_convolution": _convolution,
    "_pin_memory": _pin_memory,
    "_sparse_addmm": refused("torch.ops.aten._sparse_addmm", *_SPARSE),
    "_sparse_mm_reduce_impl": refused("torch.ops.aten._sparse_mm_reduce_impl", *_SPARSE),
    "_to_copy": _to_copy,
    "_unsafe_view": _unsafe_view,
    "alias": _alias,
    "convolution": _convolution,
    "index": _index,
    "slice": _slice,
}
