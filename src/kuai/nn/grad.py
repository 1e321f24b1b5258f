"""`kuai.nn.grad`: the gradients of convolutions with respect to input and weight, as functions."""

from kuai.engine.autograd.backward import grad
from kuai.engine.tensor import Tensor, modes
from kuai.nn import functional as F
from kuai.ops.array.creation import zeros as zeros_of

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight"]
__all__ += ["conv3d_input", "conv3d_weight"]


def _zeros(size, like) -> Tensor:
    return zeros_of(*size, dtype=like.dtype, device=like.device)


def _gradient(convolution, input, weight, which, cotangent, options) -> Tensor:
    """That of the input (0) or the weight (1); it may be differentiated in its turn."""
    stride, padding, dilation, groups = options
    recording = modes.is_grad_enabled() and any(
        each.requires_grad for each in (input, weight, cotangent)
    )
    with modes.enable_grad():
        pair = [input, weight]
        pair[which] = pair[which].requires_grad_()
        made = convolution(*pair, None, stride, padding, dilation, groups)
        return grad(made, pair[which], cotangent, create_graph=recording)[0]


def conv1d_input(
    input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1
) -> Tensor:
    """The gradient of a 1-d convolution with respect to its input.

    Args:
        input_size: of the input.
        grad_output: the gradient with respect to the output.

    Example:
        >>> w, g = kuai.ones(1, 1, 2), kuai.ones(1, 1, 2)
        >>> nn.grad.conv1d_input((1, 1, 3), w, g).sum()
        tensor(4.)
    """
    input = _zeros(input_size, weight)
    return _gradient(F.conv1d, input, weight, 0, grad_output, (stride, padding, dilation, groups))


def conv1d_weight(
    input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1
) -> Tensor:
    """The gradient of a 1-d convolution with respect to its weight.

    Args:
        weight_size: of the weight.
        grad_output: the gradient with respect to the output.

    Example:
        >>> x, g = kuai.ones(1, 1, 3), kuai.ones(1, 1, 2)
        >>> nn.grad.conv1d_weight(x, (1, 1, 2), g).sum()
        tensor(4.)
    """
    weight = _zeros(weight_size, input)
    return _gradient(F.conv1d, input, weight, 1, grad_output, (stride, padding, dilation, groups))


def conv2d_input(
    input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1
) -> Tensor:
    """The gradient of a 2-d convolution with respect to its input.

    Args:
        input_size: of the input.
        grad_output: the gradient with respect to the output.

    Example:
        >>> w, g = kuai.ones(1, 1, 2, 2), kuai.ones(1, 1, 2, 2)
        >>> nn.grad.conv2d_input((1, 1, 3, 3), w, g).sum()
        tensor(16.)
    """
    input = _zeros(input_size, weight)
    return _gradient(F.conv2d, input, weight, 0, grad_output, (stride, padding, dilation, groups))


def conv2d_weight(
    input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1
) -> Tensor:
    """The gradient of a 2-d convolution with respect to its weight.

    Args:
        weight_size: of the weight.
        grad_output: the gradient with respect to the output.

    Example:
        >>> x, g = kuai.ones(1, 1, 3, 3), kuai.ones(1, 1, 2, 2)
        >>> nn.grad.conv2d_weight(x, (1, 1, 2, 2), g).sum()
        tensor(16.)
    """
    weight = _zeros(weight_size, input)
    return _gradient(F.conv2d, input, weight, 1, grad_output, (stride, padding, dilation, groups))


def conv3d_input(
    input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1
) -> Tensor:
    """The gradient of a 3-d convolution with respect to its input.

    Args:
        input_size: of the input.
        grad_output: the gradient with respect to the output.

    Example:
        >>> w, g = kuai.ones(1, 1, 2, 2, 2), kuai.ones(1, 1, 2, 2, 2)
        >>> nn.grad.conv3d_input((1, 1, 3, 3, 3), w, g).sum()
        tensor(64.)
    """
    input = _zeros(input_size, weight)
    return _gradient(F.conv3d, input, weight, 0, grad_output, (stride, padding, dilation, groups))


def conv3d_weight(
    input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1
) -> Tensor:
    """The gradient of a 3-d convolution with respect to its weight.

    Args:
        weight_size: of the weight.
        grad_output: the gradient with respect to the output.

    Example:
        >>> x, g = kuai.ones(1, 1, 3, 3, 3), kuai.ones(1, 1, 2, 2, 2)
        >>> nn.grad.conv3d_weight(x, (1, 1, 2, 2, 2), g).sum()
        tensor(64.)
    """
    weight = _zeros(weight_size, input)
    return _gradient(F.conv3d, input, weight, 1, grad_output, (stride, padding, dilation, groups))
