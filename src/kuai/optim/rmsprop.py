"""RMSprop: steps divided by a running root mean square of the gradient."""

from __future__ import annotations

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np

from kuai.engine.late import elsewhere
from kuai.engine.tensor import Tensor
from kuai.optim.checks import check_not_negative, check_rate
from kuai.optim.functional import FunctionalOptimizer

__all__ = ["RMSprop"]


class RMSprop(FunctionalOptimizer):
    """RMSprop: each step is divided by a running root mean square of the gradient.

        g ← ∇θ + weight_decay·θ
        v ← alpha·v + (1 − alpha)·g²
        m ← alpha·m + (1 − alpha)·g,   a ← √(v − m²) + eps        (not centered: a ← √v + eps)
        b ← momentum·b + g / a
        θ ← θ − lr·b        (momentum = 0: θ − lr·g / a)

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, a number or a tensor.
        alpha, eps, weight_decay, momentum: as in the formula.
        centered: divide by the running standard deviation.
        maximize: go up instead of down.
        foreach, capturable: accepted; a step is always one program over all parameters.
        differentiable: record the step for `backward()`.

    Example:
        >>> w = kuai.nn.Parameter(kuai.ones(2))
        >>> optimizer = kuai.optim.RMSprop([w], lr=0.1, alpha=0.75)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.data
        tensor([0.8000, 0.8000])

    Reference: Tieleman & Hinton, lecture 6.5 of "Neural Networks for Machine Learning", 2012;
    centered: Graves, "Generating Sequences With Recurrent Neural Networks", 2013.
    """

    numbers = ("lr", "alpha", "eps", "weight_decay", "momentum")
    switches = ("momentum", "centered", "maximize")

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        check_not_negative("epsilon", eps)
        check_not_negative("momentum", momentum)
        check_not_negative("weight_decay", weight_decay)
        check_not_negative("alpha", alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    @staticmethod
    def init_state(parameter, options):
        state = {"step": 0, "square_avg": np.zeros_like(parameter)}
        if options.momentum:
            state["momentum_buffer"] = np.zeros_like(parameter)
        if options.centered:
            state["grad_avg"] = np.zeros_like(parameter)
        return state

    @staticmethod
    def update(parameter, gradient, state, options):
        alpha = options.alpha
        gradient = gradient + options.weight_decay * parameter
        square = alpha * state["square_avg"] + (1 - alpha) * gradient * gradient
        new = {"step": state["step"] + 1, "square_avg": square}
        if options.centered:
            mean = new["grad_avg"] = alpha * state["grad_avg"] + (1 - alpha) * gradient
            square = square - mean * mean
        change = gradient / (jnp.sqrt(square) + options.eps)
        if "momentum_buffer" in state:
            change = new["momentum_buffer"] = options.momentum * state["momentum_buffer"] + change
        return parameter - options.lr * change, new


__getattr__ = elsewhere(
    __name__, "kuai.optim._functional_steps", ["rmsprop"]
)  # the step as a function
