"""SGD: gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from kuai.engine.late import elsewhere
from kuai.engine.tensor import Tensor
from kuai.optim.checks import check_fused, check_one_element
from kuai.optim.functional import FunctionalOptimizer
from kuai.optim.state import new_tensor

__all__ = ["SGD"]


class SGD(FunctionalOptimizer):
    """Stochastic gradient descent.

        g ← ∇θ + weight_decay·θ
        b ← momentum·b + (1 − dampening)·g        (first step: b = g)
        θ ← θ − lr·b        (nesterov: θ − lr·(g + momentum·b);  momentum = 0: θ − lr·g)

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, a number or a tensor.
        momentum, dampening, weight_decay, nesterov: as in the formula.
        maximize: go up instead of down.
        foreach, fused: accepted; a step is always one program over all parameters.
        differentiable: record the step for `backward()`.

    Example:
        >>> w = kuai.nn.Parameter(kuai.ones(2))
        >>> optimizer = kuai.optim.SGD([w], lr=0.1, momentum=0.9)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.data
        tensor([0.8000, 0.8000])

    Reference: Sutskever et al., "On the importance of initialization and momentum in deep
    learning", ICML 2013.
    """

    numbers = ("lr", "momentum", "dampening", "weight_decay")
    switches = ("momentum", "dampening", "nesterov", "maximize")

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_one_element(lr)
        for what, value in (
            ("learning rate", lr),
            ("momentum value", momentum),
            ("weight_decay value", weight_decay),
        ):
            if value < 0.0:  # here, and nowhere else, PyTorch takes NaN
                raise ValueError(f"Invalid {what}: {value}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        self._first: dict[Tensor, Tensor] = {}
        check_fused(fused, foreach, differentiable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._first = {}
        for saved in self.state.values():  # PyTorch 1 wrote None where there was no momentum
            if saved.get("momentum_buffer", saved) is None:
                del saved["momentum_buffer"]

    @staticmethod
    def init_state(parameter, options):
        if not options.momentum:
            return {}
        buffer = {"momentum_buffer": np.zeros_like(parameter)}
        return {**buffer, "first": True} if options.dampening else buffer

    @staticmethod
    def update(parameter, gradient, state, options):
        gradient = gradient + options.weight_decay * parameter
        if "momentum_buffer" not in state:
            return parameter - options.lr * gradient, {}
        new = {}
        undamped = 1 - options.dampening
        if "first" in state:
            undamped = jnp.where(state["first"], 1.0, undamped)
            new["first"] = False
        buffer = options.momentum * state["momentum_buffer"] + undamped * gradient
        step = gradient + options.momentum * buffer if options.nesterov else buffer
        return parameter - options.lr * step, {**new, "momentum_buffer": buffer}

    def _states(self, params: list[Tensor], names: tuple[str, ...], group: dict) -> list[Tensor]:
        """With dampening also whether a parameter's next step is its first, which is not dampened.

        PyTorch tells by the missing buffer; so this is kept apart from what is saved.
        """
        if "first" not in names:
            return super()._states(params, names, group)
        row = []
        for param in params:
            if param not in self._first:
                is_new = "momentum_buffer" not in self.state[param]
                self._first[param] = new_tensor(param, is_new, is_number=True)
            row += [*super()._states([param], names[:1], group), self._first[param]]
        return row


__getattr__ = elsewhere(__name__, "kuai.optim._functional", ["sgd"])  # the step as a function
