"""PyTorch's import path for Module and for the hooks on every module."""

from kuai.engine.tensor import Tensor as Tensor  # layers in other files import these from here
from kuai.nn.base.hooks import (
    WrappedHook,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
    registration_hooks,
)
from kuai.nn.base.load_report import IncompatibleKeys
from kuai.nn.base.module import Module, indented
from kuai.nn.parameter import Buffer as Buffer, Parameter as Parameter

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

# What programs for PyTorch take from here under names of its own.
_IncompatibleKeys = IncompatibleKeys
_WrappedHook = WrappedHook
_addindent = indented
_EXTRA_STATE_KEY_SUFFIX = "_extra_state"
_global_buffer_registration_hooks = registration_hooks["buffer"]
_global_module_registration_hooks = registration_hooks["module"]
_global_parameter_registration_hooks = registration_hooks["parameter"]
