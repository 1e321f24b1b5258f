"""SparseAdam: Adam that leaves the rows alone that have no gradient."""

from __future__ import annotations

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np

from kuai.engine.tensor import Tensor
from kuai.optim.checks import check_one_element
from kuai.optim.functional import FunctionalOptimizer

__all__ = ["SparseAdam"]


class SparseAdam(FunctionalOptimizer):
    """Adam for tables of which a step uses a few rows: the moments of other rows do not fade.

        for each row with g ≠ 0:
        m ← m + (1 − β₁)(g − m),   v ← v + (1 − β₂)(g² − v)
        θ ← θ − lr · √(1 − β₂ᵗ)/(1 − β₁ᵗ) · m / (√v + eps)

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, a number or a tensor.
        betas: (β₁, β₂).
        maximize: go up instead of down.

    Example:
        >>> w = kuai.nn.Parameter(kuai.ones(2, 1))
        >>> optimizer = kuai.optim.SparseAdam([w], lr=0.1)
        >>> w[0].sum().backward()
        >>> optimizer.step()
        >>> w.data
        tensor([[0.9000],
                [1.0000]])

    Reference: Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.

    Differs from PyTorch: gradients are dense here, so the rows that count are those with a gradient
    that is not zero, and dense gradients are not refused. `step` is a tensor.
    """

    numbers = ("lr", "betas", "eps")
    switches = ("maximize",)

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check_one_element(lr)
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for index in (0, 1):
            if not 0.0 <= betas[index] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {index}: {betas[index]}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        complex_params = [
            [number, index]
            for number, group in enumerate(self.param_groups)
            for index, param in enumerate(group["params"])
            if param.is_complex()
        ]
        if complex_params:
            raise ValueError(
                f"Complex params at indices {complex_params}: SparseAdam does not support complex "
                "parameters"
            )

    @staticmethod
    def init_state(parameter, options):
        zeros = np.zeros_like(parameter)
        return {"step": 0, "exp_avg": zeros, "exp_avg_sq": zeros}

    @staticmethod
    def update(parameter, gradient, state, options):
        beta1, beta2 = options.betas
        step = state["step"] + 1
        used = jnp.any(gradient != 0, axis=tuple(range(1, gradient.ndim)), keepdims=True)
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean = jnp.where(used, mean + (1 - beta1) * (gradient - mean), mean)
        square = jnp.where(used, square + (1 - beta2) * (gradient * gradient - square), square)
        rate = options.lr * jnp.sqrt(1 - beta2**step) / (1 - beta1**step)
        moved = parameter - rate * (mean / (jnp.sqrt(square) + options.eps))
        new = {"step": step, "exp_avg": mean, "exp_avg_sq": square}
        return jnp.where(used, moved, parameter), new
