"""What losses share: reductions, PyTorch's old arguments for them, and size warnings."""

import warnings

import jax
import jax.numpy as jnp

from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import averaged, summed
from kuai.ops.math.reduction import mean_error


def legacy_reduction(size_average, reduce, reduction: str) -> str:
    """The reduction; the deprecated `size_average` and `reduce` take precedence where given."""
    if size_average is None and reduce is None:
        return reduction
    each = reduce is not None and not reduce
    total = size_average is not None and not size_average
    reduction = "none" if each else "sum" if total else "mean"
    warnings.warn(
        "size_average and reduce args will be deprecated, "
        f"please use reduction='{reduction}' instead.",
        stacklevel=3,
    )
    return reduction


def check_reduction(reduction: str) -> None:
    """Raise PyTorch's error for a reduction that does not exist."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")


def reduced(loss, reduction: str):
    """The losses of the elements, their sum or their mean."""
    check_reduction(reduction)
    if reduction == "none":
        return loss
    if reduction == "sum":
        return summed(loss)
    if not jnp.issubdtype(loss.dtype, jnp.inexact):
        raise RuntimeError(mean_error("Input dtype", loss.dtype))
    return averaged(loss)


def hinge(x):
    """max(0, x) as PyTorch's clamp has it: its derivative is 1 at 0, and nan stays nan."""
    return jnp.where(
        jnp.isnan(x), jax.lax.stop_gradient(x), jnp.where(x >= 0, x, 0).astype(x.dtype)
    )


def warn_sizes(input, target, stacklevel: int = 3) -> None:
    """Warn of a target that has to be broadcast: mostly a mistake."""
    if tuple(input.shape) != tuple(target.shape):
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=stacklevel,
        )


def as_input(loss, input):
    """The loss in the input's dtype, whatever the target's is."""
    if not jnp.issubdtype(input.dtype, jnp.inexact):
        raise RuntimeError(
            f"result type {scalar_name(loss.dtype)} can't be cast to the desired output type "
            f"{scalar_name(input.dtype)}"
        )
    return loss.astype(input.dtype)
