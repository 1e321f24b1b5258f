"""NAdam: Adam with Nesterov momentum."""

from __future__ import annotations

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np

from kuai.engine.late import elsewhere
from kuai.engine.tensor import Tensor
from kuai.optim.checks import check_betas, check_not_negative, check_rate
from kuai.optim.formula import decayed
from kuai.optim.functional import FunctionalOptimizer

__all__ = ["NAdam"]


class NAdam(FunctionalOptimizer):
    """NAdam: Adam that looks ahead, as Nesterov's momentum does.

        g ← ∇θ + weight_decay·θ
        μₜ = β₁(1 − ½·0.96^(t·momentum_decay)),   πₜ = μ₁μ₂…μₜ
        m ← β₁m + (1 − β₁)g,   v ← β₂v + (1 − β₂)g²
        θ ← θ − lr·(μₜ₊₁m / (1 − πₜ₊₁) + (1 − μₜ)g / (1 − πₜ)) / (√(v / (1 − β₂ᵗ)) + eps)

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, a number or a tensor.
        betas: (β₁, β₂).
        eps, weight_decay, momentum_decay: as in the formula.
        decoupled_weight_decay: shrink θ by lr·weight_decay·θ instead of adding to g.
        maximize: go up instead of down.
        foreach, capturable: accepted; a step is always one program over all parameters.
        differentiable: record the step for `backward()`.

    Example:
        >>> w = kuai.nn.Parameter(kuai.ones(2))
        >>> optimizer = kuai.optim.NAdam([w], lr=0.1)
        >>> w.grad = kuai.ones(2)
        >>> optimizer.step()
        >>> w.data
        tensor([0.8944, 0.8944])

    Reference: Dozat, "Incorporating Nesterov Momentum into Adam", ICLR workshop 2016.
    """

    numbers = ("lr", "betas", "eps", "weight_decay", "momentum_decay")
    switches = ("maximize", "decoupled_weight_decay")

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        check_not_negative("epsilon", eps)
        check_betas(betas)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("momentum_decay", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    @staticmethod
    def init_state(parameter, options):
        zeros = {name: np.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
        return {"step": 0, "mu_product": 1, **zeros}

    @staticmethod
    def update(parameter, gradient, state, options):
        beta1, beta2 = options.betas
        step = state["step"] + 1
        parameter, gradient = decayed(parameter, gradient, options)
        now, ahead = (
            beta1 * (1 - 0.5 * 0.96 ** (at * options.momentum_decay)) for at in (step, step + 1)
        )
        product = state["mu_product"] * now
        mean = state["exp_avg"] + (1 - beta1) * (gradient - state["exp_avg"])
        square = beta2 * state["exp_avg_sq"] + (1 - beta2) * gradient * gradient
        root = jnp.sqrt(square / (1 - beta2**step)) + options.eps
        change = (1 - now) / (1 - product) * gradient + ahead / (1 - product * ahead) * mean
        new = {"step": step, "mu_product": product, "exp_avg": mean, "exp_avg_sq": square}
        return parameter - options.lr * (change / root), new


__getattr__ = elsewhere(
    __name__, "kuai.optim._functional_steps", ["nadam"]
)  # the step as a function
