"""`kuai.nn.utils._named_member_accessor`: a module's tensors, put in place by name."""

from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn.base.module import Module

__all__ = ["swap_tensor"]

_ABSENT = object()


def swap_tensor(
    module: Module, name: str, tensor: Tensor | None, allow_missing: bool = False
) -> Any:
    """Put a tensor where a module has a parameter or a buffer of that name; the old one is given.

    Unlike `setattr` it takes any tensor where a parameter is.

    Raises:
        AttributeError: the module has no tensor of that name, and none is allowed to be missing.
        KeyError: the name is empty or has a dot in it.

    Example:
        >>> net = kuai.nn.Linear(1, 1)
        >>> old = swap_tensor(net, "bias", kuai.ones(1))
        >>> type(old).__name__, type(net.bias).__name__
        ('Parameter', 'Tensor')
    """
    if not isinstance(module, Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")
    if tensor is not None and not isinstance(tensor, Tensor):
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    if "." in name or not name:
        raise KeyError(f'tensor name can\'t contain "." or be empty, got: {name!r}')
    for held in (module._parameters, module._buffers):
        if name in held:
            old, held[name] = held[name], tensor  # type: ignore[assignment]
            return old
    old = getattr(module, name, _ABSENT)
    if old is _ABSENT and not allow_missing:
        raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
    if old is not _ABSENT and not isinstance(old, Tensor):
        raise TypeError(f"{type(module).__name__}.{name} is not an instance of torch.Tensor")
    setattr(module, name, tensor)
    return None if old is _ABSENT else old
