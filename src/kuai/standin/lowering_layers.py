"""What layers and losses are made of in PyTorch, for `kuai.standin.lowering`."""

import math
from collections.abc import Callable
from typing import Any

import kuai
from kuai.engine.tensor import Tensor

__all__ = ["LAYERS", "Tell"]

#: `tell(name, *args, **kwargs)`: the mode's answer for one of PyTorch's own operations.
Tell = Callable[..., Any]


def _linear(told: Tell, input: Tensor, weight: Tensor, bias: Tensor | None = None):
    flat = input.ndim == 2
    if bias is None:
        turned = told("t", weight)
        made = told("mm", input if flat else _rows(told, input), turned)
    else:
        rows = input if flat else _rows(told, input)
        made = told("addmm", bias, rows, told("t", weight))
    if flat:
        return made
    name = "_unsafe_view" if bias is None else "view"
    return told(name, made, [*input.shape[:-1], weight.shape[0]])


def _rows(told: Tell, input: Tensor) -> Tensor:
    return told("view", input, [math.prod(input.shape[:-1]), input.shape[-1]])


def _matmul(told: Tell, input: Tensor, other: Tensor, **options):
    dims = input.ndim, other.ndim
    simple = {(1, 1): "dot", (2, 2): "mm", (2, 1): "mv"}
    if options or (dims not in simple and dims != (3, 3)) or input.shape[:-2] != other.shape[:-2]:
        return told("matmul", input, other, **options)
    if dims in simple:
        return told(simple[dims], input, other)
    both = [told("view", told("expand", x, list(x.shape)), list(x.shape)) for x in (input, other)]
    made = told("bmm", *both)
    return told("_unsafe_view", made, list(made.shape))


def _softmax(told: Tell, input: Tensor, dim: int | None = None, _stacklevel=3, dtype=None):
    return told("_softmax", _in_dtype(told, input, dtype), dim, False)


def _softmax_along(told: Tell, input: Tensor, dim: int, dtype=None):
    return _softmax(told, input, dim, dtype=dtype)


def _log_softmax(told: Tell, input: Tensor, dim: int | None = None, _stacklevel=3, dtype=None):
    return told("_log_softmax", _in_dtype(told, input, dtype), dim, False)


def _in_dtype(told: Tell, input: Tensor, wanted: Any) -> Tensor:
    if wanted is None or input.dtype == wanted:
        return input
    return told("_to_copy", input, dtype=wanted)


def _dropout(told: Tell, input: Tensor, p=0.5, training=True, inplace=False):
    if not training or not p:
        return input
    chance = () if p == 0.5 else (1 - p,)  # PyTorch leaves a default out
    kept = told("bernoulli_", told("empty_like", input), *chance)
    return told("mul_" if inplace else "mul", input, told("div_", kept, 1 - p))


def _pool(name: str, dims: int):
    def lowered(told: Tell, input: Tensor, kernel_size, *rest, **options):
        sizes = [_repeated(each, dims) for each in (kernel_size, *rest)]
        return told(name, input, *sizes, **options)

    return lowered


def _repeated(value: Any, dims: int) -> Any:
    if type(value) is int:
        return [value] * dims
    return list(value) if isinstance(value, tuple) else value


def _max_pool(told: Tell, input: Tensor, kernel_size, *rest, return_indices=False, **options):
    if options or len(rest) > 4:
        more = {**options, "return_indices": return_indices}
        return told("max_pool2d", input, kernel_size, *rest, **more)
    sizes = [_repeated(each, 2) for each in (kernel_size, *rest)]
    made = told("max_pool2d_with_indices", input, *sizes)
    return made if return_indices else made[0]


def _adaptive_pool(told: Tell, input: Tensor, output_size):
    if _repeated(output_size, 2) == [1, 1]:
        return told("mean", input, [-1, -2], True)
    return told("_adaptive_avg_pool2d", input, _repeated(output_size, 2))


