"""RAdam: Adam that waits until its mean of squares can be trusted."""

from __future__ import annotations

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np

from kuai.engine.late import elsewhere
from kuai.engine.tensor import Tensor
from kuai.optim.checks import check_betas, check_not_negative, check_rate
from kuai.optim.formula import decayed
from kuai.optim.functional import FunctionalOptimizer

__all__ = ["RAdam"]


class RAdam(FunctionalOptimizer):
    """RAdam: Adam whose scaling is rectified by how much is known about the mean of squares.

        g ← ∇θ + weight_decay·θ
        m ← β₁m + (1 − β₁)g,   v ← β₂v + (1 − β₂)g²
        ρ∞ = 2 / (1 − β₂) − 1,   ρ = ρ∞ − 2tβ₂ᵗ / (1 − β₂ᵗ)
        r = √((ρ − 4)(ρ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρ))
        θ ← θ − lr · m / (1 − β₁ᵗ) · r√(1 − β₂ᵗ) / (√v + eps)        (ρ ≤ 5: θ − lr·m / (1 − β₁ᵗ))

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, a number or a tensor.
        betas: (β₁, β₂).
        eps, weight_decay: as in the formula.
        decoupled_weight_decay: shrink θ by lr·weight_decay·θ instead of adding to g.
        maximize: go up instead of down.
        foreach, capturable: accepted; a step is always one program over all parameters.
        differentiable: record the step for `backward()`.

    Example:
        >>> w = kuai.nn.Parameter(kuai.ones(2))
        >>> optimizer = kuai.optim.RAdam([w], lr=0.1)
        >>> w.grad = kuai.tensor([1.0, -2.0])
        >>> optimizer.step()
        >>> w.data
        tensor([0.9000, 1.2000])

    Reference: Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", ICLR 2020.
    """

    numbers = ("lr", "betas", "eps", "weight_decay")
    switches = ("maximize", "decoupled_weight_decay")

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
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
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    @staticmethod
    def init_state(parameter, options):
        zeros = {name: np.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
        return {"step": 0, **zeros}

    @staticmethod
    def update(parameter, gradient, state, options):
        beta1, beta2 = options.betas
        step = state["step"] + 1
        parameter, gradient = decayed(parameter, gradient, options)
        mean = state["exp_avg"] + (1 - beta1) * (gradient - state["exp_avg"])
        square = beta2 * state["exp_avg_sq"] + (1 - beta2) * gradient * gradient
        known = 1 - beta2**step
        most = 2 / (1 - beta2) - 1
        length = most - 2 * step * beta2**step / known
        ratio = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
        scale = jnp.sqrt(ratio * known) / (jnp.sqrt(square) + options.eps)
        change = mean / (1 - beta1**step) * jnp.where(length > 5, scale, 1.0)
        return parameter - options.lr * change, {
            "step": step,
            "exp_avg": mean,
            "exp_avg_sq": square,
        }


__getattr__ = elsewhere(
    __name__, "kuai.optim._functional_steps", ["radam"]
)  # the step as a function
