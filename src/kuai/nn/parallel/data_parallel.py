"""`DataParallel`, for programs that wrap their module in it."""

from kuai.engine.tensor.devices import device, device_count
from kuai.nn.base.module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """A module in a wrapper, under the name `module`; the wrapped one does all the work.

    Args:
        module: what is wrapped; its parameters get the prefix `module.` in `state_dict`.
        device_ids, output_device: GPUs; the module is moved to the first one, if there is any.
        dim: accepted as in PyTorch.

    Example:
        >>> net = kuai.nn.DataParallel(kuai.nn.Linear(2, 1))
        >>> list(net.state_dict())
        ['module.weight', 'module.bias']

    Differs from PyTorch: a batch is not divided between several GPUs. A compiled step whose data
    are divided between devices does that without a wrapper, and without copying the module in
    every step.
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        self.module = module
        if device_ids is None:
            device_ids = range(device_count("cuda"))
        self.device_ids = [_number(given) for given in device_ids] if device_count("cuda") else []
        if self.device_ids:
            self.dim = dim
            self.output_device = self.device_ids[0] if output_device is None else output_device
            module.to(device("cuda", self.device_ids[0]))

    def forward(self, *inputs, **kwargs):
        """What the module gives."""
        return self.module(*inputs, **kwargs)


def _number(given) -> int:
    return given if isinstance(given, int) else device(given).index or 0
