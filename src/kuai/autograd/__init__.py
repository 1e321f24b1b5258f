"""`kuai.autograd`: gradients, and operations with a backward pass of their own."""

import typing

from kuai.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from kuai.autograd.variable import Variable
from kuai.engine.autograd.backward import grad, run_backward as backward
from kuai.engine.autograd.function import Function, FunctionContext, once_differentiable
from kuai.engine.late import late
from kuai.engine.tensor.modes import (
    enable_grad,
    enforce_grad_layout_policy,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from kuai.nn.watching.debugging import detect_anomaly, set_detect_anomaly

__all__ = [
    "Function",
    "FunctionContext",
    "GradcheckError",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "enforce_grad_layout_policy",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]

if typing.TYPE_CHECKING:
    from kuai.autograd import (
        anomaly_mode as anomaly_mode,
        forward_ad as forward_ad,
        function as function,
        functional as functional,
        grad_mode as grad_mode,
        graph as graph,
        profiler as profiler,
        variable as variable,
    )

#: Modules that are loaded when they are first asked for.
_LATE = frozenset(
    {
        "anomaly_mode", "forward_ad", "function", "functional", "grad_mode", "graph", "profiler",
        "profiler_util", "variable",
    }
)  # fmt: skip
__getattr__, __dir__ = late("kuai.autograd", _LATE, {})
