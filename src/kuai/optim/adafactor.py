"""Adafactor: the variances of a matrix's elements from those of its rows and columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from kuai.engine.tensor import Tensor
from kuai.optim.checks import check_one_element
from kuai.optim.functional import FunctionalOptimizer

__all__ = ["Adafactor"]


class Adafactor(FunctionalOptimizer):
    """Adafactor: as Adam without momentum, but a matrix's variances are a row times a column.

        wₜ = t^beta2_decay,   ρₜ = min(lr, 1/√t),   α = max(ε₂, RMS(θ))·ρₜ
        r ← r + wₜ(mean over columns of g² − r),   c ← c + wₜ(mean over rows of g² − c)
        v = r·c / max(mean of r, ε₁);   for vectors v ← v + wₜ(g² − v)
        u = g / √max(v, ε₁²),   θ ← θ − α·u / max(1, RMS(u)/d)

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: the largest relative step, a number or a tensor.
        beta2_decay: how fast wₜ falls.
        eps: (ε₁, ε₂); None for ε₁ is the smallest difference of the parameter's dtype from 1.
        d: from which RMS on the step is cut.
        weight_decay: what θ is shrunk by in each step, times lr.
        foreach: accepted; a step is always one program over all parameters.
        maximize: go up instead of down.

    Example:
        >>> w = kuai.nn.Parameter(kuai.ones(2, 2))
        >>> optimizer = kuai.optim.Adafactor([w])
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.data
        tensor([[0.9900, 0.9900],
                [0.9900, 0.9900]])

    Reference: Shazeer & Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost",
    2018.
    """

    numbers = ("lr", "beta2_decay", "eps", "d", "weight_decay")
    switches = ("maximize", "factored")

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_one_element(lr)
        _check_numbers(lr, beta2_decay, eps, d, weight_decay)
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _switches(self, group: dict[str, Any]) -> tuple[bool, ...]:
        return bool(group["maximize"]), bool(group.get("factored"))

    def _change(self, params: list[Tensor], grads: list[Tensor], group: dict[str, Any]) -> None:
        """Matrices and vectors of each dtype by themselves: their state and ε₁ differ."""
        parts: dict[tuple, tuple[list, list]] = {}
        for param, grad in zip(params, grads, strict=True):
            if param.dtype.is_complex:
                raise RuntimeError("Adafactor does not support complex parameters")
            chosen = parts.setdefault((param.ndim > 1, param.dtype), ([], []))
            chosen[0].append(param)
            chosen[1].append(grad)
        for (factored, dtype), part in parts.items():
            first, second = group["eps"]
            first = float(jnp.finfo(dtype.jax).eps) if first is None else first
            super()._change(*part, {**group, "factored": factored, "eps": (first, second)})

    @staticmethod
    def init_state(parameter, options):
        if not getattr(options, "factored", False):
            return {"step": 0, "variance": np.zeros_like(parameter)}
        rows, columns = parameter[..., :1], parameter[..., :1, :]
        return {"step": 0, "row_var": np.zeros_like(rows), "col_var": np.zeros_like(columns)}

    @staticmethod
    def update(parameter, gradient, state, options):
        (floor, least), step = options.eps, state["step"] + 1
        weight = step**options.beta2_decay
        rate = jnp.minimum(options.lr, 1 / jnp.sqrt(step))
        alpha = jnp.maximum(least, _root_mean_square(parameter)) * rate
        parameter = parameter * (1 - options.lr * options.weight_decay)
        new, squares = {"step": step}, gradient * gradient
        if options.factored:
            row, column = squares.mean(-1, keepdims=True), squares.mean(-2, keepdims=True)
            new["row_var"] = rows = _moved(state["row_var"], row, weight)
            new["col_var"] = columns = _moved(state["col_var"], column, weight)
            variance = rows * columns / jnp.maximum(rows.mean(-2, keepdims=True), floor)
        else:
            new["variance"] = variance = _moved(state["variance"], squares, weight)
        change = gradient / jnp.sqrt(jnp.maximum(variance, floor * floor))
        cut = jnp.maximum(1.0, _root_mean_square(change) / options.d)
        return parameter - alpha / cut * change, new


def _moved(old, new, weight):
    return old + weight * (new - old)


def _root_mean_square(values):
    return jnp.sqrt(jnp.mean(values * values))


def _check_numbers(lr: Any, beta2_decay: float, eps: tuple, d: float, weight_decay: float) -> None:
    if not lr >= 0.0:
        raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
    if not beta2_decay <= 0.0:
        raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
    if eps[0] is not None and not eps[0] >= 0.0:
        raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
    if not eps[1] >= 0.0:
        raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
    if not d >= 1.0:
        raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
    if not weight_decay >= 0.0:
        raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
