"""Losses of classifiers: negative log-likelihood and cross entropy, binary ones included.

Cross entropy with class indices is one operation: ℓ = -w_y·log softmax(x)_y. What is saved for the
backward pass are the logarithms of the probabilities, so x̄ = (softmax(x) - one_hot(y))·w·ȳ is one
fused pass. A mean is the one weighted by w.
"""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, Refused, composite, op
from kuai.engine.tensor.promotion import scalar_name
from kuai.engine.tensor.size import Size
from kuai.ops.accumulation import summed, widened
from kuai.ops.analysis.sizes_and_norms import broadcast_shapes as common_shape
from kuai.ops.dimensions import broadcast_shapes
from kuai.ops.elementwise import BOOL, COMPLEX, INTEGER, refuse, together
from kuai.ops.known_values import check_within, lie_within
from kuai.ops.nn.loss_reduction import check_reduction, legacy_reduction, reduced
from kuai.ops.nn.softmax import log_softmax_array

# Class indices ------------------------------------------------------------------------------------


def _check_batch(input, target):
    if input.ndim == 0:
        raise ValueError(f"Expected 1 or more dimensions (got {input.ndim})")
    if input.ndim == 1 and target.ndim == 1 and target.shape[0] != 1:
        raise ValueError(
            f"For 1D input, 1D target must have size 1, but got target size: {target.shape[0]}"
        )
    if input.ndim > 1 and (target.ndim == 0 or input.shape[0] != target.shape[0]):
        got = target.shape[0] if target.ndim else 0
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size ({got})."
        )


def _check_indices(input, target, weight):
    _check_batch(input, target)
    if input.ndim <= 2 and target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    expected = [input.shape[0], *input.shape[2:]]
    if input.ndim > 2 and list(target.shape) != expected:
        raise RuntimeError(f"Expected target size {expected}, got {list(target.shape)}")
    if target.dtype not in (jnp.int64, jnp.uint8):
        raise RuntimeError(
            f"expected target dtype to be Long or Byte, but got {scalar_name(target.dtype)}"
        )
    if weight is not None and weight.dtype != input.dtype:
        raise RuntimeError(
            f"expected scalar type {scalar_name(input.dtype)} but found {scalar_name(weight.dtype)}"
        )
    _check_weight(weight, input.shape[1] if input.ndim > 1 else input.shape[0])


def _check_weight(weight, classes, name=""):
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(
            f"{name}weight tensor should be defined either for all {classes} classes or no "
            f"classes but got weight tensor of shape: {list(weight.shape)}"
        )


def _picked(scores, target, weight, ignore_index):
    """The score of each target class, and the weight that goes with it (0 where ignored)."""
    axis = min(1, scores.ndim - 1)
    index = target.astype(jnp.int64).reshape(target.shape if scores.ndim > 1 else ())
    used = index != ignore_index
    index = jnp.where(used, index, 0)
    picked = _pick(scores, index, axis)
    weights = used.astype(scores.dtype)
    if weight is not None:
        weights = weights * weight.astype(scores.dtype)[index]
    return picked.reshape(target.shape), weights.reshape(target.shape)


def _pick(scores, index, axis):
    """The scores at the indices; written so that its transpose is a comparison, not a scatter."""
    chosen = _one_hot(index, scores.shape, axis)
    return jnp.sum(jnp.where(chosen, scores, jnp.zeros((), scores.dtype)), axis=axis)


def _one_hot(index, shape, axis):
    return jax.lax.broadcasted_iota(index.dtype, shape, axis) == jnp.expand_dims(index, axis)


def _weighted(loss, weights, reduction):
    """The reduction of losses already weighted; the mean is over the weights."""
    check_reduction(reduction)
    if reduction == "none":
        return loss
    total = summed(widened(loss))
    total = total / summed(widened(weights)) if reduction == "mean" else total
    return total.astype(loss.dtype)


def _nll(scores, target, weight, ignore_index, reduction):
    picked, weights = _picked(scores, target, weight, ignore_index)
    # 0·∞ has to stay 0 for an ignored element.
    loss = jnp.where(weights == 0, jnp.zeros((), scores.dtype), -picked * weights)
    return _weighted(loss, weights, reduction)


def _nll_name(input, *rest) -> str:
    return "NllLossBackward0" if len(input.shape) <= 2 else "NllLoss2DBackward0"


@op(function=False, method=False, grad=_nll_name, autocast="float32")
def _nll_loss_op(
    input: Array, target: Array, weight: Array | None, ignore_index: int, reduction: str
):
    check_reduction(reduction)
    _check_indices(input, target, weight)
    refuse("nll_loss_out_frame", input, BOOL, INTEGER, COMPLEX)
    return _nll(input, target, weight, ignore_index, reduction)