def _pad(told: Tell, input: Tensor, pad, mode="constant", value=None):
    if mode != "constant":
        return told(f"{mode}_pad{len(pad) // 2}d", input, list(pad), function=_padded(mode))
    return told("constant_pad_nd", input, list(pad), float(value or 0.0))


def _padded(mode: str) -> Callable:
    return lambda input, pad: kuai.nn.functional.pad(input, tuple(pad), mode)


def _layer_norm(told: Tell, input, normalized_shape, weight=None, bias=None, eps=1e-5):
    shape = [normalized_shape] if isinstance(normalized_shape, int) else list(normalized_shape)
    return told("native_layer_norm", input, shape, weight, bias, eps)[0]


def _convolution(dims: int, transposed: bool):
    def several(value) -> list:
        return [value] * dims if isinstance(value, int) else list(value)

    def told_once(
        told, name, input, weight, bias, stride, padding, output_padding, groups, dilation
    ):
        if isinstance(padding, str):
            return told(name, input, weight, bias, stride, padding, dilation, groups)
        sizes = several(stride), several(padding), several(dilation)
        return told(
            "convolution", input, weight, bias, *sizes, transposed, several(output_padding), groups
        )

    def conv(told, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        name = f"conv{dims}d"
        return told_once(told, name, input, weight, bias, stride, padding, 0, groups, dilation)

    def turned(
        told, input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
    ):
        name, rest = f"conv_transpose{dims}d", (output_padding, groups, dilation)
        return told_once(told, name, input, weight, bias, stride, padding, *rest)

    return turned if transposed else conv


def _activated(name: str):
    """`relu(x, inplace=True)` is `relu_`."""

    def lowered(told: Tell, input: Tensor, inplace: bool = False):
        return told(f"{name}_" if inplace else name, input)

    return lowered


def _embedding(told: Tell, input, weight, padding_idx=None, *rest, **options):
    more = () if padding_idx is None else (padding_idx,)
    if rest or any(options.values()):
        padding = {"padding_idx": padding_idx, **options}
        return told("embedding", input, weight, *rest, **padding)
    return told("embedding", weight, input, *more)


def _nll_loss(told: Tell, input, target, weight=None, size_average=None, ignore_index=-100,
              reduce=None, reduction="mean"):  # fmt: skip
    kinds = ("none", "mean", "sum")
    if input.ndim != 2 or size_average is not None or reduce is not None:
        return told("nll_loss_nd", input, target, weight, kinds.index(reduction), ignore_index)
    how = kinds.index(reduction)
    return told("nll_loss_forward", input, target, weight, how, ignore_index)[0]


def _cross_entropy(told: Tell, input, target, weight=None, size_average=None, ignore_index=-100,
                   reduce=None, reduction="mean", label_smoothing=0.0):  # fmt: skip
    if input.ndim != 2 or target.is_floating_point() or label_smoothing:
        rest = weight, size_average, ignore_index, reduce, reduction, label_smoothing
        return told("cross_entropy_loss", input, target, *rest)
    scores = told("_log_softmax", input, 1, False)
    return _nll_loss(told, scores, target, weight, size_average, ignore_index, reduce, reduction)


LAYERS: dict[str, Callable] = {
    "linear": _linear, "matmul": _matmul, "__matmul__": _matmul, "softmax": _softmax,
    "softmax_along": _softmax_along, "log_softmax": _log_softmax, "layer_norm": _layer_norm,
    "embedding": _embedding, "dropout": _dropout, "pad": _pad, "max_pool2d": _max_pool,
    "adaptive_avg_pool2d": _adaptive_pool, "avg_pool2d": _pool("avg_pool2d", 2),
    "nll_loss": _nll_loss, "cross_entropy": _cross_entropy,
    **{name: _activated(name) for name in (
        "relu", "silu", "hardswish", "hardsigmoid", "selu", "mish", "relu6")},
    **{f"conv{n}d": _convolution(n, False) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _convolution(n, True) for n in (1, 2, 3)},
}  # fmt: skip
