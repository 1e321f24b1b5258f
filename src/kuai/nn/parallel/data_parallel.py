"""`DataParallel` and `DistributedDataParallel`, for programs that wrap their module in it."""

import contextlib

from kuai.engine.tensor.devices import device, device_count
from kuai.nn.base.module import Module

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


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


def data_parallel(module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None):
    """What a module makes of a batch, which is not divided between devices (see `DataParallel`).

    Example:
        >>> kuai.nn.parallel.data_parallel(kuai.nn.ReLU(), kuai.tensor([-1.0, 1.0]), range(2))
        tensor([0., 1.])
    """
    given = inputs if isinstance(inputs, tuple) else () if inputs is None else (inputs,)
    return module(*given, **(module_kwargs or {}))


def _number(given) -> int:
    return given if isinstance(given, int) else device(given).index or 0


class DistributedDataParallel(Module):
    """A module in a wrapper, under the name `module`, in a group of one process.

    Args:
        module: what is wrapped; its parameters get the prefix `module.` in `state_dict`.
        device_ids, output_device, …: accepted as in PyTorch; one process has nothing to exchange.

    Example:
        >>> net = kuai.nn.parallel.DistributedDataParallel(kuai.nn.Linear(2, 1))
        >>> net.module
        Linear(in_features=2, out_features=1, bias=True)
    """

    def __init__(
        self,
        module,
        device_ids=None,
        output_device=None,
        dim=0,
        broadcast_buffers=True,
        init_sync=True,
        process_group=None,
        bucket_cap_mb=None,
        find_unused_parameters=False,
        check_reduction=False,
        gradient_as_bucket_view=False,
        static_graph=False,
        delay_all_reduce_named_params=None,
        param_to_hook_all_reduce=None,
        mixed_precision=None,
        device_mesh=None,
        skip_all_reduce_unused_params=False,
    ):
        super().__init__()
        if not any(parameter.requires_grad for parameter in module.parameters()):
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameter "
                "that requires a gradient."
            )
        self.module = module
        self.device_ids, self.output_device, self.dim = device_ids, output_device, dim
        self.broadcast_buffers = broadcast_buffers
        self.find_unused_parameters = find_unused_parameters
        self.require_backward_grad_sync = True

    def forward(self, *inputs, **kwargs):
        """What the module gives."""
        return self.module(*inputs, **kwargs)

    @contextlib.contextmanager
    def no_sync(self):
        """A context in which gradients are not exchanged."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def register_comm_hook(self, state, hook):
        """Accepted without effect: one process has nothing to exchange."""
