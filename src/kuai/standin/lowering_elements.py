"""What the backward passes of losses, of element-wise operations and of views are made of."""

from collections.abc import Callable
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.nn.functional import log_softmax
from kuai.standin.lowering_layers import Tell
from kuai.standin.lowering_steps import Step, fitting

__all__ = ["ELEMENTS"]


def _of_result(name: str, *more: Any) -> Callable:
    """The derivative is a function of the result, which PyTorch looks at as `detach` gives it."""

    def lowered(told: Tell, step: Step, gradient: Tensor):
        return [told(name, gradient, told("detach", step.result()), *more)]

    return lowered


def _of_input(name: str) -> Callable:
    def lowered(told: Tell, step: Step, gradient: Tensor):
        options = {"approximate": "tanh"} if step.options.get("approximate") == "tanh" else {}
        return [told(name, gradient, step.inputs[0], **options)]

    return lowered


def _softmax(name: str) -> Callable:
    def lowered(told: Tell, step: Step, gradient: Tensor):
        if step.options["dtype"] is not None:
            return None
        result = told("detach", step.result())
        return [told(name, gradient, result, step.options["dim"], gradient.dtype)]

    return lowered


def _leaky_relu(told: Tell, step: Step, gradient: Tensor):
    return [told("leaky_relu_backward", gradient, *step.inputs, False)]


def _nll_loss(told: Tell, step: Step, gradient: Tensor):
    scores, target = step.inputs[:2]
    weight = step.inputs[2:3] if "weight" not in step.options else []
    if step.options.get("is_smoothed") or target.is_floating_point() or scores.ndim != 2:
        return None
    how, ignored = _REDUCTIONS.index(step.options["reduction"]), step.options["ignore_index"]
    whole = step.node.entry.name == "_cross_entropy_op"
    given = log_softmax(scores, 1) if whole else scores
    rest = weight[0] if weight else None, how, ignored, _weight(target, ignored, weight, scores)
    change = told("nll_loss_backward", gradient, given, target, *rest)
    if whole:
        result = told("detach", given)
        change = told("_log_softmax_backward_data", change, result, 1, scores.dtype)
    return [change]


def _weight(target: Tensor, ignored: int, weight: list, scores: Tensor) -> Tensor:
    """The sum of the weights of the targets that count."""
    counts = (target != ignored).to(scores.dtype)
    return (counts * weight[0][target.clamp(min=0)] if weight else counts).sum()


def _mse_loss(told: Tell, step: Step, gradient: Tensor):
    if step.options["reduction"] not in _REDUCTIONS or 0 not in step.wanted:
        return None
    input, target = step.inputs[:2]
    if input.shape != target.shape or step.options["weight"] is not None:
        return None
    how = _REDUCTIONS.index(step.options["reduction"])
    change = told("mse_loss_backward", gradient, input, target, how)
    return step.chosen({0: change, 1: told("neg", change) if 1 in step.wanted else None})


_REDUCTIONS = ("none", "mean", "sum")


def _mul(told: Tell, step: Step, gradient: Tensor):
    made = {
        place: told("mul", gradient, step.inputs[1 - place])
        for place in (1, 0)
        if place in step.wanted
    }
    return _fitted(told, step, made)


def _fitted(told: Tell, step: Step, made: dict[int, Any]) -> list[Any]:
    """Gradients that are summed where an input was spread out, in the order of the inputs."""
    found = {place: fitting(told, made[place], step.shape_of(place)) for place in sorted(made)}
    return step.chosen(found)


def _add(told: Tell, step: Step, gradient: Tensor):
    if "alpha" in step.names:
        return None
    return _fitted(told, step, dict.fromkeys(step.wanted, gradient))


def _sub(told: Tell, step: Step, gradient: Tensor):
    if "alpha" in step.names:
        return None
    made = dict.fromkeys(step.wanted, gradient)
    if 1 in made:
        made[1] = told("neg", gradient)
    return _fitted(told, step, made)


