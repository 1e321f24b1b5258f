"""`kuai.nn.grad`: the gradients of convolutions with respect to input and weight, as functions."""

from collections.abc import Callable
from typing import Any

from kuai.engine.autograd.backward import grad
from kuai.engine.tensor import Tensor, modes
from kuai.nn import functional as F
from kuai.ops.array.creation import zeros

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight"]
__all__ += ["conv3d_input", "conv3d_weight"]


def _gradient(convolution, input, weight, which, cotangent, options) -> Any:
    """That of the input (0) or the weight (1); it may be differentiated in its turn."""
    stride, padding, dilation, groups = options
    recording = modes.is_grad_enabled() and any(
        each.requires_grad for each in (input, weight, cotangent)
    )
    with modes.enable_grad():
        pair = [input, weight]
        pair[which] = wanted = pair[which].requires_grad_()
        made = convolution(*pair, None, stride, padding, dilation, groups)
        return grad(made, wanted, cotangent, create_graph=recording)[0]


def _of_input(dims: int, convolution: Callable):
    def gradient(
        input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1
    ) -> Tensor:
        input = zeros(*input_size, dtype=weight.dtype, device=weight.device)
        options = (stride, padding, dilation, groups)
        return _gradient(convolution, input, weight, 0, grad_output, options)

    gradient.__name__ = gradient.__qualname__ = f"conv{dims}d_input"
    gradient.__doc__ = f"""The gradient of a {dims}-d convolution with respect to its input.

    Args:
        input_size: of the input.
        grad_output: the gradient with respect to the output.

    Example:
        >>> w, g = kuai.ones(1, 1{", 2" * dims}), kuai.ones(1, 1{", 2" * dims})
        >>> nn.grad.conv{dims}d_input((1, 1{", 3" * dims}), w, g).sum()
        tensor({4**dims}.)
    """
    return gradient


def _of_weight(dims: int, convolution: Callable):
    def gradient(
        input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1
    ) -> Tensor:
        weight = zeros(*weight_size, dtype=input.dtype, device=input.device)
        options = (stride, padding, dilation, groups)
        return _gradient(convolution, input, weight, 1, grad_output, options)

    gradient.__name__ = gradient.__qualname__ = f"conv{dims}d_weight"
    gradient.__doc__ = f"""The gradient of a {dims}-d convolution with respect to its weight.

    Args:
        weight_size: of the weight.
        grad_output: the gradient with respect to the output.

    Example:
        >>> x, g = kuai.ones(1, 1{", 3" * dims}), kuai.ones(1, 1{", 2" * dims})
        >>> nn.grad.conv{dims}d_weight(x, (1, 1{", 2" * dims}), g).sum()
        tensor({4**dims}.)
    """
    return gradient


conv1d_input, conv1d_weight = _of_input(1, F.conv1d), _of_weight(1, F.conv1d)
conv2d_input, conv2d_weight = _of_input(2, F.conv2d), _of_weight(2, F.conv2d)
conv3d_input, conv3d_weight = _of_input(3, F.conv3d), _of_weight(3, F.conv3d)
