"""What operations cost, by PyTorch's formulas: two for each product that is added up."""

import math
from collections.abc import Callable
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.utils import _pytree as pytree

__all__ = ["flops_of", "formula_of", "of_shapes", "register_flop_formula", "registered"]

#: Formulas of a program's own, by operation.
registered: dict[Any, Callable] = {}


def of_shapes(formula: Callable) -> Callable:
    """A formula of shapes and `out_shape=`, as one of tensors and what came out."""

    def count(out: Any, *args: Any, **kwargs: Any) -> int:
        shapes, named, shape = pytree.tree_map(_shape, (args, kwargs, out))
        return formula(*shapes, out_shape=shape, **named)

    return count


def register_flop_formula(targets: Any, get_raw: bool = False) -> Callable[[Callable], Callable]:
    """Say what operations cost: a decorator for a function of their arguments' shapes.

    Args:
        targets: operations as `kuai.ops` has them, one or several.
        get_raw: have the arguments themselves given, and the result as `out_val=`.

    Example:
        >>> from kuai.utils.flop_counter import FlopCounterMode, register_flop_formula
        >>> @register_flop_formula(kuai.ops.aten.cumsum)
        ... def of_cumsum(input_shape, *args, out_shape=None, **kwargs):
        ...     return input_shape[0]
        >>> with FlopCounterMode(display=False) as counter:
        ...     y = kuai.cumsum(kuai.ones(5), 0)
        >>> counter.get_total_flops()
        5
    """

    def register(formula: Callable) -> Callable:
        for target in targets if isinstance(targets, (list, tuple)) else [targets]:
            if not hasattr(target, "overloads"):
                raise ValueError(
                    "register_flop_formula(targets): expected each target to be OpOverloadPacket "
                    "(i.e. torch.ops.mylib.foo), JitFunction, or HigherOrderOperator, got "
                    f"{target} which is of type {type(target)}"
                )
            if target in registered:
                raise RuntimeError(f"duplicate registrations for {target}")
            registered[target] = _raw(formula) if get_raw else of_shapes(formula)
        return formula

    return register


def _raw(formula: Callable) -> Callable:
    return lambda out, *args, **kwargs: formula(*args, out_val=out, **kwargs)


def _shape(each: Any) -> Any:
    return each.shape if isinstance(each, Tensor) else each


# The formulas -------------------------------------------------------------------------------------


def _of_product(out, input, other, *rest, **options):
    """Two for each element and each step along the dimension that is summed."""
    return 2 * out.numel() * input.shape[-1]


def _of_added_product(out, input, first, *rest, **options):
    return 2 * out.numel() * first.shape[-1]


def _of_convolution(out, input, weight, *rest, **options):
    return 2 * out.numel() * math.prod(weight.shape[1:])


def _of_transposed_convolution(out, input, weight, *rest, **options):
    return 2 * input.numel() * math.prod(weight.shape[1:])


def _of_any_convolution(out, input, weight, bias, stride, padding, dilation, transposed, *rest):
    of_kind = _of_transposed_convolution if transposed else _of_convolution
    return of_kind(out, input, weight)


def _of_convolution_backward(
    out, gradient, input, weight, bias, stride, padding, dilation, transposed, output_padding,
    groups, mask,
):  # fmt: skip
    """Of the input one turned convolution, of the weight one of what came and what went."""
    counted = 0
    if mask[0]:
        walked = out[0] if transposed else gradient
        places = math.prod(walked.shape[2 - weight.ndim :])
        counted += 2 * places * _batch(gradient, weight) * math.prod(weight.shape)
    if mask[1]:
        kernel = math.prod(weight.shape[2:])
        first, second = (gradient, input) if transposed else (input, gradient)
        counted += 2 * kernel * first.shape[1 - weight.ndim] * second.numel()
    return counted


def _batch(each, weight):
    return each.shape[0] if each.ndim == weight.ndim else 1


def _of_attention(out, query, key, value, *rest, **options):
    scores = 2 * math.prod(query.shape) * key.shape[-2]
    return scores + 2 * math.prod(query.shape[:-1]) * key.shape[-2] * value.shape[-1]


def _of_attention_backward(out, gradient, query, key, value, **options):
    """The scores once more; two products for each of the forward pass."""
    scores = 2 * math.prod(query.shape) * key.shape[-2]
    return scores + 2 * _of_attention(out, query, key, value)


_FORMULAS = {
    **dict.fromkeys(("mm", "bmm", "matmul", "mv", "_scaled_mm"), _of_product),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), _of_added_product),
    "convolution": _of_any_convolution,
    "convolution_backward": _of_convolution_backward,
    **{f"conv{n}d": _of_convolution for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _of_transposed_convolution for n in (1, 2, 3)},
    "scaled_dot_product_attention": _of_attention,
    "scaled_dot_product_attention_backward": _of_attention_backward,
}


def formula_of(operation: Any) -> Callable | None:
    """The formula of an operation of `kuai.ops`, of what came out and its arguments."""
    return registered.get(operation) or _FORMULAS.get(operation.__name__)


def flops_of(name: str, out: Any, args: tuple, kwargs: dict) -> int:
    """What an operation cost that gave `out`; 0 if it is none that is counted."""
    formula = _of_product if name == "linear" else _FORMULAS.get(name)
    return 0 if formula is None else formula(out, *args, **kwargs)
