"""Adamax: Adam with the largest gradient in the place of the mean square."""

from __future__ import annotations

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np

from kuai.engine.late import elsewhere
from kuai.engine.tensor import Tensor
from kuai.optim.checks import check_betas, check_not_negative, check_rate
from kuai.optim.functional import FunctionalOptimizer

__all__ = ["Adamax"]


class Adamax(FunctionalOptimizer):
    """Adamax: Adam whose steps are scaled by a decaying maximum of the gradient's size.

        g ← ∇θ + weight_decay·θ
        m ← β₁m + (1 − β₁)g,   u ← max(β₂u, |g| + eps)
        θ ← θ − lr / (1 − β₁ᵗ) · m / u

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, a number or a tensor.
        betas: (β₁, β₂).
        eps, weight_decay: as in the formula.
        maximize: go up instead of down.
        foreach, capturable: accepted; a step is always one program over all parameters.
        differentiable: record the step for `backward()`.

    Example:
        >>> w = kuai.nn.Parameter(kuai.ones(2))
        >>> optimizer = kuai.optim.Adamax([w], lr=0.1)
        >>> w.grad = kuai.tensor([1.0, -50.0])
        >>> optimizer.step()
        >>> w.data
        tensor([0.9000, 1.1000])

    Reference: Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, section 7.
    """

    numbers = ("lr", "betas", "eps", "weight_decay")
    switches = ("maximize",)

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_rate(lr)
        check_not_negative("epsilon", eps)
        check_betas(betas)
        check_not_negative("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    @staticmethod
    def init_state(parameter, options):
        zeros = {name: np.zeros_like(parameter) for name in ("exp_avg", "exp_inf")}
        return {"step": 0, **zeros}

    @staticmethod
    def update(parameter, gradient, state, options):
        beta1, beta2 = options.betas
        step = state["step"] + 1
        gradient = gradient + options.weight_decay * parameter
        mean = state["exp_avg"] + (1 - beta1) * (gradient - state["exp_avg"])
        largest = jnp.maximum(beta2 * state["exp_inf"], jnp.abs(gradient) + options.eps)
        new = {"step": step, "exp_avg": mean, "exp_inf": largest}
        return parameter - options.lr / (1 - beta1**step) * (mean / largest), new


__getattr__ = elsewhere(
    __name__, "kuai.optim._functional_steps", ["adamax"]
)  # the step as a function
