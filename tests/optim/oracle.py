"""What PyTorch would have if it had an optimizer: the oracle of one that is Kuai's own."""

import inspect
from typing import Any

import torch


class Oracle(torch.optim.Optimizer):
    """An optimizer of PyTorch's, written as two functions of one parameter.

    As PyTorch's own it goes through complex numbers as pairs of real ones, though its state is
    complex, and adds options that files of older versions lack.
    """

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        parameters = inspect.signature(type(self)).parameters.values()
        for group in self.param_groups:
            for each in parameters:
                if each.name in self.defaults:
                    group.setdefault(each.name, each.default)

    def init_state(self, param: torch.Tensor, options: dict[str, Any]) -> dict[str, torch.Tensor]:
        """The state before the first step."""
        raise NotImplementedError

    def update(self, param, grad, state: dict, options: dict[str, Any]) -> None:
        """A step, in place; under `maximize` the gradient has been negated."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self._step(param, group)

    def _step(self, param, options):
        if not self.state[param]:
            self.state[param].update(self.init_state(param, options))
        grad = -param.grad if options.get("maximize") else param.grad
        seen = {name: _as_pairs(value) for name, value in self.state[param].items()}
        self.update(_as_pairs(param), _as_pairs(grad), seen, options)


def _as_pairs(tensor: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor
