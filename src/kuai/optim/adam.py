"""Adam, and the update it shares with AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp

from kuai.engine.tensor import Tensor, from_array
from kuai.optim.optimizer import Optimizer
from kuai.optim.stepping import apply, new_state, scalar, wide

__all__ = ["Adam"]


class Adam(Optimizer):
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
        if fused and differentiable:
            raise RuntimeError("`fused` does not support `differentiable`")
        if fused and foreach:
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in _LATER_OPTIONS.items():
                group.setdefault(name, value)
            for param in group["params"]:
                _step_as_tensor(param, self.state.get(param, {}))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters once; `closure` computes the loss anew and returns it."""
        loss = self._evaluate(closure)
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        params = [param for param in group["params"] if param.grad is not None]
        if not params:
            return
        names = ["step", "exp_avg", "exp_avg_sq"]
        if group["amsgrad"]:
            names.append("max_exp_avg_sq")
        states = [self._state_of(param, names) for param in params]
        written = [params, *([state[name] for state in states] for name in names)]
        betas = (group["betas"][0], group["betas"][1])
        numbers = tuple(group[name] for name in ("lr", "eps", "weight_decay"))
        static = (group["maximize"], group["decoupled_weight_decay"])
        grads = [param.grad for param in params]
        differentiable = group["differentiable"]
        apply(adapt, written, [grads], (*betas, *numbers), static, differentiable)

    def _state_of(self, param: Tensor, names: list[str]) -> dict[str, Tensor]:
        state = self.state[param]
        for name in names:
            if name not in state:
                scalar_step = ((), jnp.float32) if name == "step" else ()
                state[name] = new_state(param, *scalar_step)
        return state


_LATER_OPTIONS = {
    "amsgrad": False,
    "maximize": False,
    "foreach": None,
    "capturable": False,
    "differentiable": False,
    "decoupled_weight_decay": False,
    "fused": None,
}


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
    if not 0.0 <= lr:
        raise ValueError(f"Invalid learning rate: {lr}")
    if not 0.0 <= eps:
        raise ValueError(f"Invalid epsilon value: {eps}")
    for index in (0, 1):
        if not 0.0 <= betas[index] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {index}: {betas[index]}")
    if not 0.0 <= weight_decay:
        raise ValueError(f"Invalid weight_decay value: {weight_decay}")
    kinds = [isinstance(beta, (float, Tensor)) and type(beta) for beta in betas[:2]]
    if not kinds[0] or isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor) or not kinds[1]:
        raise ValueError("betas must be either both floats or both Tensors")


def _step_as_tensor(param: Tensor, state: dict[str, Any]) -> None:
    """Old files have the number of steps as a plain number."""
    if state and not isinstance(state["step"], Tensor):
        count = jnp.asarray(float(state["step"]), jnp.float32)
        state["step"] = from_array(count, param.device)


def adapt(written, read, numbers, static):
    """New parameters and moments of a group."""
    params, steps, means, squares, *largest = written
    (grads,) = read
    beta1, beta2, *rest = (jnp.asarray(n, jnp.float64).reshape(()) for n in numbers)
    count = jnp.stack(steps).astype(jnp.float64) + 1
    # 1 - β^t loses its digits in float32 while t is small
    corrections = 1 - beta1**count, jnp.sqrt(1 - beta2**count)
    results = []
    for i, param in enumerate(params):
        moments = (means[i], squares[i], *(values[i] for values in largest))
        correction = (corrections[0][i], corrections[1][i])
        scales = (beta1, beta2, *rest)
        results.append(_adapt_one(param, grads[i], moments, correction, scales, static))
    columns = [list(column) for column in zip(*results, strict=True)]
    return [columns[0], [count[i] for i in range(len(steps))], *columns[1:]]


def _adapt_one(param, grad, moments, correction, numbers, static):
    maximize, decoupled = static
    old = _real(wide(param))
    grad, mean, square, *largest = (_real(wide(values)) for values in (grad, *moments))
    beta1, beta2, lr, eps, weight_decay = numbers
    grad = -grad if maximize else grad
    if decoupled:
        old = old * scalar(1 - lr * weight_decay, old)
    else:
        grad = grad + scalar(weight_decay, old) * old
    mean = mean + scalar(1 - beta1, old) * (grad - mean)
    square = scalar(beta2, old) * square + scalar(1 - beta2, old) * grad * grad
    largest = [jnp.maximum(values, square) for values in largest]
    root = jnp.sqrt((largest or [square])[0]) / scalar(correction[1], old)
    new = old - scalar(lr / correction[0], old) * (mean / (root + scalar(eps, old)))
    return tuple(_like(values, param) for values in (new, mean, square, *largest))


def _real(values):
    """Complex numbers as pairs of real ones, each of which is a parameter of its own."""
    if not jnp.iscomplexobj(values):
        return values
    return jnp.stack([values.real, values.imag], axis=-1)


def _like(values, param):
    """The inverse of `_real` and `wide`."""
    if jnp.iscomplexobj(param):
        values = jax.lax.complex(values[..., 0], values[..., 1])
    return values.astype(param.dtype)