def _div(told: Tell, step: Step, gradient: Tensor):
    if step.options.get("rounding_mode") is not None:
        return None
    self, other = step.inputs[:2]
    made: dict[int, Any] = {}
    if 1 in step.wanted:
        quotient = told("div", told("div", self, other), other)
        made[1] = told("mul", told("neg", gradient), quotient)
    if 0 in step.wanted:
        made[0] = told("div", gradient, other)
    return _fitted(told, step, made)


def _pow(told: Tell, step: Step, gradient: Tensor):
    base, exponent = step.inputs[0], [*step.inputs, step.options.get("exponent")][1]
    if step.wanted != (0,) or isinstance(exponent, Tensor) or not exponent:
        return None
    power = told("pow", base, float(exponent - 1))
    return [told("mul", gradient, told("mul.Scalar", power, float(exponent)))]


def _sqrt(told: Tell, step: Step, gradient: Tensor):
    return [told("div", gradient, told("mul.Scalar", told("detach", step.result()), 2))]


def _log(told: Tell, step: Step, gradient: Tensor):
    return [told("div", gradient, step.inputs[0])]


def _times(*names: str) -> Callable:
    """The derivative is what some operations make of the input, one after the other."""

    def lowered(told: Tell, step: Step, gradient: Tensor):
        factor = step.inputs[0]
        for name in names:
            factor = told(name, factor)
        return [told("mul", gradient, factor)]

    return lowered


def _neg(told: Tell, step: Step, gradient: Tensor):
    return [told("neg", gradient)]


def _sum(told: Tell, step: Step, gradient: Tensor):
    if step.options.get("dtype") is not None:
        return None
    return [_spread(told, step, gradient)]


def _mean(told: Tell, step: Step, gradient: Tensor):
    if step.options.get("dtype") is not None:
        return None
    spread = _spread(told, step, gradient)
    return [told("div.Scalar", spread, max(spread.numel() // max(gradient.numel(), 1), 1))]


def _spread(told: Tell, step: Step, gradient: Tensor) -> Tensor:
    """What arrives at a sum, for each element of what was summed."""
    shape, dims = step.shape_of(0), step.options.get("dim")
    if dims is not None and not step.options.get("keepdim"):
        for dim in sorted(d % len(shape) for d in ((dims,) if isinstance(dims, int) else dims)):
            gradient = told("unsqueeze", gradient, dim)
    return told("expand", gradient, shape)


def _reshaped(told: Tell, step: Step, gradient: Tensor):
    return [told("view", gradient, step.shape_of(0))]


def _permuted(told: Tell, step: Step, gradient: Tensor):
    dims = step.options["dims"]
    if step.node.name() == "TBackward0":
        return [told("t", gradient)]
    if step.node.name() == "TransposeBackward0":
        return [told("transpose", gradient, *[i for i, dim in enumerate(dims) if i != dim])]
    return [told("permute", gradient, [dims.index(dim) for dim in range(len(dims))])]


ELEMENTS: dict[str, Callable] = {
    "_mse_loss_op": _mse_loss, "_nll_loss_op": _nll_loss, "_cross_entropy_op": _nll_loss,
    "relu": _of_result("threshold_backward", 0), "sigmoid": _of_result("sigmoid_backward"),
    "tanh": _of_result("tanh_backward"), "exp": _of_result("mul"),
    "gelu": _of_input("gelu_backward"), "silu": _of_input("silu_backward"),
    "leaky_relu": _leaky_relu, "_softmax_op": _softmax("_softmax_backward_data"),
    "_log_softmax_op": _softmax("_log_softmax_backward_data"),
    "add": _add, "sub": _sub, "div": _div, "pow": _pow, "sqrt": _sqrt, "log": _log,
    "sin": _times("cos"), "cos": _times("sin", "neg"), "abs": _times("sgn"), "mul": _mul,
    "neg": _neg, "sum": _sum, "mean": _mean, "reshaped": _reshaped, "permuted": _permuted,
}  # fmt: skip
