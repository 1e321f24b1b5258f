"""What users' backward functions and hooks return: checked and fitted, with PyTorch's errors."""

import jax.numpy as jnp
import numpy as np

from kuai.engine.autograd.running import Operation, run
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.promotion import cast
from kuai.engine.tensor.views import outline

__all__ = ["check_hook_result", "fitted", "name_of_hook"]

_COMPLEX = (
    "Expected isFloatingType(grad.scalar_type()) || (input_is_complex == grad_is_complex) to be "
    "true, but got false.  (Could this error message be improved?  If so, please report an "
    "enhancement request to PyTorch.)"
)
_fit = Operation("fit_gradient", "ToCopyBackward0")


def name_of_hook(hook) -> str:
    """What an error calls a hook."""
    return getattr(hook, "__name__", type(hook).__name__)


def check_hook_result(hook, before: Tensor, after) -> None:
    """Refuse what is no tensor, or one of another shape or dtype than the gradient had."""
    if not isinstance(after, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(after).__name__}'")
    was, is_now = outline(before), outline(after)
    if was.shape != is_now.shape:
        raise RuntimeError(f"hook '{name_of_hook(hook)}' has changed the size of value")
    if was.dtype != is_now.dtype:
        raise RuntimeError(
            f"hook '{name_of_hook(hook)}' has changed the type of value "
            f"(was {before.type()} got {after.type()})"
        )


def fitted(gradient: Tensor, shape, kind, what: str) -> Tensor:
    """A gradient in the shape and dtype of its input: summed where that was broadcast.

    Args:
        what: which gradient of which function it is, for the error.
    """
    found = outline(gradient)
    if found.shape == shape and found.dtype == kind:
        return gradient
    if not _can_be_summed(found.shape, shape):
        raise RuntimeError(
            f"{what} - got {list(found.shape)} but expected shape compatible with {list(shape)}"
        )
    if found.dtype.kind == "c" and np.dtype(kind).kind != "c":
        raise RuntimeError(_COMPLEX)
    new = len(found.shape) - len(shape)
    one = [new + d for d, n in enumerate(shape) if n == 1 and found.shape[new + d] != 1]
    axes = (*range(new), *one)

    def fit(array):
        return cast(jnp.sum(array, axes).reshape(shape) if axes else array, kind)

    return run(_fit, (shape, kind, axes), lambda: fit, [gradient])


def _can_be_summed(found, shape) -> bool:
    pairs = zip(reversed(found), reversed(shape), strict=False)
    return len(found) >= len(shape) and all(n in (1, m) for m, n in pairs)
