"""What optimizers that were copied from PyTorch's import beside `Optimizer`.

They ask about ways of computing that Kuai does not distinguish, or take texts for docstrings.
"""

import functools
from collections.abc import Callable
from typing import Any

from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.dtypes import float32, float64, get_default_dtype
from kuai.ops.array.windows import view_as_real

__all__ = ["CopiedSteps"]

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


class CopiedSteps:
    """What their `step` calls on the optimizer."""

    def _cuda_graph_capture_health_check(self) -> None:
        """Nothing can be wrong: there are no graphs by hand."""

    _accelerator_graph_capture_health_check = _cuda_graph_capture_health_check

    def _optimizer_step_code(self) -> None:
        """A place for debuggers."""

    @staticmethod
    def profile_hook_step(func: Callable) -> Callable:
        """The function itself: hooks and the profiler come with every step."""
        return func


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
