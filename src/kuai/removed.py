"""Functions that PyTorch has taken away, with what to use instead, and one that it is about to."""

import importlib
import warnings
from collections.abc import Callable

from kuai.engine.tensor import dtypes

__all__ = ["eig", "lstsq", "matrix_rank", "set_default_tensor_type", "solve", "symeig"]


def _gone(name: str, instead: str) -> Callable:
    def gone(*args, **kwargs):
        raise RuntimeError(
            "This function was deprecated since version 1.9 and is now removed. "
            f"Please use `torch.linalg.{instead}`."
        )

    gone.__name__ = gone.__qualname__ = name
    gone.__doc__ = f"""PyTorch's former `{name}`: `kuai.linalg.{instead}` stands for it.

    Raises:
        RuntimeError: always, as in PyTorch.
    """
    return gone


eig = _gone("eig", "eig")
lstsq = _gone("lstsq", "lstsq")
matrix_rank = _gone("matrix_rank", "matrix_rank")
solve = _gone("solve", "solve")
symeig = _gone("symeig", "eigh")

_DTYPES = {
    "DoubleTensor": dtypes.float64,
    "FloatTensor": dtypes.float32,
    "HalfTensor": dtypes.float16,
    "BFloat16Tensor": dtypes.bfloat16,
}


def set_default_tensor_type(t) -> None:
    """Set the default dtype by the name of a type of tensors; `set_default_dtype` is preferred.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     kuai.set_default_tensor_type(kuai.FloatTensor)
        >>> kuai.get_default_dtype()
        torch.float32

    Raises:
        TypeError: it is no type of tensors, or one of integers.
    """
    warnings.warn(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use "
        "torch.set_default_dtype() and torch.set_default_device() as alternatives.",
        stacklevel=2,
    )
    if isinstance(t, str):
        module, _, name = t.rpartition(".")
        module = "kuai" if module in ("torch", "kuai") else module or t
        t = getattr(importlib.import_module(module), name)
    if isinstance(t, dtypes.dtype):
        raise TypeError(
            "invalid type object: only floating-point types are supported as the default type"
        )
    found = _DTYPES.get(getattr(t, "__name__", ""))
    if found is None:
        raise TypeError("only floating-point types are supported as the default type")
    dtypes.set_default_dtype(found)
