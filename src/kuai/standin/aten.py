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
    dims = weight.ndim - 2
    name = f"conv_transpose{dims}d" if transposed else f"conv{dims}d"
    more = (output_padding, groups, dilation) if transposed else (dilation, groups)
    return getattr(kuai.nn.functional, name)(input, weight, bias, stride, padding, *more)


def _softmax(self, dim, half_to_float):
    """`softmax`."""
    return kuai.softmax(self, dim)


def _log_softmax(self, dim, half_to_float):
    """`log_softmax`."""
    return kuai.log_softmax(self, dim)


def _native_layer_norm(input, normalized_shape, weight, bias, eps):
    """A layer norm, with the mean and the reciprocal deviation that it used."""
    dims = list(range(input.ndim - len(normalized_shape), input.ndim))
    made = kuai.nn.functional.layer_norm(input, normalized_shape, weight, bias, eps)
    variance, mean = kuai.var_mean(input.detach(), dims, correction=0, keepdim=True)
    return made, mean, kuai.rsqrt(variance + eps)


def _nll_loss_forward(self, target, weight, reduction, ignore_index):
    """A negative log likelihood, with the sum of the weights in it."""
    how = ("none", "mean", "sum")[reduction]
    options = {"weight": weight, "ignore_index": ignore_index}
    made = kuai.nn.functional.nll_loss(self, target, reduction=how, **options)
    kept = (target != ignore_index).to(self.dtype)
    if weight is not None:
        kept = kept * weight[target.clamp(min=0)]
    return made, kept.sum() if reduction else self.new_zeros(())


def _cross_entropy_loss(self, target, *rest):
    """`cross_entropy`."""
    return kuai.nn.functional.cross_entropy(self, target, *rest)


def _nll_loss_nd(self, target, weight=None, reduction=1, ignore_index=-100):
    """`nll_loss` of any number of dimensions."""
    return _nll_loss_forward(self, target, weight, reduction, ignore_index)[0]


def _embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """`embedding`, whose first argument is the table here."""
    padding = None if padding_idx < 0 else padding_idx
    more = {"scale_grad_by_freq": scale_grad_by_freq, "sparse": sparse}
    return kuai.nn.functional.embedding(indices, weight, padding, **more)


def _max_pool2d_with_indices(self, *sizes, **options):
    """`max_pool2d`, and where each maximum lies."""
    return kuai.nn.functional.max_pool2d(self, *sizes, return_indices=True, **options)


def _adaptive_avg_pool2d(self, output_size):
    """`adaptive_avg_pool2d`."""
    return kuai.nn.functional.adaptive_avg_pool2d(self, output_size)


def _lift_fresh(self):
    """A tensor that was just made of numbers: itself."""
    return self


def _constant_pad_nd(self, pad, value=0.0):
    """`pad` with a number."""
    return kuai.nn.functional.pad(self, tuple(pad), "constant", value)


def _sparse_addmm(self, mat1, mat2, *, beta=1, alpha=1):
    """`sparse.addmm`."""
    return kuai.sparse.addmm(self, mat1, mat2, beta=beta, alpha=alpha)


_SPARSE = "it gives what PyTorch's own backward pass needs", "Use kuai.sparse.mm(a, b, reduce)"
OPERATIONS = {
    "_adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "_convolution": _convolution,
    "_pin_memory": _pin_memory,
    "_sparse_addmm": _sparse_addmm,
    "_sparse_mm_reduce_impl": refused("torch.ops.aten._sparse_mm_reduce_impl", *_SPARSE),
    "_local_scalar_dense": kuai.Tensor.item,
    "_log_softmax": _log_softmax,
    "_softmax": _softmax,
    "_to_copy": _to_copy,
    "_unsafe_view": _unsafe_view,
    "alias": _alias,
    "constant_pad_nd": _constant_pad_nd,
    "convolution": _convolution,
    "cross_entropy_loss": _cross_entropy_loss,
    "embedding": _embedding,
    "index": _index,
    "lift_fresh": _lift_fresh,
    "linalg_vector_norm": kuai.linalg.vector_norm,
    "max_pool2d_with_indices": _max_pool2d_with_indices,
    "native_layer_norm": _native_layer_norm,
    "nll_loss_forward": _nll_loss_forward,
    "nll_loss_nd": _nll_loss_nd,
    "slice": _slice,
}
