"""Giving a module a parameter or a buffer by name, with every check PyTorch makes.

`Module` binds `register_parameter` and `register_buffer` as its methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kuai.engine.tensor import Tensor
from kuai.nn.base.hooks import run_registration_hooks
from kuai.nn.base.typename import typename
from kuai.nn.parameter import Parameter

if TYPE_CHECKING:
    from kuai.nn.base.module import Module


def register_parameter(self: Module, name: str, param: Parameter | None) -> None:
    """Add a parameter under `name`; None keeps the place free.

    Example:
        >>> block = kuai.nn.Module()
        >>> block.register_parameter("bias", None)
        >>> block.bias is None, list(block.parameters())
        (True, [])
    """
    _check_name(self, name, "parameter", "_parameters")
    if param is not None:
        _check_parameter(name, param)
        param = run_registration_hooks("parameter", self, name, param)
    self._parameters[name] = param


def _check_parameter(name: str, param: Any) -> None:
    if not isinstance(param, Parameter):
        what = "object to parameter"
        raise TypeError(wrong_type(param, what, name, "torch.nn.Parameter", "required"))
    if param.grad_fn is not None:
        raise ValueError(
            f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
            f"created explicitly. To express '{name}' as a function of another Tensor, "
            "compute the value in the forward() method."
        )


def register_buffer(
    self: Module, name: str, tensor: Tensor | None, persistent: bool = True
) -> None:
    """Add a tensor that is state but not a parameter, such as a running mean.

    Args:
        persistent: whether it is part of the `state_dict`.

    Example:
        >>> block = kuai.nn.Module()
        >>> block.register_buffer("mean", kuai.zeros(2))
        >>> block.mean
        tensor([0., 0.])
    """
    _check_name(self, name, "buffer", "_buffers")
    if tensor is not None and not isinstance(tensor, Tensor):
        raise TypeError(wrong_type(tensor, "object to buffer", name, "torch Tensor", "required"))
    self._buffers[name] = run_registration_hooks("buffer", self, name, tensor)
    if persistent:
        self._non_persistent_buffers_set.discard(name)
    else:
        self._non_persistent_buffers_set.add(name)


def _check_name(module: Module, name: Any, kind: str, slots: str) -> None:
    if slots not in module.__dict__:
        raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
    if not isinstance(name, str):
        raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
    if "." in name:
        raise KeyError(f'{kind} name can\'t contain "."')
    if name == "":
        raise KeyError(f'{kind} name can\'t be empty string ""')
    if hasattr(module, name) and name not in module.__dict__[slots]:
        raise KeyError(f"attribute '{name}' already exists")


def wrong_type(value: Any, what: str, name: str, wanted: str, ending: str = "expected") -> str:
    """What to say of a value that cannot be assigned under `name`."""
    return f"cannot assign '{typename(value)}' {what} '{name}' ({wanted} or None {ending})"
