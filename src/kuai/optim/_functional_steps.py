"""More steps as functions of lists of tensors (see `_functional`), by the optimizers' formulas.

Each changes its tensors in place and takes PyTorch's arguments; those that say how PyTorch computes
(`foreach`, `fused`, `capturable`, …) change nothing.
"""

from types import SimpleNamespace
from typing import Any

from kuai.engine.tensor import Tensor, from_array, modes
from kuai.engine.tensor.views import value
from kuai.ops.array.windows import view_as_real
from kuai.optim._functional import STEPS
from kuai.optim.adadelta import Adadelta
from kuai.optim.adagrad import Adagrad
from kuai.optim.adamax import Adamax
from kuai.optim.asgd import ASGD
from kuai.optim.nadam import NAdam
from kuai.optim.radam import RAdam
from kuai.optim.rmsprop import RMSprop
from kuai.optim.rprop import Rprop

__all__ = ["adadelta", "adagrad", "adamax", "asgd", "nadam", "radam", "rmsprop", "rprop"]

_COUNTS = ("step", "mu_product", "mu", "eta")  # of which float32 would leave too little


def _real(tensor: Tensor) -> Any:
    return view_as_real(tensor) if tensor.dtype.is_complex else tensor


def _step(kind: Any, params: Any, grads: Any, states: dict, maximize: bool, **options: Any) -> None:
    if not all(isinstance(count, Tensor) for count in states["step"]):
        raise RuntimeError(STEPS)
    chosen = SimpleNamespace(**options)
    with modes.no_grad():
        for i, (param, gradient) in enumerate(zip(params, grads, strict=True)):
            given = {name: _real(many[i]) for name, many in states.items()}
            arrays = {
                name: value(tensor.double() if name in _COUNTS else tensor)
                for name, tensor in given.items()
            }
            target, slope = _real(param), value(_real(gradient))
            new, state = kind.update(value(target), -slope if maximize else slope, arrays, chosen)
            target.copy_(from_array(new))
            for name, tensor in given.items():
                tensor.copy_(from_array(state[name]))


def adadelta(
    params, grads, square_avgs, acc_deltas, state_steps, capturable=False, foreach=None,
    differentiable=False, has_complex=False, *, lr, rho, eps, weight_decay, maximize,
):  # fmt: skip
    """A step of `Adadelta`."""
    states = {"square_avg": square_avgs, "acc_delta": acc_deltas, "step": state_steps}
    options = dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
    _step(Adadelta, params, grads, states, maximize, **options)


def adagrad(
    params, grads, state_sums, state_steps, fused=None, grad_scale=None, found_inf=None,
    has_sparse_grad=False, foreach=None, differentiable=False, has_complex=False, *, lr,
    weight_decay, lr_decay, eps, maximize,
):  # fmt: skip
    """A step of `Adagrad`."""
    states = {"sum": state_sums, "step": state_steps}
    options = dict(lr=lr, weight_decay=weight_decay, lr_decay=lr_decay, eps=eps)
    _step(Adagrad, params, grads, states, maximize, **options)


def adamax(
    params, grads, exp_avgs, exp_infs, state_steps, foreach=None, maximize=False,
    differentiable=False, capturable=False, has_complex=False, *, eps, beta1, beta2, lr,
    weight_decay,
):  # fmt: skip
    """A step of `Adamax`."""
    states = {"exp_avg": exp_avgs, "exp_inf": exp_infs, "step": state_steps}
    options = dict(lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)
    _step(Adamax, params, grads, states, maximize, **options)


def asgd(
    params, grads, axs, mus, etas, state_steps, foreach=None, maximize=False,
    differentiable=False, capturable=False, has_complex=False, *, lambd, lr, t0, alpha,
    weight_decay,
):  # fmt: skip
    """A step of `ASGD`."""
    states = {"ax": axs, "mu": mus, "eta": etas, "step": state_steps}
    options = dict(lr=lr, lambd=lambd, t0=t0, alpha=alpha, weight_decay=weight_decay)
    _step(ASGD, params, grads, states, maximize, **options)


def nadam(
    params, grads, exp_avgs, exp_avg_sqs, mu_products, state_steps, decoupled_weight_decay=False,
    foreach=None, capturable=False, differentiable=False, has_complex=False, maximize=False, *,
    beta1, beta2, lr, weight_decay, momentum_decay, eps,
):  # fmt: skip
    """A step of `NAdam`."""
    states = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs, "mu_product": mu_products}
    options = dict(lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)
    options |= dict(momentum_decay=momentum_decay, decoupled_weight_decay=decoupled_weight_decay)
    _step(NAdam, params, grads, states | {"step": state_steps}, maximize, **options)


def radam(
    params, grads, exp_avgs, exp_avg_sqs, state_steps, decoupled_weight_decay=False, foreach=None,
    differentiable=False, capturable=False, has_complex=False, maximize=False, *, beta1, beta2,
    lr, weight_decay, eps,
):  # fmt: skip
    """A step of `RAdam`."""
    states = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs, "step": state_steps}
    options = dict(lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)
    options |= dict(decoupled_weight_decay=decoupled_weight_decay)
    _step(RAdam, params, grads, states, maximize, **options)


def rmsprop(
    params, grads, square_avgs, grad_avgs, momentum_buffer_list, state_steps, foreach=None,
    maximize=False, differentiable=False, capturable=False, has_complex=False, *, lr, alpha, eps,
    weight_decay, momentum, centered,
):  # fmt: skip
    """A step of `RMSprop`."""
    states = {"square_avg": square_avgs, "step": state_steps}
    states |= {"momentum_buffer": momentum_buffer_list} if momentum else {}
    states |= {"grad_avg": grad_avgs} if centered else {}
    options = dict(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)
    _step(RMSprop, params, grads, states, maximize, centered=centered, **options)


def rprop(
    params, grads, prevs, step_sizes, state_steps, foreach=None, capturable=False, maximize=False,
    differentiable=False, has_complex=False, *, step_size_min, step_size_max, etaminus, etaplus,
):  # fmt: skip
    """A step of `Rprop`."""
    states = {"prev": prevs, "step_size": step_sizes, "step": state_steps}
    options = dict(etas=(etaminus, etaplus), step_sizes=(step_size_min, step_size_max))
    _step(Rprop, params, grads, states, maximize, **options)
