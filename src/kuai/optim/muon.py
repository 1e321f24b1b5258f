"""Muon: momentum whose matrix is made orthogonal before it is added."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from kuai.engine.tensor import Tensor
from kuai.optim.checks import check_one_element
from kuai.optim.functional import FunctionalOptimizer

__all__ = ["Muon"]


class Muon(FunctionalOptimizer):
    """Muon: for the weight matrices of hidden layers; give other parameters to another optimizer.

        b ← b + (1 − μ)(g − b),   u = g + μ(b − g) under nesterov, else b
        θ ← θ(1 − lr·weight_decay) − lr·ratio·orthogonal(u)

    The orthogonal factor of u is approximated in bfloat16 by ns_steps Newton-Schulz steps
    X ← aX + (bA + cA²)X with A = XXᵀ.

    Args:
        params: matrices, (name, matrix) pairs or parameter groups.
        lr: learning rate.
        momentum: μ.
        ns_coefficients: a, b and c.
        eps: the least norm that u is divided by first.
        adjust_lr_fn: the ratio for an m by n matrix: √max(1, m/n) for "original" or None,
            0.2·√max(m, n) for "match_rms_adamw".

    Example:
        >>> w = kuai.nn.Parameter(kuai.eye(2))
        >>> optimizer = kuai.optim.Muon([w], lr=0.1)
        >>> w.grad = kuai.eye(2)
        >>> optimizer.step()
        >>> bool(w[0, 0] < 1), w[0, 1].item()
        (True, 0.0)

    Reference: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
    """

    numbers = ("lr", "weight_decay", "momentum", "ns_coefficients", "eps")
    switches = ("nesterov", "ns_steps", "adjust_lr_fn")

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_one_element(lr)
        for name, value in (
            ("Learning rate", lr),
            ("momentum", momentum),
            ("weight decay", weight_decay),
        ):
            if not value >= 0.0:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for param in self._all_params():
            if param.ndim != 2:
                raise ValueError(
                    "Muon only supports 2D parameters whereas we found a parameter with size: "
                    f"{param.size()}"
                )

    def _switches(self, group: dict[str, Any]) -> tuple:
        return bool(group["nesterov"]), group["ns_steps"], group["adjust_lr_fn"]

    def _change(self, params: list[Tensor], grads: list[Tensor], group: dict[str, Any]) -> None:
        """Refuse what has no orthogonal factor here, then as any other."""
        if any(param.dtype.is_complex for param in params):
            raise RuntimeError("Muon does not support complex parameters")
        if group["ns_steps"] >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        super()._change(params, grads, group)

    @staticmethod
    def init_state(parameter, options):
        return {"momentum_buffer": np.zeros_like(parameter)}

    @staticmethod
    def update(parameter, gradient, state, options):
        mu = options.momentum
        buffer = state["momentum_buffer"]
        buffer = buffer + (1 - mu) * (gradient - buffer)
        change = gradient + mu * (buffer - gradient) if options.nesterov else buffer
        change = _orthogonal(change, options).astype(parameter.dtype)
        parameter = parameter * (1 - options.lr * options.weight_decay)
        rate = options.lr * _ratio(options.adjust_lr_fn, *parameter.shape)
        return parameter - rate * change, {"momentum_buffer": buffer}


def _ratio(name: str | None, rows: int, columns: int) -> float:
    if name == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))


def _orthogonal(matrix, options):
    """Newton-Schulz in bfloat16: U Sʹ Vᵀ with singular values Sʹ near 1."""
    rows, columns = matrix.shape
    x = matrix.astype(jnp.bfloat16)
    x = x.T if rows > columns else x
    norm = jnp.sqrt(jnp.sum(jnp.square(x.astype(jnp.float32)))).astype(jnp.bfloat16)
    x = x / jnp.maximum(norm, options.eps).astype(jnp.bfloat16)
    a, b, c = (jnp.asarray(number, jnp.float32) for number in options.ns_coefficients)
    for _ in range(options.ns_steps):
        gram = _product(x, x.T).astype(jnp.bfloat16)
        middle = (b * gram + c * _product(gram, gram)).astype(jnp.bfloat16)
        x = (a * x + _product(middle, x)).astype(jnp.bfloat16)
    return x.T if rows > columns else x


def _product(left, right):
    return jnp.matmul(left, right, preferred_element_type=jnp.float32)