@composite(function=False, method=False, functional=True)
def nll_loss(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
):
    """Negative log-likelihood: -w_y·x_y, where x are logarithms of probabilities.

    Args:
        weight: a weight for each class.
        ignore_index: targets of this value count for nothing.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` (weighted, as -Σ w_y·x_y / Σ w_y), `'sum'`, or `'none'`.

    Shape:
        input `(C)`, `(N, C)` or `(N, C, d1, …)`, target `()`, `(N)` or `(N, d1, …)`.

    Example:
        >>> log_p = kuai.log(kuai.tensor([[0.5, 0.25, 0.25]]))
        >>> kuai.nn.functional.nll_loss(log_p, kuai.tensor([0]))
        tensor(0.6931)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    loss = _nll_loss_op(input, target, weight, ignore_index, reduction)
    _check_labels(input, target, ignore_index)
    return loss


def _check_labels(input, target, ignore_index):
    """PyTorch's error for a class that does not exist."""
    classes = input.shape[min(1, input.ndim - 1)]
    check_within(target, classes, "Target {} is out of bounds.", IndexError, ignore_index)


@op(function=False, method=False, grad=_nll_name, autocast="float32")
def _cross_entropy_op(
    input: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    reduction: str,
    is_smoothed: bool,
    label_smoothing: Number,
):
    check_reduction(reduction)
    refuse("log_softmax_lastdim_kernel_impl", input, COMPLEX)
    axis = min(1, input.ndim - 1)
    last = axis == input.ndim - 1
    kernel = "log_softmax_lastdim_kernel_impl" if last else "log_softmax_kernel_impl"
    if input.shape == target.shape:
        _check_probabilities(input, target, ignore_index)
        if not input.ndim:
            raise IndexError("Dimension specified as 1 but tensor has no dimensions")
        _check_weight(weight, input.shape[axis], "cross_entropy: ")
        refuse(kernel, input, BOOL, INTEGER)
        if is_smoothed:
            target = target * (1 - label_smoothing) + label_smoothing / max(input.shape[axis], 1)
        return _soft_target(input, target, weight, reduction, axis)
    refuse(kernel, input, BOOL, INTEGER)
    _check_indices(input, target, weight)
    scores = log_softmax_array(input, axis)
    loss = _nll(scores, target, weight, ignore_index, reduction)
    if not is_smoothed:
        return loss
    smooth = _smooth(scores, target, weight, ignore_index, reduction, axis)
    share = label_smoothing / max(input.shape[axis], 1)
    return (1 - label_smoothing) * loss + share * smooth


def _check_probabilities(input, target, ignore_index):
    if not jnp.issubdtype(target.dtype, jnp.floating):
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, "
            f"got {scalar_name(target.dtype)}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")


def _class_weights(weight, scores, axis):
    shape = [1] * scores.ndim
    shape[axis] = -1
    return weight.astype(scores.dtype).reshape(shape)


def _smooth(scores, target, weight, ignore_index, reduction, axis):
    """The loss against all classes alike, for label smoothing."""
    _, weights = _picked(scores, target, weight, ignore_index)
    if weight is not None:
        scores = scores * _class_weights(weight, scores, axis)
    total = -summed(scores, axis).reshape(target.shape)
    used = target.astype(jnp.int64) != ignore_index
    loss = jnp.where(used, total, jnp.zeros((), scores.dtype))
    return _weighted(loss, weights, reduction)


def _soft_target(input, target, weight, reduction, axis):
    """Cross entropy with a probability for each class; its mean is over the batch."""
    scores = log_softmax_array(input, axis)
    products = scores * target  # in the wider of the two dtypes
    if weight is not None:
        products = products * _class_weights(weight, scores, axis)
    loss = -summed(products, axis)
    if reduction == "mean":
        return (summed(widened(loss)) / jnp.float32(loss.size)).astype(loss.dtype)
    return reduced(loss, reduction)


