"""`kuai.nn.parallel.replicate`: a module on several devices."""

import copy
from collections.abc import Sequence
from typing import Any

__all__ = ["replicate"]


def replicate(network: Any, devices: Sequence[Any], detach: bool = False) -> list[Any]:
    """A module for each device, whose parameters are functions of the network's.

    Example:
        >>> from kuai.nn.parallel import replicate
        >>> net = kuai.nn.Linear(2, 1)
        >>> copies = replicate(net, ["cpu", "cpu"])
        >>> copies[0](kuai.ones(1, 2)).sum().backward()
        >>> net.weight.grad
        tensor([[1., 1.]])
    """
    return [_on(network, device, detach, {}) for device in devices]


def _on(module: Any, device: Any, detach: bool, moved: dict[int, Any]) -> Any:
    made = copy.copy(module)
    made._modules = {
        name: part if part is None else _on(part, device, detach, moved)
        for name, part in module._modules.items()
    }
    made._parameters = {}
    for name, tensor in module._parameters.items():
        if tensor is None:
            made._parameters[name] = None
            continue
        if id(tensor) not in moved:
            source = tensor.detach() if detach else tensor
            moved[id(tensor)] = source.to(device).view(tensor.shape)
        object.__setattr__(made, name, moved[id(tensor)])
    made._buffers = {
        name: tensor if tensor is None else tensor.detach().to(device)
        for name, tensor in module._buffers.items()
    }
    return made
