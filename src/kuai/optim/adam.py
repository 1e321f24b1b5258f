"""Adam: running means of the gradient and of its square."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from kuai.engine.late import elsewhere
from kuai.engine.tensor import Tensor
from kuai.optim.checks import check_betas, check_fused, check_not_negative, check_rate
from kuai.optim.formula import decayed
from kuai.optim.functional import FunctionalOptimizer

__all__ = ["Adam"]


class Adam(FunctionalOptimizer):
    """Adam: each parameter's step is scaled by running means of its gradient and its square.

        g ← ∇θ + weight_decay·θ
        m ← β₁m + (1 − β₁)g,   v ← β₂v + (1 − β₂)g²
        θ ← θ − lr · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + eps)

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, a number or a tensor.
        betas: (β₁, β₂), two floats or two tensors.
        amsgrad: use the largest v so far.
        maximize: go up instead of down.
        foreach, fused, capturable: accepted; a step is always one program over all parameters.
        differentiable: record the step for `backward()`.
        decoupled_weight_decay: shrink θ itself (AdamW) instead of adding to g.

    Example:
        >>> w = kuai.nn.Parameter(kuai.ones(2))
        >>> optimizer = kuai.optim.Adam([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.data
        tensor([0.9000, 0.9000])

    Reference: Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.

    Differs from PyTorch: `step` lies on the parameter's device, with and without `capturable`.
    """

    numbers = ("lr", "betas", "eps", "weight_decay")
    switches = ("amsgrad", "maximize", "decoupled_weight_decay")

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        scripted = bool(foreach) and not capturable
        _check_tensor("lr", lr, scripted)
        _check_numbers(lr, betas, eps, weight_decay)
        for index, beta in enumerate(betas):
            _check_tensor(f"betas[{index}]", beta, scripted)
        defaults = {
            "lr": lr,
            "betas": tuple(b.item() if isinstance(b, Tensor) else b for b in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

    @staticmethod
    def init_state(parameter, options):
        state: dict[str, Any] = {"step": 0}
        for name in ("exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * options.amsgrad):
            state[name] = np.zeros_like(parameter)
        return state

    @staticmethod
    def update(parameter, gradient, state, options):
        beta1, beta2 = options.betas
        step = state["step"] + 1
        parameter, gradient = decayed(parameter, gradient, options)
        mean = state["exp_avg"] + (1 - beta1) * (gradient - state["exp_avg"])
        square = beta2 * state["exp_avg_sq"] + (1 - beta2) * gradient * gradient
        new = {"step": step, "exp_avg": mean, "exp_avg_sq": square}
        if options.amsgrad:
            square = new["max_exp_avg_sq"] = jnp.maximum(state["max_exp_avg_sq"], square)
        root = jnp.sqrt(square) / jnp.sqrt(1 - beta2**step) + options.eps
        return parameter - options.lr / (1 - beta1**step) * (mean / root), new


def _check_tensor(name: str, value: Any, scripted: bool) -> None:
    if not isinstance(value, Tensor):
        return
    if scripted:
        raise ValueError(
            f"{name} as a Tensor is not supported for capturable=False and foreach=True"
        )
    if value.numel() != 1:
        raise ValueError(f"Tensor {name} must be 1-element")


def _check_numbers(lr: Any, betas: tuple, eps: float, weight_decay: float) -> None:
    check_rate(lr)
    check_not_negative("epsilon", eps)
    check_betas(betas)
    check_not_negative("weight_decay", weight_decay)
    kinds = [isinstance(beta, (float, Tensor)) and type(beta) for beta in betas[:2]]
    if not kinds[0] or isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor) or not kinds[1]:
        raise ValueError("betas must be either both floats or both Tensors")


__getattr__ = elsewhere(__name__, "kuai.optim._functional", ["adam"])  # the step as a function
