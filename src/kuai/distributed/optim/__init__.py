"""`kuai.distributed.optim`: optimizers whose state is divided between processes: here of one."""

from __future__ import annotations

from typing import Any

from kuai.optim import Optimizer
from kuai.standin.refusing import refused_class

__all__ = ["DistributedOptimizer", "PostLocalSGDOptimizer", "ZeroRedundancyOptimizer"]

_WHY = "Kuai's processes do not exchange tensors", "Use the optimizer itself"
DistributedOptimizer = refused_class("torch.distributed.optim.DistributedOptimizer", *_WHY)
PostLocalSGDOptimizer = refused_class("torch.distributed.optim.PostLocalSGDOptimizer", *_WHY)


class ZeroRedundancyOptimizer(Optimizer):
    """Another optimizer, all of whose state belongs to this process.

    Example:
        >>> from kuai.distributed.optim import ZeroRedundancyOptimizer
        >>> x = kuai.nn.Parameter(kuai.ones(1))
        >>> opt = ZeroRedundancyOptimizer([x], optimizer_class=kuai.optim.SGD, lr=0.5)
        >>> x.backward()
        >>> opt.step()
        >>> x.data
        tensor([0.5000])
    """

    def __init__(
        self,
        params: Any,
        optimizer_class: type[Optimizer],
        process_group: Any = None,
        parameters_as_bucket_view: bool = False,
        overlap_with_ddp: bool = False,
        **defaults: Any,
    ):
        self.optim = optimizer_class(params, **defaults)
        self.defaults = self.optim.defaults
        self.param_groups, self.state = self.optim.param_groups, self.optim.state

    def step(self, closure: Any = None, **kwargs: Any) -> Any:
        """One step of the optimizer."""
        return self.optim.step(closure, **kwargs) if closure else self.optim.step(**kwargs)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        self.optim.zero_grad(set_to_none)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take more parameters."""
        self.optim.add_param_group(param_group)

    def consolidate_state_dict(self, to: int = 0) -> None:
        """Does nothing: the state is here."""

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's."""
        return self.optim.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put the optimizer into a state."""
        self.optim.load_state_dict(state_dict)
        self.param_groups, self.state = self.optim.param_groups, self.optim.state

    def __repr__(self) -> str:
        return repr(self.optim)