@composite(function=False, method=False, functional=True)
def cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    """Cross entropy of logits: -log softmax(x)_y, or -Σ p_c·log softmax(x)_c for probabilities p.

    Args:
        target: class indices, or probabilities in the shape of the input.
        weight: a weight for each class.
        ignore_index: targets of this value count for nothing.
        label_smoothing: how much of the target is spread over all classes.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` (weighted by w_y), `'sum'`, or `'none'`.

    Shape:
        input `(C)`, `(N, C)` or `(N, C, d1, …)`, target `()`, `(N)` or `(N, d1, …)`.

    Example:
        >>> kuai.nn.functional.cross_entropy(kuai.zeros(1, 2), kuai.tensor([1]))
        tensor(0.6931)

    Reference: label smoothing: Szegedy et al., "Rethinking the inception architecture", CVPR 2016.

    Differs from PyTorch: on a GPU, and computed in a compiled function, an index out of range is
    not noticed; its loss is 0.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    check_reduction(reduction)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    smoothing = bool(label_smoothing), float(label_smoothing)
    loss = _cross_entropy_op(input, target, weight, ignore_index, reduction, *smoothing)
    if not target.dtype.is_floating_point:
        _check_labels(input, target, ignore_index)
    return loss


# Binary -------------------------------------------------------------------------------------------


@jax.custom_jvp
def _binary_cross_entropy(input, target):
    """-(y·log x + (1 - y)·log(1 - x)), with logarithms of at least -100."""
    log_input = jnp.maximum(jnp.log(input), -100)
    log_rest = jnp.maximum(jnp.log1p(-input), -100)
    return (target - 1) * log_rest - target * log_input


@_binary_cross_entropy.defjvp
def _binary_cross_entropy_jvp(primals, tangents):
    input, target = primals
    change_input, change_target = tangents
    slope = (input - target) / jnp.maximum((1 - input) * input, 1e-12)
    by_target = jnp.maximum(jnp.log1p(-input), -100) - jnp.maximum(jnp.log(input), -100)
    output = _binary_cross_entropy(input, target)
    return output, slope * change_input + by_target * change_target


_UNSAFE = Refused(
    "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
    "Many models use a sigmoid layer right before the binary cross entropy layer.\n"
    "In this case, combine the two layers using "
    "torch.nn.functional.binary_cross_entropy_with_logits\n"
    "or torch.nn.BCEWithLogitsLoss.  binary_cross_entropy_with_logits and BCEWithLogits are\n"
    "safe to autocast."
)


@op(
    function=False,
    method=False,
    grad="BinaryCrossEntropyBackward0",
    autocast={"cpu": "float32", "cuda": _UNSAFE},
)
def _binary_cross_entropy_op(input: Array, target: Array, weight: Array | None, reduction: str):
    check_reduction(reduction)
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size (torch.Size({list(target.shape)})) that is different to the "
            f"input size (torch.Size({list(input.shape)})) is deprecated. "
            "Please ensure they have the same size."
        )
    if input.dtype != target.dtype:
        raise RuntimeError(
            f"Found dtype {scalar_name(target.dtype)} but expected {scalar_name(input.dtype)}"
        )
    refuse("binary_cross_entropy", input, BOOL, INTEGER, COMPLEX)
    loss = _binary_cross_entropy(input, target)
    if weight is not None:
        common_shape(Size(target.shape), Size(weight.shape))
    return reduced(loss if weight is None else loss * weight, reduction)


@composite(function=False, method=False, functional=True)
def binary_cross_entropy(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """Binary cross entropy of probabilities: -w·(y·log x + (1 - y)·log(1 - x)).

    Args:
        weight: numbers w that can be broadcast to the input.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> kuai.nn.functional.binary_cross_entropy(kuai.tensor([0.5]), kuai.tensor([1.0]))
        tensor(0.6931)

    Differs from PyTorch: on a GPU, and computed in a compiled function, a probability outside
    [0, 1] gives nan instead of an error.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    loss = _binary_cross_entropy_op(input, target, weight, reduction)
    for name, tensor in (("input", input), ("target", target)):
        if not lie_within(tensor, 0, 1):
            raise RuntimeError(f"all elements of {name} should be between 0 and 1")
    return loss


@op(function=False, method=False, grad="BinaryCrossEntropyWithLogitsBackward0", autocast="float32")
def _binary_cross_entropy_with_logits_op(
    input: Array,
    target: Array,
    weight: Array | None,
    reduction: str,
    pos_weight: Array | None,
):
    check_reduction(reduction)
    if input.shape != target.shape:
        raise ValueError(
            f"Target size (torch.Size({list(target.shape)})) must be the same as "
            f"input size (torch.Size({list(input.shape)}))"
        )
    refuse("log_sigmoid_cpu", input, BOOL, INTEGER, COMPLEX)
    if not jnp.issubdtype(target.dtype, jnp.inexact):
        raise RuntimeError(
            f"result type {scalar_name(input.dtype)} can't be cast to the desired output type "
            f"{scalar_name(target.dtype)}"
        )
    kind = target.dtype
    input, target = together(input, target)
    scores = jax.nn.log_sigmoid(input)
    if pos_weight is None:
        loss = (1 - target) * input - scores
    else:
        broadcast_shapes(pos_weight.shape, input.shape)
        loss = (1 - target) * input - (1 + (pos_weight - 1) * target) * scores
    loss = loss if weight is None else loss * weight
    return reduced(loss, reduction).astype(kind)


@composite(function=False, method=False, functional=True)
def binary_cross_entropy_with_logits(
    input,
    target,
    weight=None,
    size_average=None,
    reduce=None,
    reduction="mean",
    pos_weight=None,
):
    """Binary cross entropy of logits: -w·(p·y·log σ(x) + (1 - y)·log(1 - σ(x))).

    Args:
        pos_weight: p, a weight for positive examples.

    Shape:
        input and target of one shape; a number, or that shape with `reduction='none'`.

    Example:
        >>> F = kuai.nn.functional
        >>> F.binary_cross_entropy_with_logits(kuai.tensor([0.0]), kuai.tensor([1.0]))
        tensor(0.6931)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    return _binary_cross_entropy_with_logits_op(input, target, weight, reduction, pos_weight)
