"""Adadelta: steps with the unit of the parameter, and no rate to be chosen."""

from __future__ import annotations

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np

from kuai.engine.late import elsewhere
from kuai.engine.tensor import Tensor
from kuai.optim.checks import check_not_negative, check_rate
from kuai.optim.functional import FunctionalOptimizer

__all__ = ["Adadelta"]


class Adadelta(FunctionalOptimizer):
    """Adadelta: steps are scaled by the running size of earlier steps over that of the gradient.

        g ← ∇θ + weight_decay·θ
        v ← rho·v + (1 − rho)·g²
        d ← √(u + eps) / √(v + eps) · g
        u ← rho·u + (1 − rho)·d²
        θ ← θ − lr·d

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, a number or a tensor.
        rho, eps, weight_decay: as in the formula.
        maximize: go up instead of down.
        foreach, capturable: accepted; a step is always one program over all parameters.
        differentiable: record the step for `backward()`.

    Example:
        >>> w = kuai.nn.Parameter(kuai.ones(2))
        >>> optimizer = kuai.optim.Adadelta([w], rho=0.75, eps=0.25)
        >>> w.grad = kuai.ones(2)
        >>> optimizer.step()
        >>> w.data
        tensor([0.2929, 0.2929])

    Reference: Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012.
    """

    numbers = ("lr", "rho", "eps", "weight_decay")
    switches = ("maximize",)

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative("epsilon", eps)
        check_not_negative("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    @staticmethod
    def init_state(parameter, options):
        zeros = {name: np.zeros_like(parameter) for name in ("square_avg", "acc_delta")}
        return {"step": 0, **zeros}

    @staticmethod
    def update(parameter, gradient, state, options):
        rho, eps = options.rho, options.eps
        gradient = gradient + options.weight_decay * parameter
        square = rho * state["square_avg"] + (1 - rho) * gradient * gradient
        change = jnp.sqrt(state["acc_delta"] + eps) / jnp.sqrt(square + eps) * gradient
        changes = rho * state["acc_delta"] + (1 - rho) * change * change
        new = {"step": state["step"] + 1, "square_avg": square, "acc_delta": changes}
        return parameter - options.lr * change, new


__getattr__ = elsewhere(
    __name__, "kuai.optim._functional_steps", ["adadelta"]
)  # the step as a function
