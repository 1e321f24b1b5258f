"""Connectionist temporal classification: the likelihood of a sequence of labels, however aligned.

The labels l with blanks between and around them are l' of length 2 S + 1. αₜ(s), the likelihood of
all ways to have read l'[..s] after step t, comes from αₜ₋₁(s), αₜ₋₁(s-1) and, where that skips no
more than a blank between different labels, αₜ₋₁(s-2). One `lax.scan` in logarithms.

Letters: T time, N batch, C classes, S labels.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kuai.engine.op import Array, composite, op
from kuai.engine.tensor import Tensor, from_array
from kuai.engine.tensor.concrete import concrete, is_concrete
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.nn.loss_reduction import check_reduction

__all__ = ["ctc_loss"]

_WHILE = "(while checking arguments for ctc_loss_allocate_outputs)"


def _log_sum(parts):
    """log Σ exp, with -inf and the gradient zero where every part is -inf."""
    parts = jnp.stack(parts)
    top = lax.stop_gradient(parts.max(0))
    top = jnp.where(top == -jnp.inf, 0, top)
    total = jnp.exp(parts - top).sum(0)
    empty = total == 0
    return jnp.where(empty, -jnp.inf, top + jnp.log(jnp.where(empty, 1, total)))


def _shifted(alpha, by):
    """α(s - by), -inf before the beginning."""
    count = alpha.shape[1]
    return jnp.pad(alpha, ((0, 0), (by, 0)), constant_values=-jnp.inf)[:, :count]


def _padded(targets, lengths, most):
    """Labels in one row, (sum of lengths), as a matrix (N, most)."""
    begin = jnp.cumsum(lengths) - lengths
    places = begin[:, None] + jnp.arange(most)
    return jnp.take(targets, jnp.clip(places, 0, max(targets.shape[0] - 1, 0)), mode="clip")


def _with_blanks(targets, blank):
    """l' of every example, (N, 2 S + 1), and where a step may come from two places before."""
    batch, count = targets.shape
    labels = jnp.full((batch, 2 * count + 1), blank, targets.dtype).at[:, 1::2].set(targets)
    before = jnp.pad(labels, ((0, 0), (2, 0)), constant_values=blank)[:, : labels.shape[1]]
    return labels, (labels != blank) & (labels != before)


