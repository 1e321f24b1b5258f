"""Steps as functions of lists of tensors, which optimizers that are no part of PyTorch call.

Kuai's own optimizers do not need them: their formulas are pure functions of one parameter's arrays.
"""

from kuai.engine.late import elsewhere
from kuai.engine.tensor import Tensor
from kuai.ops.math.limits import maximum

__all__ = ["adam", "adamw", "sgd"]

STEPS = (
    "API has changed, `state_steps` argument must contain a list of singleton tensors"  # PyTorch's
)


def sgd(
    params,
    d_p_list,
    momentum_buffer_list,
    has_sparse_grad=False,
    foreach=None,
    fused=None,
    *,
    weight_decay,
    momentum,
    lr,
    dampening,
    nesterov,
    maximize,
):
    """A step of `SGD`; `momentum_buffer_list` holds None before the first one."""
    for i, (p, gradient) in enumerate(zip(params, d_p_list, strict=True)):
        gradient = -gradient if maximize else gradient
        if weight_decay != 0:
            gradient = gradient.add(p, alpha=weight_decay)
        if momentum != 0:
            buffer = momentum_buffer_list[i]
            if buffer is None:
                buffer = momentum_buffer_list[i] = gradient.clone().detach()
            else:
                buffer.mul_(momentum).add_(gradient, alpha=1 - dampening)
            gradient = gradient.add(buffer, alpha=momentum) if nesterov else buffer
        p.sub_(gradient * lr)


def adam(
    params,
    grads,
    exp_avgs,
    exp_avg_sqs,
    max_exp_avg_sqs,
    state_steps,
    foreach=None,
    capturable=False,
    differentiable=False,
    fused=None,
    has_complex=False,
    decoupled_weight_decay=False,
    *,
    amsgrad,
    beta1,
    beta2,
    lr,
    weight_decay,
    eps,
    maximize,
):
    """A step of `Adam`, or of `AdamW` with `decoupled_weight_decay`."""
    if not all(isinstance(count, Tensor) for count in state_steps):
        raise RuntimeError(STEPS)
    states = zip(params, grads, exp_avgs, exp_avg_sqs, state_steps, strict=True)
    for i, (p, gradient, mean, square, count) in enumerate(states):
        count += 1
        gradient = -gradient if maximize else gradient
        if weight_decay != 0 and decoupled_weight_decay:
            p.mul_(1 - lr * weight_decay)
        elif weight_decay != 0:
            gradient = gradient.add(p, alpha=weight_decay)
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient.conj(), value=1 - beta2)
        if amsgrad:
            square = max_exp_avg_sqs[i].copy_(maximum(max_exp_avg_sqs[i], square))
        exact = count.double()  # of 1 - 0.999 little would be left in float32
        deviation = square.sqrt() / (1 - beta2**exact).sqrt() + eps
        p.sub_(mean / deviation * (lr / (1 - beta1**exact)))


def adamw(params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps, *how, **options):
    """A step of `AdamW`."""
    adam(
        params,
        grads,
        exp_avgs,
        exp_avg_sqs,
        max_exp_avg_sqs,
        state_steps,
        *how,
        decoupled_weight_decay=True,
        **options,
    )


__getattr__ = elsewhere(
    __name__,
    "kuai.optim._functional_steps",
    ["adadelta", "adagrad", "adamax", "asgd", "nadam", "radam", "rmsprop", "rprop"],
)
