"""Adagrad: steps divided by the root of the sum of all squares so far."""

from __future__ import annotations

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np

from kuai.engine.late import elsewhere
from kuai.engine.tensor import Tensor
from kuai.optim.checks import check_fused, check_not_negative, check_rate
from kuai.optim.functional import FunctionalOptimizer

__all__ = ["Adagrad"]


class Adagrad(FunctionalOptimizer):
    """Adagrad: each step is divided by the root of the sum of all squared gradients so far.

        g ← ∇θ + weight_decay·θ
        s ← s + g²        (s starts at initial_accumulator_value)
        θ ← θ − lr / (1 + (t − 1)·lr_decay) · g / (√s + eps)

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, a number or a tensor.
        lr_decay, weight_decay, initial_accumulator_value, eps: as in the formula.
        maximize: go up instead of down.
        foreach, fused: accepted; a step is always one program over all parameters.
        differentiable: record the step for `backward()`.

    Example:
        >>> w = kuai.nn.Parameter(kuai.ones(2))
        >>> optimizer = kuai.optim.Adagrad([w], lr=0.1)
        >>> for _ in range(2):
        ...     w.grad = kuai.full((2,), 3.0)
        ...     optimizer.step()
        >>> w.data
        tensor([0.8293, 0.8293])

    Reference: Duchi, Hazan & Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization", JMLR 12, 2011.
    """

    numbers = ("lr", "lr_decay", "eps", "weight_decay")
    switches = ("maximize",)

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_rate(lr)
        check_not_negative("lr_decay", lr_decay)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("initial_accumulator_value", initial_accumulator_value)
        check_not_negative("epsilon", eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)
        for group in self.param_groups:
            self._states(group["params"], ("step", "sum"), group)

    def share_memory(self) -> None:
        """Call `share_memory_()` of every sum."""
        for state in self.state.values():
            state["sum"].share_memory_()

    @staticmethod
    def init_state(parameter, options):
        return {"step": 0, "sum": np.full_like(parameter, options.initial_accumulator_value)}

    @staticmethod
    def update(parameter, gradient, state, options):
        rate = options.lr / (1 + state["step"] * options.lr_decay)
        gradient = gradient + options.weight_decay * parameter
        total = state["sum"] + gradient * gradient
        change = gradient / (jnp.sqrt(total) + options.eps)
        return parameter - rate * change, {"step": state["step"] + 1, "sum": total}


__getattr__ = elsewhere(
    __name__, "kuai.optim._functional_steps", ["adagrad"]
)  # the step as a function