def _likelihood(log_probs, targets, input_lengths, target_lengths, blank):
    """log p(l | x) of every example."""
    labels, may_skip = _with_blanks(targets, blank)
    batch, width = labels.shape
    reads = jnp.take_along_axis(log_probs, labels[None].astype(jnp.int64), axis=2)  # (T, N, 2S+1)
    place = jnp.arange(width)
    last = 2 * target_lengths[:, None]
    first = jnp.where((place < 2) & (place <= last), reads[0], -jnp.inf)

    def step(alpha, read):
        time, read = read
        skipped = jnp.where(may_skip, _shifted(alpha, 2), -jnp.inf)
        new = _log_sum([alpha, _shifted(alpha, 1), skipped]) + read
        return jnp.where(time < input_lengths[:, None], new, alpha), None

    times = jnp.arange(1, log_probs.shape[0])
    alpha, _ = lax.scan(step, first, (times, reads[1:]))
    is_end = (place == last) | ((place == last - 1) & (target_lengths[:, None] > 0))
    found = _log_sum(list(jnp.where(is_end, alpha, -jnp.inf).T))
    nothing = jnp.where(target_lengths == 0, 0.0, -jnp.inf).astype(found.dtype)
    found = jnp.where(input_lengths == 0, nothing, found)
    return jnp.where(target_lengths > width // 2, -jnp.inf, found)


@jax.custom_jvp
def _only_slope(log_probs, used):
    """Zero, whose derivative is that of Σ exp(log_probs) over the steps that are used."""
    return jnp.zeros(log_probs.shape[1], log_probs.dtype)


@_only_slope.defjvp
def _only_slope_jvp(primals, tangents):
    log_probs, used = primals
    slope = jnp.where(used, jnp.exp(log_probs) * tangents[0], 0).sum((0, 2))
    return jnp.zeros(log_probs.shape[1], log_probs.dtype), slope


@jax.custom_jvp
def _undefined_where_infinite(loss):
    """The loss itself; its derivative is nan where it is infinite, as PyTorch's."""
    return loss


@_undefined_where_infinite.defjvp
def _undefined_jvp(primals, tangents):
    return primals[0], jnp.where(primals[0] == jnp.inf, jnp.nan, 1) * tangents[0]


@op(function=False, method=False, grad="CtcLossBackward0", autocast={"cpu": "float32"})
def _ctc(
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    blank: int,
    zero_infinity: bool,
):
    """The negative log-likelihood of every example."""
    _check_arrays(log_probs, targets, input_lengths, target_lengths, blank)
    input_lengths = input_lengths.astype(jnp.int64).reshape(-1)
    target_lengths = target_lengths.astype(jnp.int64).reshape(-1)
    if targets.ndim == 1:
        most = min(targets.shape[0], log_probs.shape[0])  # more labels than steps: not possible
        targets = _padded(targets, target_lengths, most)
    arguments = targets, input_lengths, target_lengths, blank
    loss = -_likelihood(log_probs, *arguments)
    # PyTorch's derivative takes log_probs for the result of a log_softmax and has its part in it
    used = (jnp.arange(log_probs.shape[0])[:, None] < input_lengths)[..., None]
    loss = loss + _only_slope(log_probs, used)
    if zero_infinity:
        return jnp.where(loss == jnp.inf, 0, loss)
    return _undefined_where_infinite(loss)


def _check_arrays(log_probs, targets, input_lengths, target_lengths, blank):
    if log_probs.ndim != 3:
        raise RuntimeError(
            f"Expected 3-dimensional tensor, but got {log_probs.ndim}-dimensional tensor for "
            f"argument #1 'log_probs' {_WHILE}"
        )
    if targets.ndim not in (1, 2):
        raise RuntimeError(
            f"Expected 1 to 2 dimensions, but got {targets.ndim}-dimensional tensor for argument "
            f"#2 'targets' {_WHILE}"
        )
    if 0 in log_probs.shape:
        raise RuntimeError("log_probs tensor must not be empty")
    if log_probs.dtype not in (jnp.float32, jnp.float64):
        raise NotImplementedError(
            f"\"ctc_loss_cpu\" not implemented for '{scalar_name(log_probs.dtype)}'"
        )
    steps, batch, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    for name, lengths in (("input", input_lengths), ("target", target_lengths)):
        if not jnp.issubdtype(lengths.dtype, jnp.integer):
            raise RuntimeError(f"{name}_lengths must be integral")
        if lengths.size != batch:
            raise RuntimeError(f"{name}_lengths must be of size batch_size")
    if targets.ndim == 2 and targets.shape[0] != batch:
        raise RuntimeError(
            f"Expected tensor to have size {batch} at dimension 0, but got size "
            f"{targets.shape[0]} for argument #2 'targets' {_WHILE}"
        )


# What the caller gives ----------------------------------------------------------------------------


def _lengths(given, device):
    if isinstance(given, Tensor):
        return given
    return from_array(np.asarray(given, np.int64), device)


def _known(lengths):
    """The values of a tensor on the CPU that are there already, or None."""
    if lengths.device.type != "cpu" or not is_concrete(lengths):
        return None
    return concrete(lengths, "ctc_loss()").reshape(-1)


def _check_lengths(log_probs, targets, input_lengths, target_lengths):
    """Lengths that are known have to fit; in a program one that is too large costs an infinity."""
    steps = log_probs.shape[0]
    for name, lengths in (("input", _known(input_lengths)), ("target", _known(target_lengths))):
        if lengths is None or lengths.dtype.kind not in "iu":
            continue
        for found in lengths[lengths < 0]:
            raise RuntimeError(
                f"Expected {name}_lengths to have value at least 0, but got value {found} {_WHILE}"
            )
        if name == "input" and (lengths > steps).any():
            raise RuntimeError(
                f"Expected input_lengths to have value at most {steps}, but got value "
                f"{lengths[lengths > steps][0]} {_WHILE}"
            )
        if name == "target":
            _check_targets(targets, lengths)


def _check_targets(targets, lengths):
    if targets.ndim == 2 and lengths.max(initial=0) > targets.shape[1]:
        raise RuntimeError(
            f"Expected tensor to have size at least {lengths.max()} at dimension 1, but got size "
            f"{targets.shape[1]} for argument #2 'targets' {_WHILE}"
        )
    if targets.ndim == 1 and lengths.sum() != targets.shape[0]:
        raise RuntimeError(
            f"Expected tensor to have size {lengths.sum()} at dimension 0, but got size "
            f"{targets.shape[0]} for argument #2 'targets' {_WHILE}"
        )


@composite(function=False, method=False, functional=True)
def ctc_loss(
    log_probs,
    targets,
    input_lengths,
    target_lengths,
    blank=0,
    reduction="mean",
    zero_infinity=False,
):
    """-log p(labels | x), summed over all ways to align the labels with the steps.

    Args:
        log_probs: logarithms of probabilities, as `log_softmax` gives them.
        targets: the labels, filled up to `(N, S)`, or all in one row.
        input_lengths, target_lengths: how many steps and labels of each example count.
        blank: the class that stands for no label.
        reduction: `'mean'` divides each loss by the number of its labels first.
        zero_infinity: 0 for examples with more labels than their steps can have.

    Shape: log_probs `(T, N, C)` or `(T, C)`, lengths `(N,)` or `()`.

    Example:
        >>> log_probs = kuai.full((3, 1, 2), 0.5).log()
        >>> kuai.nn.functional.ctc_loss(log_probs, kuai.tensor([[1]]), (3,), (1,))
        tensor(0.2877)

    Reference: Graves et al., Connectionist temporal classification, 2006.
    """
    check_reduction(reduction)
    is_batched = log_probs.ndim != 2
    input_lengths = _lengths(input_lengths, log_probs.device)
    target_lengths = _lengths(target_lengths, log_probs.device)
    if not is_batched:
        log_probs = log_probs.unsqueeze(1)
    if log_probs.ndim == 3:
        _check_lengths(log_probs, targets, input_lengths, target_lengths)
    labels = targets.long()
    if not is_batched and labels.ndim == 1:
        labels = labels.unsqueeze(0)
    arguments = log_probs, labels, input_lengths, target_lengths
    losses = _ctc(*arguments, int(blank), zero_infinity)
    if reduction == "mean":
        return (losses / target_lengths.reshape(-1).clamp(min=1).to(losses.device)).mean()
    if reduction == "sum":
        return losses.sum()
    return losses if is_batched else losses.squeeze(0)
