"""Changing all parameters and buffers of a module: device, dtype, gradients.

`Module` binds these functions as its methods. A parameter stays the same object and gets new
`data`, so optimizers and tied modules go on seeing it; a buffer's slot gets a new tensor.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from kuai.engine.tensor import Tensor, devices, dtypes, from_array
from kuai.engine.tensor.modes import no_grad
from kuai.nn.parameter import is_lazy

if TYPE_CHECKING:
    from kuai.nn.base.module import Module

Self = TypeVar("Self", bound="Module")


def _apply(self: Self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
    """Replace every parameter's data, its gradient's, and every buffer by `fn` of it."""
    if recurse:
        for module in self.children():
            module._apply(fn)
    for parameter in self._parameters.values():
        if parameter is not None:
            _apply_to_parameter(parameter, fn)
    for name, buffer in self._buffers.items():
        if buffer is not None:
            self._buffers[name] = fn(buffer)
    return self


def _apply_to_parameter(parameter: Tensor, fn: Callable[[Tensor], Tensor]) -> None:
    gradient = parameter.grad
    with no_grad():
        parameter.data = fn(parameter)
        if gradient is not None:
            gradient.data = fn(gradient)


def to(self: Self, *args: Any, **kwargs: Any) -> Self:
    """Move parameters and buffers, in place, to a device and/or a floating point dtype.

    Called as `to(device)`, `to(dtype)`, `to(device, dtype)` or `to(tensor)`. Integer parameters and
    buffers change their device only.

    Example:
        >>> layer = kuai.nn.Linear(2, 1).to(kuai.float64)
        >>> layer.weight.dtype
        torch.float64
    """
    device, dtype, non_blocking, memory_format = parse_to(*args, **kwargs)
    if dtype is not None:
        _check_dtype(dtype)

    def convert(tensor: Tensor) -> Tensor:
        floating = tensor.is_floating_point() or tensor.is_complex()
        return tensor.to(device, dtype if floating else None, non_blocking)

    return self._apply(convert)


def _check_dtype(dtype: dtypes.dtype) -> None:
    if not (dtype.is_floating_point or dtype.is_complex):
        raise TypeError(
            "nn.Module.to only accepts floating point or complex "
            f"dtypes, but got desired dtype={dtype}"
        )
    if dtype.is_complex:
        warnings.warn(
            "Complex modules are a new feature under active development whose design may change, "
            "and some modules might not work as expected when using complex tensors as parameters "
            "or buffers. Please file an issue at "
            "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml "
            "if a complex module does not work as expected.",
            stacklevel=3,
        )


def parse_to(
    *args: Any,
    device: Any = None,
    dtype: dtypes.dtype | None = None,
    non_blocking: bool = False,
    memory_format: Any = None,
    tensor: Tensor | None = None,
    other: Tensor | None = None,
) -> tuple:
    """Device, dtype, non_blocking and memory_format out of any of `to`'s three forms."""
    given = list(args)
    if given and isinstance(given[0], Tensor):
        tensor = given.pop(0)
    elif given and isinstance(given[0], dtypes.dtype):
        dtype = given.pop(0)
    elif given:
        device = given.pop(0)
        dtype = given.pop(0) if given and not isinstance(given[0], bool) else dtype
    tensor = tensor if other is None else other
    if tensor is not None:
        device, dtype = tensor.device, tensor.dtype
    non_blocking = given.pop(0) if given else non_blocking
    if given or not (dtype is None or isinstance(dtype, dtypes.dtype)):
        raise TypeError(_wrong_arguments(args))
    return (None if device is None else devices.device(device)), dtype, non_blocking, memory_format


def _wrong_arguments(args: tuple) -> str:
    kinds = ", ".join(type(value).__name__ for value in args)
    forms = ("torch.device device, torch.dtype dtype", "torch.dtype dtype", "Tensor tensor")
    ending = "bool non_blocking, bool copy, *, torch.memory_format memory_format)\n"
    return (
        f"to() received an invalid combination of arguments - got ({kinds}), but expected one of:\n"
        + "".join(f" * ({form}, {ending}" for form in forms)
    )


def to_empty(self: Self, *, device: Any, recurse: bool = True) -> Self:
    """Move parameters and buffers to `device` without copying their values."""

    def empty(tensor: Tensor) -> Tensor:
        if is_lazy(tensor):
            return tensor.to(device)
        return from_array(np.zeros(tensor.shape, dtypes.to_jax(tensor.dtype)), device)

    return self._apply(empty, recurse=recurse)


def cuda(self: Self, device: Any = None) -> Self:
    """Move parameters and buffers to a GPU."""
    return self._apply(lambda tensor: tensor.cuda(device))


def cpu(self: Self) -> Self:
    """Move parameters and buffers to the CPU."""
    return self._apply(lambda tensor: tensor.cpu())


def to_type(self: Self, dst_type: dtypes.dtype | str) -> Self:
    """Cast all parameters and buffers to `dst_type`."""
    return self._apply(lambda tensor: tensor.type(dst_type))


def to_float(self: Self) -> Self:
    """Cast floating point parameters and buffers to float32."""
    return self._apply(lambda t: t.float() if t.is_floating_point() else t)


def double(self: Self) -> Self:
    """Cast floating point parameters and buffers to float64."""
    return self._apply(lambda t: t.double() if t.is_floating_point() else t)


def half(self: Self) -> Self:
    """Cast floating point parameters and buffers to float16."""
    return self._apply(lambda t: t.half() if t.is_floating_point() else t)


def bfloat16(self: Self) -> Self:
    """Cast floating point parameters and buffers to bfloat16."""
    return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)


def share_memory(self: Self) -> Self:
    """Move parameters and buffers to where other processes can read and write them.

    See `Tensor.share_memory_`.
    """
    return self._apply(lambda tensor: tensor.share_memory_())


def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
    """Set whether `backward()` computes gradients of the parameters.

    Example:
        >>> frozen = kuai.nn.Linear(2, 1).requires_grad_(False)
        >>> frozen.bias.requires_grad
        False
    """
    for parameter in self.parameters():
        parameter.requires_grad_(requires_grad)
    return self


def zero_grad(self: Module, set_to_none: bool = True) -> None:
    """Forget the parameters' gradients, or fill them with zeros if `set_to_none=False`."""
    for parameter in self.parameters():
        if parameter.grad is None:
            continue
        if set_to_none:
            parameter.grad = None
        else:
            _zero(parameter.grad)


def _zero(gradient: Tensor) -> None:
    if gradient.grad_fn is not None:
        gradient.detach_()
    else:
        gradient.requires_grad_(False)
    gradient.zero_()
