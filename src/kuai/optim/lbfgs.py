"""L-BFGS: Newton's method with an inverse Hessian from the last few steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.modes import no_grad
from kuai.ops.array.joining import cat
from kuai.ops.array.windows import view_as_complex, view_as_real
from kuai.optim.checks import check_rate, number_of
from kuai.optim.line_search import Point, strong_wolfe
from kuai.optim.optimizer import Optimizer

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS: each step evaluates the closure several times and may search along its direction.

        d = −H·g with H from the last history_size pairs of y = Δg and s = Δθ
        θ ← θ + t·d with t = lr, or the t of a line search that starts there

    Args:
        params: tensors or (name, tensor) pairs, in one group.
        lr: the first step to try.
        max_iter: the most directions in one step.
        max_eval: the most evaluations in one step; 5/4·max_iter by default.
        tolerance_grad: stop when the largest element of g is not larger.
        tolerance_change: stop when the parameters or the loss change by less.
        history_size: how many pairs are kept.
        line_search_fn: None or "strong_wolfe".

    Example:
        >>> w = kuai.nn.Parameter(kuai.tensor([3.0, -2.0]))
        >>> optimizer = kuai.optim.LBFGS([w], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = ((w - 1) ** 4).sum()
        ...     loss.backward()
        ...     return loss
        >>> start = optimizer.step(closure)
        >>> bool(start > 90), bool(closure() < 1e-3)
        (True, True)

    Reference: Liu & Nocedal, "On the limited memory BFGS method", 1989.

    What it decides by the values, so a compiled step is a program for each evaluation.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_rate(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Go down; `closure` computes the loss anew, calls `backward()` and returns the loss."""
        if closure is None:
            raise TypeError("LBFGS.step() missing 1 required positional argument: 'closure'")
        return _Step(self, closure).run()


class _Step:
    """One call of `step`."""

    def __init__(self, optimizer, closure):
        group = optimizer.param_groups[0]
        self.options, self.params = group, group["params"]
        self.state = optimizer.state[self.params[0]]
        self.evaluate_loss = lambda: optimizer._evaluate(closure)
        self.rate = float(group["lr"])
        self.evaluations = 0

    def run(self):
        """Take directions until something says that it is enough; returns the first loss."""
        state = self.state
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = self.evaluate_loss()
        self.loss, self.gradient = number_of(first), self.flat_gradient()
        self.counted(1)
        if self.is_optimal():
            return first
        for number in range(1, self.options["max_iter"] + 1):
            state["n_iter"] += 1
            if not self.advanced(is_last=number == self.options["max_iter"]):
                break
        return first

    def advanced(self, is_last) -> bool:
        """One direction; whether to go on."""
        state, options = self.state, self.options
        self.take_direction()
        previous = state["prev_loss"] = self.loss
        state["prev_flat_grad"] = self.gradient
        slope = float(self.gradient.dot(state["d"]))
        state["t"] = self.first_step()
        if slope > -options["tolerance_change"]:
            return False
        if options["line_search_fn"] is None:
            self.move(is_last)
        else:
            self.search(slope)
        moved = float(state["d"].abs().max()) * abs(state["t"])
        enough = (
            is_last
            or self.evaluations >= options["max_eval"]
            or self.is_optimal()
            or moved <= options["tolerance_change"]
            or abs(self.loss - previous) < options["tolerance_change"]
        )
        return not enough

    def first_step(self):
        """The step to try: a short one along the very first gradient."""
        if self.state["n_iter"] > 1:
            return self.rate
        return min(1.0, 1.0 / float(self.gradient.abs().sum())) * self.rate

    def is_optimal(self):
        """Whether the gradient is small enough."""
        return float(self.gradient.abs().max()) <= self.options["tolerance_grad"]

    def counted(self, evaluations):
        """Add to the numbers of evaluations."""
        self.evaluations += evaluations
        self.state["func_evals"] += evaluations

    # The direction --------------------------------------------------------------------------------

    def take_direction(self):
        """d = −H·g; the first one is −g."""
        state = self.state
        if state["n_iter"] == 1:
            state["d"] = -self.gradient
            state |= {"old_dirs": [], "old_stps": [], "ro": [], "H_diag": 1}
            return
        self.remember()
        state["d"] = self.two_loops()

    def remember(self):
        """Keep the last changes of the gradient and of the parameters."""
        state = self.state
        change = self.gradient - state["prev_flat_grad"]
        moved = state["d"] * state["t"]
        product = change.dot(moved)
        if not float(product) > 1e-10:
            return
        kept = state["old_dirs"], state["old_stps"], state["ro"]
        if len(kept[0]) == self.options["history_size"]:
            for part in kept:
                part.pop(0)
        for part, new in zip(kept, (change, moved, 1.0 / product), strict=True):
            part.append(new)
        state["H_diag"] = product / change.dot(change)

    def two_loops(self):
        """−H·g from the pairs, newest first and then oldest first."""
        state = self.state
        pairs = list(zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True))
        weights = state.setdefault("al", [None] * self.options["history_size"])
        direction = -self.gradient
        for place, (change, moved, inverse) in reversed(list(enumerate(pairs))):
            weights[place] = moved.dot(direction) * inverse
            direction = direction - change * weights[place]
        direction = direction * state["H_diag"]
        for weight, (change, moved, inverse) in zip(weights, pairs, strict=False):
            direction = direction + moved * (weight - change.dot(direction) * inverse)
        return direction

    # The step -------------------------------------------------------------------------------------

    def move(self, is_last):
        """A step of fixed length; after the last one nobody asks for the loss."""
        self.add(self.state["t"])
        if not is_last:
            self.loss, self.gradient = number_of(self.evaluate_loss()), self.flat_gradient()
            self.counted(1)

    def search(self, slope):
        """A step by line search."""
        if self.options["line_search_fn"] != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        state = self.state
        before = [param.clone() for param in self.params]

        def at(step):
            self.add(step)
            loss, gradient = number_of(self.evaluate_loss()), self.flat_gradient()
            for param, value in zip(self.params, before, strict=True):
                param.copy_(value)
            return Point(step, loss, gradient, float(gradient.dot(state["d"])))

        start = Point(0.0, self.loss, self.gradient, slope)
        size = float(state["d"].abs().max())
        most = self.options["max_eval"] - self.evaluations
        point, evaluations = strong_wolfe(at, start, state["t"], size, most)
        self.loss, self.gradient, state["t"] = point.loss, point.gradient, point.step
        self.add(point.step)
        self.counted(evaluations)

    def flat_gradient(self):
        """The gradients of all parameters in one row, complex ones as pairs."""
        return cat([_flat(param.grad, param) for param in self.params])

    def add(self, step):
        """Move the parameters along the direction."""
        start = 0
        for param in self.params:
            seen = view_as_real(param) if param.is_complex() else param
            part = self.state["d"][start : start + seen.numel()].reshape(seen.shape) * step
            param.add_(view_as_complex(part) if param.is_complex() else part)
            start += seen.numel()


def _flat(grad, param):
    if grad is None:
        grad = param.detach() * 0
    return (view_as_real(grad) if grad.is_complex() else grad).reshape(-1)
