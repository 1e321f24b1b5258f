"""SGD: gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax.numpy as jnp

from kuai.engine.tensor import Tensor
from kuai.optim.optimizer import Optimizer
from kuai.optim.stepping import active, apply, new_state, scalar, wide

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent.

        g ← ∇θ + weight_decay·θ
        b ← momentum·b + (1 − dampening)·g        (first step: b = g)
        θ ← θ − lr·b        (nesterov: θ − lr·(g + momentum·b);  momentum = 0: θ − lr·g)

    Args:
        params: tensors, (name, tensor) pairs or parameter groups.
        lr: learning rate, a number or a tensor.
        momentum, dampening, weight_decay, nesterov: as in the formula.
        maximize: go up instead of down.
        foreach, fused: accepted; a step is always one program over all parameters.
        differentiable: record the step for `backward()`.

    Example:
        >>> w = kuai.nn.Parameter(kuai.ones(2))
        >>> optimizer = kuai.optim.SGD([w], lr=0.1, momentum=0.9)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.data
        tensor([0.8000, 0.8000])

    Reference: Sutskever et al., "On the importance of initialization and momentum in deep
    learning", ICML 2013.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        options = dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay)
        switches = dict(nesterov=nesterov, maximize=maximize, foreach=foreach)
        super().__init__(
            params, {**options, **switches, "differentiable": differentiable, "fused": fused}
        )
        self._first: dict[Tensor, Tensor] = {}
        if fused and differentiable:
            raise RuntimeError("`fused` does not support `differentiable`")
        if fused and foreach:
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._first = {}
        for group in self.param_groups:
            for name, value in _LATER_OPTIONS.items():
                group.setdefault(name, value)

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
        has_momentum = active(group, "momentum")
        dampened = has_momentum and active(group, "dampening")
        written = [
            params,
            [self._buffer(param, dampened) for param in params] if has_momentum else [],
            [self._first_flag(param) for param in params] if dampened else [],
        ]
        numbers = tuple(group[name] for name in ("lr", "momentum", "dampening", "weight_decay"))
        static = (has_momentum, group["nesterov"], group["maximize"])
        grads = [param.grad for param in params]
        apply(descend, written, [grads], numbers, static, group["differentiable"])

    def _buffer(self, param: Tensor, dampened: bool) -> Tensor:
        state = self.state[param]
        if state.get("momentum_buffer") is None:
            state["momentum_buffer"] = new_state(param)
            if dampened:
                self._first[param] = new_state(param, (), bool, True)
        return state["momentum_buffer"]

    def _first_flag(self, param: Tensor) -> Tensor:
        """Whether the parameter's next step is its first, which is not dampened."""
        if param not in self._first:
            self._first[param] = new_state(param, (), bool, False)
        return self._first[param]


_LATER_OPTIONS = {
    "nesterov": False,
    "maximize": False,
    "foreach": None,
    "differentiable": False,
    "fused": False,
}


def descend(written, read, numbers, static):
    """New parameters, momentum buffers and first-step flags of a group."""
    params, buffers, flags = written
    (grads,) = read
    results = [
        _descend_one(param, grad, _get(buffers, i), _get(flags, i), numbers, static)
        for i, (param, grad) in enumerate(zip(params, grads, strict=True))
    ]
    new_params, new_buffers = map(list, zip(*results, strict=True))
    return [new_params, new_buffers if buffers else [], [jnp.zeros_like(flag) for flag in flags]]


def _get(items, position):
    return items[position] if items else None


def _descend_one(param, grad, buffer, first, numbers, static):
    has_momentum, nesterov, maximize = static
    old, grad = wide(param), wide(grad)
    lr, momentum, dampening, weight_decay = (scalar(value, old) for value in numbers)
    grad = (-grad if maximize else grad) + weight_decay * old
    if has_momentum:
        undamped = 1 if first is None else jnp.where(first, 1, 1 - dampening)
        buffer = momentum * wide(buffer) + undamped * grad
        grad = grad + momentum * buffer if nesterov else buffer
    new = old - lr * grad
    return new.astype(param.dtype), None if buffer is None else buffer.astype(param.dtype)
