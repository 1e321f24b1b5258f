"""A layer and the batch normalization after it as one layer, for evaluation.

y = (W x + b - mean)·s + β with s = γ / √(var + eps) is a layer with W·s and (b - mean)·s + β.
"""

from __future__ import annotations

import copy

from kuai.engine.tensor import Tensor
from kuai.nn.base.module import Module
from kuai.nn.parameter import Parameter
from kuai.ops.array.creation import ones_like, zeros_like

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]


def _check(layer, bn):
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")


def _fused(weight, bias, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape):
    """The parameters of the one layer; `shape` is that of s beside the weight."""
    kind = weight.dtype if bias is None else bias.dtype
    needs = weight.requires_grad, bias is not None and bias.requires_grad
    bias = zeros_like(bn_rm) if bias is None else bias
    scale = (ones_like(bn_rm) if bn_w is None else bn_w) * (bn_rv + bn_eps).rsqrt()
    shift = zeros_like(bn_rm) if bn_b is None else bn_b
    new_weight = (weight * scale.reshape(shape)).to(weight.dtype).detach()
    new_bias = ((bias - bn_rm) * scale + shift).to(kind).detach()
    return Parameter(new_weight, needs[0]), Parameter(new_bias, needs[1])


def _of(bn):
    return bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution that does what it and a batch normalization did.

    Args:
        bn_rm, bn_rv, bn_eps, bn_w, bn_b: running mean and variance, eps, weight and bias.
        transpose: the convolution is a transposed one.
    """
    rest = [1] * (conv_w.ndim - 2)
    shape = [1, -1, *rest] if transpose else [-1, 1, *rest]
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_conv_bn_eval(conv: Module, bn: Module, transpose: bool = False) -> Module:
    """A convolution that does what `bn(conv(x))` does in evaluation.

    Example:
        >>> conv, bn = kuai.nn.Conv2d(1, 2, 3).eval(), kuai.nn.BatchNorm2d(2).eval()
        >>> kuai.nn.utils.fuse_conv_bn_eval(conv, bn)
        Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))
    """
    _check(conv, bn)
    made = copy.deepcopy(conv)
    made.weight, made.bias = fuse_conv_bn_weights(made.weight, made.bias, *_of(bn), transpose)
    return made


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a linear layer that does what it and a batch normalization did."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, (-1, 1))


def fuse_linear_bn_eval(linear: Module, bn: Module) -> Module:
    """A linear layer that does what `bn(linear(x))` does in evaluation.

    Example:
        >>> linear, bn = kuai.nn.Linear(3, 2).eval(), kuai.nn.BatchNorm1d(2).eval()
        >>> kuai.nn.utils.fuse_linear_bn_eval(linear, bn)
        Linear(in_features=3, out_features=2, bias=True)
    """
    _check(linear, bn)
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, "
            f"got linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    made = copy.deepcopy(linear)
    made.weight, made.bias = fuse_linear_bn_weights(made.weight, made.bias, *_of(bn))
    return made
