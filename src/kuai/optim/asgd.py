"""ASGD: gradient descent, and the mean of where it has been."""

from __future__ import annotations

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np

from kuai.engine.late import elsewhere
from kuai.engine.tensor import Tensor
from kuai.optim.checks import check_not_negative, check_rate
from kuai.optim.functional import FunctionalOptimizer

__all__ = ["ASGD"]


class ASGD(FunctionalOptimizer):
    """Averaged stochastic gradient descent: the state keeps the mean of the parameters as `ax`.

        g ← ∇θ + weight_decay·θ
        θ ← (1 − lambd·η)θ − η·g        (η starts at lr)
        ax ← ax + μ(θ − ax)        (μ starts at 1)
        η ← lr / (1 + lambd·lr·t)^alpha,   μ ← 1 / max(1, t − t0)

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, a number or a tensor.
        lambd, alpha, t0, weight_decay: as in the formula.
        foreach, capturable: accepted; a step is always one program over all parameters.
        maximize: go up instead of down.
        differentiable: record the step for `backward()`.

    Example:
        >>> w = kuai.nn.Parameter(kuai.ones(1))
        >>> optimizer = kuai.optim.ASGD([w], lr=0.5, lambd=0, t0=0)
        >>> for _ in range(3):
        ...     w.grad = kuai.ones(1)
        ...     optimizer.step()
        >>> w.data, optimizer.state[w]["ax"]
        (tensor([-0.5000]), tensor([-0.2500]))

    Reference: Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J.
    Control and Optimization 30, 1992.
    """

    numbers = ("lr", "lambd", "alpha", "t0", "weight_decay")
    switches = ("maximize",)

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_rate(lr)
        check_not_negative("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    @staticmethod
    def init_state(parameter, options):
        first = {"step": 0, "eta": float(options.lr), "mu": 1}
        return {**first, "ax": np.zeros_like(parameter)}

    @staticmethod
    def update(parameter, gradient, state, options):
        lr, eta, mu = options.lr, state["eta"], state["mu"]
        step = state["step"] + 1
        gradient = gradient + options.weight_decay * parameter
        parameter = parameter * (1 - options.lambd * eta) - eta * gradient
        mean = state["ax"] + mu * (parameter - state["ax"])
        new_eta = lr / (1 + options.lambd * lr * step) ** options.alpha
        new_mu = 1 / jnp.maximum(1.0, step - options.t0)
        new = {"step": step, "eta": new_eta, "mu": new_mu}
        return parameter, {**new, "ax": jnp.where(mu == 1, parameter, mean)}


__getattr__ = elsewhere(
    __name__, "kuai.optim._functional_steps", ["asgd"]
)  # the step as a function
