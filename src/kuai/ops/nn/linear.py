"""Linear and bilinear maps.

`linear` contracts the weight's second dimension directly, without transposing it first: one matrix
product forward, two backward, and what the tape keeps are the inputs themselves.
"""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, op
from kuai.engine.op.exact_out import SAME
from kuai.engine.tensor.promotion import c_name, scalar_name
from kuai.ops.accumulation import spread
from kuai.ops.dimensions import size_of


def _grad_name(input, weight, bias=None) -> str:
    """What PyTorch's `grad_fn` is called: it depends on which kernel serves these ranks."""
    if len(weight.shape) == 1:
        return "MvBackward0"
    if len(input.shape) == 2:
        return "MmBackward0" if bias is None else "AddmmBackward0"
    if len(input.shape) == 1:
        return "SqueezeBackward4" if bias is None else "ViewBackward0"
    return "UnsafeViewBackward0" if bias is None else "ViewBackward0"


@op(
    function=False,
    method=False,
    functional=True,
    grad=_grad_name,
    autocast="lower",
    exact_out=SAME,
)
def linear(input: Array, weight: Array, bias: Array | None = None):
    """A linear map: y = x Wᵀ + b.

    Shape:
        input `(*, in_features)`, weight `(out_features, in_features)` or `(in_features)`, bias
        `(out_features)`; output `(*, out_features)`, or `(*)` for a one-dimensional weight.

    Example:
        >>> kuai.nn.functional.linear(kuai.ones(1, 2), kuai.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[3., 7.]])
    """
    _check_linear(input, weight, bias)
    contracted = (((input.ndim - 1,), (weight.ndim - 1,)), ((), ()))
    output = jax.lax.dot_general(input, weight, contracted)
    return output if bias is None else output + spread(bias, output.shape)


def _check_linear(input, weight, bias):
    if min(input.ndim, weight.ndim) == 0:
        raise RuntimeError(
            "both arguments to linear need to be at least 1D, but they are "
            f"{input.ndim}D and {weight.ndim}D"
        )
    if weight.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {weight.ndim}D")
    if weight.ndim == 1 and bias is not None and (input.ndim == 2 or bias.ndim):
        raise RuntimeError("mat2 must be a matrix, got 1-D tensor")
    _check_linear_shapes(input, weight, bias)
    _check_linear_dtypes(input, weight, bias)


def _check_linear_shapes(input, weight, bias):
    rows, columns = size_of(input.shape, range(input.ndim - 1)), input.shape[-1]
    if columns != weight.shape[-1]:
        if weight.ndim == 1:
            raise RuntimeError(
                f"size mismatch, got input ({rows}), mat ({rows}x{columns}), "
                f"vec ({weight.shape[0]})"
            )
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{columns} and "
            f"{weight.shape[1]}x{weight.shape[0]})"
        )
    if bias is not None and bias.shape not in ((), (1,), weight.shape[:1]):
        raise RuntimeError(
            f"The expanded size of the tensor ({weight.shape[0]}) must match the existing size "
            f"({bias.shape[-1]}) at non-singleton dimension 1.  "
            f"Target sizes: {[rows, weight.shape[0]]}.  Tensor sizes: {list(bias.shape)}"
        )


def _check_linear_dtypes(input, weight, bias):
    first, second = scalar_name(input.dtype), scalar_name(weight.dtype)
    if first != second and bias is None:
        raise RuntimeError(
            "expected m1 and m2 to have the same dtype, but got: "
            f"{c_name(input.dtype)} != {c_name(weight.dtype)}"
        )
    if first != second:
        raise RuntimeError(f"mat1 and mat2 must have the same dtype, but got {first} and {second}")
    if bias is not None and bias.dtype != weight.dtype:
        raise RuntimeError(
            "self and mat2 must have the same dtype, but got "
            f"{scalar_name(bias.dtype)} and {second}"
        )


@op(
    method=False,
    functional=True,
    grad=lambda *x: "ViewBackward0" if len(x) < 4 else "AddBackward0",
    autocast={"cuda": "widest"},
)
def bilinear(input1: Array, input2: Array, weight: Array, bias: Array | None = None):
    """A bilinear map: yₖ = x₁ᵀ Wₖ x₂ + bₖ.

    Shape:
        input1 `(*, in1)`, input2 `(*, in2)`, weight `(out, in1, in2)`, bias `(out)`; output
        `(*, out)`.

    Example:
        >>> kuai.nn.functional.bilinear(kuai.ones(2, 3), kuai.ones(2, 4), kuai.ones(5, 3, 4)).shape
        torch.Size([2, 5])
    """
    _check_bilinear(input1, input2, weight, bias)
    output = jnp.einsum("...i,kij,...j->...k", input1, weight, input2)
    return output if bias is None else output + spread(bias, output.shape)


def _check_bilinear(input1, input2, weight, bias):
    tensors = {"input1": input1, "input2": input2, "weight": weight, "bias": bias}
    kinds = {name: x.dtype for name, x in tensors.items() if x is not None}
    if len(set(kinds.values())) > 1:
        got = ", ".join(f"{name}: {c_name(kind)}" for name, kind in kinds.items())
        raise RuntimeError(f"All tensors must have the same dtype, got {got}")
    if not input1.ndim:
        raise IndexError("Dimension specified as -1 but tensor has no dimensions")
    if input1.ndim != input2.ndim:
        raise RuntimeError(
            f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}"
        )
    for dim, (one, two) in enumerate(zip(input1.shape[:-1], input2.shape[:-1], strict=True)):
        if one != two:
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {dim}: got {one} and {two}"
            )
    for number, input in ((1, input1), (2, input2)):
        if input.shape[-1] != weight.shape[number]:
            raise RuntimeError(
                f"bilinear(): input{number} size does not match weight size: "
                f"got {input.shape[-1]} but expected {weight.shape[number]}"
            )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(
            "bilinear(): bias size does not match weight size: "
            f"got {bias.shape[0]} but expected {weight.shape[0]}"
        )
