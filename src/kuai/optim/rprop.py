"""Rprop: steps that depend on the sign of the gradient only."""

from __future__ import annotations

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np

from kuai.engine.late import elsewhere
from kuai.engine.tensor import Tensor
from kuai.optim.checks import check_rate
from kuai.optim.functional import FunctionalOptimizer

__all__ = ["Rprop"]


class Rprop(FunctionalOptimizer):
    """Rprop: each element has a step size, which grows while its gradient keeps its sign.

        s ← clip(s·η₊, min, max)  if g·gₗₐₛₜ > 0
        s ← clip(s·η₋, min, max)  and g ← 0  if g·gₗₐₛₜ < 0        (s starts at lr)
        θ ← θ − sign(g)·s

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: the first step size, a number or a tensor.
        etas: (η₋, η₊).
        step_sizes: (min, max).
        capturable, foreach: accepted; a step is always one program over all parameters.
        maximize: go up instead of down.
        differentiable: record the step for `backward()`.

    Example:
        >>> w = kuai.nn.Parameter(kuai.zeros(2))
        >>> optimizer = kuai.optim.Rprop([w], lr=0.1, etas=(0.5, 2.0))
        >>> for slope in ([1.0, 50.0], [2.0, -50.0]):
        ...     w.grad = kuai.tensor(slope)
        ...     optimizer.step()
        >>> w.data
        tensor([-0.3000, -0.1000])

    Reference: Riedmiller & Braun, "A direct adaptive method for faster backpropagation learning:
    the RPROP algorithm", ICNN 1993.
    """

    numbers = ("etas", "step_sizes")
    switches = ("maximize",)

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    @staticmethod
    def init_state(parameter, options):
        first = np.full_like(parameter, float(options.lr))
        return {"step": 0, "prev": np.zeros_like(parameter), "step_size": first}

    @staticmethod
    def update(parameter, gradient, state, options):
        smaller, larger = options.etas
        least, most = options.step_sizes
        agreement = gradient * state["prev"]
        factor = jnp.where(agreement > 0, larger, jnp.where(agreement < 0, smaller, 1.0))
        size = jnp.clip(state["step_size"] * factor, least, most)
        gradient = jnp.where(agreement < 0, 0.0, gradient)
        new = {"step": state["step"] + 1, "prev": gradient, "step_size": size}
        down = jnp.where(gradient < 0, -size, 0.0)  # nan has no sign, and moves nothing
        return parameter - jnp.where(gradient > 0, size, down), new


__getattr__ = elsewhere(
    __name__, "kuai.optim._functional_steps", ["rprop"]
)  # the step as a function
