"""PyTorch's own operations that a backward pass is made of, for those who call them by name.

Each is the derivative of the operation that it belongs to, times what arrives.
"""

from collections.abc import Callable

import kuai
from kuai.standin.aten import OPERATIONS as FORWARD

__all__ = ["OPERATIONS"]

_F = kuai.nn.functional


def _gradients(function: Callable, gradient, inputs, wanted=None) -> tuple:
    """What arrives at some inputs of a function; None for those that are not `wanted`."""
    wanted = [each is not None for each in inputs] if wanted is None else wanted
    with kuai.enable_grad():
        leaves = [
            each.detach().requires_grad_(is_wanted) if isinstance(each, kuai.Tensor) else each
            for each, is_wanted in zip(inputs, wanted, strict=True)
        ]
        made = function(*leaves)
    asked = [leaf for leaf, is_wanted in zip(leaves, wanted, strict=True) if is_wanted]
    found = iter(kuai.autograd.grad(made, asked, gradient))
    return tuple([next(found) if is_wanted else None for is_wanted in wanted])


def _of_input(function: Callable) -> Callable:
    """The derivative of a function of one tensor."""

    def backward(grad_output, self, *args, **options):
        return _gradients(lambda x: function(x, *args, **options), grad_output, [self])[0]

    return backward


def _threshold_backward(grad_output, self, threshold):
    """What arrives, where `self` is above the threshold."""
    return kuai.where(self > threshold, grad_output, 0)


def _sigmoid_backward(grad_output, output):
    return grad_output * output * (1 - output)


def _tanh_backward(grad_output, output):
    return grad_output * (1 - output * output)


def _leaky_relu_backward(grad_output, self, negative_slope, self_is_result):
    return kuai.where(self > 0, grad_output, grad_output * negative_slope)


def _softmax_backward_data(grad_output, output, dim, input_dtype):
    change = grad_output * output
    return (change - output * change.sum(dim, keepdim=True)).to(input_dtype)


def _log_softmax_backward_data(grad_output, output, dim, input_dtype):
    change = grad_output - output.exp() * grad_output.sum(dim, keepdim=True)
    return change.to(input_dtype)


def _nll_loss_backward(
    grad_output, self, target, weight, reduction, ignore_index, total_weight
):  # fmt: skip
    """What arrives at the scores of the targets."""
    how = ("none", "mean", "sum")[reduction]
    loss = lambda x: _F.nll_loss(x, target, weight, None, ignore_index, None, how)  # noqa: E731
    return _gradients(loss, grad_output, [self])[0]


def _mse_loss_backward(grad_output, self, target, reduction):
    change = grad_output * 2 * (self - target)
    return change / self.numel() if reduction == 1 else change


def _embedding_dense_backward(
    grad_output, indices, num_weights, padding_idx, scale_grad_by_freq
):  # fmt: skip
    """Rows added up where they were taken from."""
    table = grad_output.new_zeros(num_weights, grad_output.shape[-1])
    more = {"scale_grad_by_freq": scale_grad_by_freq}
    padding = None if padding_idx < 0 else padding_idx
    look_up = lambda weight: _F.embedding(indices, weight, padding, **more)  # noqa: E731
    return _gradients(look_up, grad_output, [table])[0]


def _convolution_backward(
    grad_output, input, weight, bias_sizes, stride, padding, dilation, transposed, output_padding,
    groups, output_mask,
):  # fmt: skip
    """The gradients of input, weight and bias; None where the mask says no."""
    bias = weight.new_zeros(bias_sizes) if output_mask[2] else None

    def convolved(x, w, b):
        sizes = stride, padding, dilation, transposed, output_padding, groups
        return FORWARD["convolution"](x, w, b, *sizes)

    return _gradients(convolved, grad_output, [input, weight, bias], output_mask)


def _attention_backward(grad_output, query, key, value, **options):
    """The gradients of query, key and value."""
    attend = _F.scaled_dot_product_attention
    return _gradients(lambda q, k, v: attend(q, k, v, **options), grad_output, [query, key, value])


OPERATIONS = {
    "_log_softmax_backward_data": _log_softmax_backward_data,
    "_softmax_backward_data": _softmax_backward_data,
    "convolution_backward": _convolution_backward,
    "embedding_dense_backward": _embedding_dense_backward,
    "gelu_backward": _of_input(_F.gelu),
    "leaky_relu_backward": _leaky_relu_backward,
    "mse_loss_backward": _mse_loss_backward,
    "nll_loss_backward": _nll_loss_backward,
    "scaled_dot_product_attention_backward": _attention_backward,
    "sigmoid_backward": _sigmoid_backward,
    "silu_backward": _of_input(_F.silu),
    "tanh_backward": _tanh_backward,
    "threshold_backward": _threshold_backward,
}
