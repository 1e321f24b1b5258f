"""What optimizers and schedulers that were copied from PyTorch's import beside their bases.

They ask about ways of computing that Kuai does not distinguish, or take texts for docstrings.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any

from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.dtypes import float32, float64, get_default_dtype
from kuai.ops.array.windows import view_as_real

__all__ = ["DeviceDict", "ParamsT", "StateDict"]

#: What parameters and states are given as.
ParamsT = _params_t = Any
StateDict = dict[str, Any]
DeviceDict = dict[Any, Any]

_params_doc = "params: tensors, (name, tensor) pairs or parameter groups"
_foreach_doc = "foreach (bool, optional): accepted, and changes nothing"
_fused_doc = "fused (bool, optional): accepted, and changes nothing"
_maximize_doc = "maximize (bool, optional): go up instead of down"
_capturable_doc = "capturable (bool, optional): accepted, and changes nothing"
_differentiable_doc = "differentiable (bool, optional): whether steps can be differentiated"


def _use_grad_for_differentiable(func):
    """A decorator for `step`: gradients are recorded if the optimizer is `differentiable`."""

    @functools.wraps(func)
    def stepping(self, *args, **kwargs):
        with modes.set_grad_enabled(bool(self.defaults.get("differentiable"))):
            return func(self, *args, **kwargs)

    return stepping


def _disable_dynamo_if_unsupported(single_tensor_fn: Callable | None = None) -> Callable:
    """A decorator that gives the function back."""
    return lambda func: func


def _default_to_fused_or_foreach(params, differentiable, use_fused=False):
    """Whether to use fused, or list-wise, operations: neither, programs join what they can."""
    return False, False


def _get_capturable_supported_devices(supports_xla=True):
    """Kinds of devices on which a step can be a part of a program: all."""
    return ["cpu", "cuda", "xla"]


def _get_value(x):
    """The number in a tensor; a number is itself."""
    return x.item() if isinstance(x, Tensor) else x


def _stack_if_compiling(x):
    """What is given: nothing is traced."""
    return x


def _to_scalar(x):
    """A tensor of one element without dimensions; anything else as it is."""
    return x.squeeze() if isinstance(x, Tensor) and x.dim() != 0 else x


def _get_scalar_dtype(is_fused=None):
    """The dtype in which steps are counted."""
    return float64 if get_default_dtype() is float64 and not is_fused else float32


def _view_as_real(params, *state_and_grads):
    """Put the real view in place of each complex tensor of the lists."""
    for i, p in enumerate(params):
        if p.is_complex():
            params[i] = view_as_real(p)
            for each in state_and_grads:
                each[i] = view_as_real(each[i])


# Schedulers --------------------------------------------------------------------------------------


def _warn_get_lr_called_within_step(lr_scheduler) -> None:
    """Warn that `get_lr` is not for those who want to know the rate."""
    if not lr_scheduler._get_lr_called_within_step:
        warnings.warn(
            "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
            UserWarning,
            stacklevel=2,
        )


class _enable_get_lr_call:
    """A context in which `get_lr` does not warn."""

    def __init__(self, o) -> None:
        self.o = o

    def __enter__(self) -> "_enable_get_lr_call":
        self.o._get_lr_called_within_step = True
        return self

    def __exit__(self, *error: Any) -> None:
        self.o._get_lr_called_within_step = False
