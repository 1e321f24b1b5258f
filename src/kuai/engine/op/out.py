"""What becomes of results where a call says `out=`."""

import math
import warnings
from typing import Any

from kuai.engine.autograd.inplace import overwrite
from kuai.engine.op.exact_out import check_exact, refuse_gradients
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.overriding import named

__all__ = ["write_out"]


def write_out(out: Any, results, exact=None, name="out"):
    """Results put into the tensor or tensors given as `out=`.

    Args:
        exact: the error's text if their dtypes must be the same: see `exact_out`.
        name: what errors call the function.
    """
    _check_kind(out, results)
    if isinstance(results, tuple):
        texts = exact if isinstance(exact, tuple) else [exact] * len(results)
        written = [write_out(*each, name) for each in zip(out, results, texts, strict=True)]
        return type(results)(*written) if hasattr(results, "_fields") else tuple(written)
    if exact is not None:
        check_exact(exact, out.dtype, results.dtype)
    refuse_gradients(name, out, results)
    if out.shape != results.shape:
        _warn_of_resizing(out, results)
        out.resize_(results.shape)
    return overwrite(out, results)


def _check_kind(out, results):
    """PyTorch's errors, without the function's name, for something else than a place to write."""
    several = isinstance(results, tuple)
    if not isinstance(out, (tuple, list) if several else Tensor):
        kind = "tuple of Tensors" if several else "Tensor"
        raise TypeError(f"argument 'out' must be {kind}, not {named(type(out))}")
    if several and len(out) != len(results):
        raise TypeError(f"expected tuple of {len(results)} elements but got {len(out)}")


def _warn_of_resizing(out, results):
    if math.prod(out.shape):
        warnings.warn(
            "An output with one or more elements was resized since it had shape "
            f"{list(out.shape)}, which does not match the required output shape "
            f"{list(results.shape)}. This behavior is deprecated, and in a future PyTorch release "
            "outputs will not be resized unless they have zero elements. You can explicitly reuse "
            "an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
            stacklevel=4,
        )
