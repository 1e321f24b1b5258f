"""`kuai.nn.grad`: the gradients of convolutions, by input and by weight."""

from __future__ import annotations

from typing import Any

from kuai.engine.autograd.backward import grad as gradient
from kuai.engine.tensor import Tensor, modes
from kuai.ops.array.creation import zeros
from kuai.ops.nn import convolution

__all__ = [
    "conv1d_input",
    "conv1d_weight",
    "conv2d_input",
    "conv2d_weight",
    "conv3d_input",
    "conv3d_weight",
]


def _by_input(dims: int) -> Any:
    def found(
        input_size: Any,
        weight: Tensor,
        grad_output: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        with modes.enable_grad():
            x = zeros(*input_size, dtype=weight.dtype, device=weight.device).requires_grad_()
            y = getattr(convolution, f"conv{dims}d")(
                x, weight, None, stride, padding, dilation, groups
            )
        return gradient(y, x, grad_output)[0]

    return _named(found, f"conv{dims}d_input", "its input, of which only the size is needed")


def _by_weight(dims: int) -> Any:
    def found(
        input: Tensor,
        weight_size: Any,
        grad_output: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        with modes.enable_grad():
            w = zeros(*weight_size, dtype=input.dtype, device=input.device).requires_grad_()
            y = getattr(convolution, f"conv{dims}d")(
                input, w, None, stride, padding, dilation, groups
            )
        return gradient(y, w, grad_output)[0]

    return _named(found, f"conv{dims}d_weight", "its weight, of which only the size is needed")


def _named(function: Any, name: str, by: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The gradient of `kuai.nn.functional.{name.partition('_')[0]}` by {by}."
    return function


conv1d_input, conv2d_input, conv3d_input = (_by_input(dims) for dims in (1, 2, 3))
conv1d_weight, conv2d_weight, conv3d_weight = (_by_weight(dims) for dims in (1, 2, 3))
