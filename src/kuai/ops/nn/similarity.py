"""Distances and similarities between vectors, and the losses made of them."""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.tensor.promotion import scalar_name
from kuai.ops.accumulation import spread
from kuai.ops.dimensions import normalize_dims
from kuai.ops.elementwise import FLOATING, divided, floating, kind_of, together
from kuai.ops.nn.loss_reduction import check_reduction, hinge, legacy_reduction, reduced
from kuai.ops.nn.vector_norms import vector_norm


@op(method=False, functional=True, grad="SumBackward1", autocast={"cuda": "float32"})
def cosine_similarity(x1: Array, x2: Array, dim: int = 1, eps: Number = 1e-8):
    """x₁·x₂ / (max(‖x₁‖, eps)·max(‖x₂‖, eps)) along `dim`.

    Args:
        dim: the dimension of the vectors.
        eps: keeps the quotient finite.

    Shape:
        two that can be broadcast; `dim` goes.

    Example:
        >>> kuai.cosine_similarity(kuai.ones(1, 2), kuai.tensor([[3.0, 4.0]]))
        tensor([0.9899])
    """
    x1, x2 = together(x1, x2)
    if kind_of(x1) < FLOATING:
        raise RuntimeError(
            "expected common dtype to be floating point, yet common dtype is "
            f"{scalar_name(x1.dtype)}"
        )
    x1, x2 = jnp.broadcast_arrays(x1, x2)
    norms = [vector_norm(x, 2, dim, keepdims=True) for x in (x1, x2)]
    one, two = (spread(_at_least(n, eps), x1.shape) for n in norms)
    return jnp.sum(divided(x1, one) * divided(x2, two), axis=normalize_dims(dim, x1.ndim))


def _at_least(norm, eps):
    """The norm, or eps if that is larger; the derivative is 1 all the same, as in PyTorch."""
    raised = jnp.asarray(eps, norm.dtype) + (norm - jax.lax.stop_gradient(norm))
    return jnp.where(norm < eps, raised, norm)


@op(method=False, functional=True, grad="NormBackward1", autocast={"cuda": "float32"})
def pairwise_distance(
    x1: Array, x2: Array, p: float = 2.0, eps: Number = 1e-6, keepdim: bool = False
):
    """‖x₁ - x₂ + eps‖ₚ along the last dimension.

    Args:
        p: of the norm.
        eps: added to each difference, so that the derivative at 0 exists.
        keepdim: keep the last dimension, of size 1.

    Shape:
        `(N, D)` or `(D,)`, to `(N,)` or `()`.

    Example:
        >>> kuai.pairwise_distance(kuai.zeros(1, 2), kuai.tensor([[3.0, 4.0]]))
        tensor([5.0000])
    """
    x1, x2 = together(x1, x2)
    return vector_norm(floating(x1 - x2) + eps, p, -1, keepdim)


@op(function=False, method=False, grad="MeanBackward0", autocast="float32")
def _cosine_embedding_loss_op(
    input1: Array, input2: Array, target: Array, margin: Number, reduction: str
):
    check_reduction(reduction)
    _check_vectors(input1, input2, target)
    axis = target.ndim
    input1, input2 = together(input1, input2)
    dot = jnp.sum(input1 * input2, axis=axis)
    square1, square2 = (
        floating(jnp.sum(jnp.square(each), axis=axis)) + 1e-12 for each in (input1, input2)
    )
    cosine = dot / jnp.sqrt(square1 * square2)
    together(target, cosine)
    zero = jnp.zeros((), cosine.dtype)
    alike = jnp.where(target == 1, 1 - cosine, zero)
    return reduced(alike + jnp.where(target == -1, hinge(cosine - margin), zero), reduction)


def _check_vectors(input1, input2, target):
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if not input1.ndim == input2.ndim == target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found "
            f"inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )


@composite(function=False, method=False, functional=True)
def cosine_embedding_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """1 - cos(x₁, x₂) where y = 1, max(0, cos(x₁, x₂) - margin) where y = -1.

    Args:
        margin: cosines up to it are small enough; between −1 and 1.
        size_average, reduce: PyTorch's old spelling of `reduction`, deprecated.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        inputs `(N, D)` or `(D,)`, target `(N,)` or `()`.

    Example:
        >>> x = kuai.ones(1, 2)
        >>> kuai.nn.functional.cosine_embedding_loss(x, x, kuai.tensor([-1.0]))
        tensor(1.)
    """
    reduction = legacy_reduction(size_average, reduce, reduction)
    return _cosine_embedding_loss_op(input1, input2, target, float(margin), reduction)


@op(function=False, method=False, grad="MeanBackward0")
def _hinged_difference(near: Array, far: Array, margin: Number, reduction: str):
    return reduced(hinge(margin + floating(near - far)), reduction)


@op(function=False, method=False, grad="MinimumBackward0")
def _nearer(first: Array, second: Array):
    return jnp.minimum(first, second)


@composite(function=False, method=False, functional=True, autocast="float32")
def triplet_margin_loss(
    anchor,
    positive,
    negative,
    margin=1.0,
    p=2,
    eps=1e-6,
    swap=False,
    size_average=None,
    reduce=None,
    reduction="mean",
):
    """max(0, ‖a - p‖ - ‖a - n‖ + margin).

    Args:
        swap: take ‖p - n‖ instead of ‖a - n‖ where it is smaller.

    Shape:
        three of `(N, D)` or `(D,)`; a number, or `(N,)` or `()` with `reduction='none'`.

    Example:
        >>> near, far = kuai.tensor([[0.0, 1.0]]), kuai.tensor([[3.0, 4.0]])
        >>> kuai.nn.functional.triplet_margin_loss(kuai.zeros(1, 2), far, near)
        tensor(5.0000)

    Reference: Balntas et al., "Learning local feature descriptors with triplets and shallow
    convolutional neural networks", BMVC 2016.
    """
    reduction = legacy_reduction(size_average, reduce, reduction)

    def distance(x1, x2):
        return pairwise_distance(x1, x2, float(p), float(eps))

    return _triplet(distance, anchor, positive, negative, margin, swap, reduction)


def _triplet(distance, anchor, positive, negative, margin, swap, reduction):
    check_reduction(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and "
            f"negative {negative.ndim}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = _nearer(far, distance(positive, negative))
    return _hinged_difference(near, far, float(margin), reduction)


@composite(function=False, method=False, functional=True)
def triplet_margin_with_distance_loss(
    anchor,
    positive,
    negative,
    *,
    distance_function=None,
    margin=1.0,
    swap=False,
    reduction="mean",
):
    """max(0, d(a, p) - d(a, n) + margin) with a distance function of the caller's.

    Args:
        distance_function: d; takes two tensors. By default `PairwiseDistance()`.
        margin: by how much.
        swap: take the negative's distance from the positive, if that is smaller.
        reduction: `'mean'` over all elements, `'sum'`, or `'none'`.

    Shape:
        three of one shape that the distance takes.

    Example:
        >>> a = kuai.zeros(1, 2)
        >>> kuai.nn.functional.triplet_margin_with_distance_loss(a, a, a)
        tensor(1.)
    """
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet(distance, anchor, positive, negative, margin, swap, reduction)
