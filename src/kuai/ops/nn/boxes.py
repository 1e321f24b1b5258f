"""Which of many overlapping boxes stay: non-maximum suppression, and overlaps of turned boxes."""

import jax
import jax.numpy as jnp
from jax import lax

from kuai.engine.op import Array, Number, composite, op

__all__ = ["box_iou_rotated", "nms"]

_CLOSE = 1e-5  # of an edge: places that differ by less are one


def _check_boxes(boxes, scores):
    if boxes.ndim != 2:
        raise RuntimeError(f"boxes should be a 2d tensor, got {boxes.ndim}D")
    if boxes.shape[1] != 4:
        raise RuntimeError(f"boxes should have 4 elements in dimension 1, got {boxes.shape[1]}")
    if scores.ndim != 1:
        raise RuntimeError(f"scores should be a 1d tensor, got {scores.ndim}D")
    if boxes.shape[0] != scores.shape[0]:
        raise RuntimeError(
            "boxes and scores should have same number of elements in dimension 0, got "
            f"{boxes.shape[0]} and {scores.shape[0]}"
        )


@op(function=False, method=False, grad=None)
def _suppress(boxes: Array, scores: Array, iou_threshold: Number):
    """The boxes by falling score, and for each of them whether it stays."""
    kind = jnp.promote_types(boxes.dtype, jnp.float32)
    order = jnp.argsort(scores, descending=True, stable=True)
    left, top, right, bottom = boxes[order].astype(kind).T
    areas = (right - left) * (bottom - top)
    places = jnp.arange(len(order))

    def look(number, stays):
        width = jnp.minimum(right, right[number]) - jnp.maximum(left, left[number])
        height = jnp.minimum(bottom, bottom[number]) - jnp.maximum(top, top[number])
        shared = jnp.maximum(width, 0) * jnp.maximum(height, 0)
        overlaps = shared / (areas[number] + areas - shared) > iou_threshold
        return stays & ~(stays[number] & overlaps & (places > number))

    if len(order) == 0:
        return order.astype(jnp.int64), jnp.ones(0, bool)
    stays = lax.fori_loop(0, len(order), look, jnp.ones(len(order), bool))
    return order.astype(jnp.int64), stays


@composite(function=False, method=False)
def nms(dets, scores, iou_threshold):
    """The indices of the boxes that no better box covers, by falling score.

    A box goes if a box that stays, of a higher score, shares with it more than `iou_threshold` of
    what the two cover together.

    Shape: boxes `(N, 4)` as left, top, right, bottom; scores `(N,)`; the result `(K,)`.

    Raises:
        RuntimeError: boxes and scores are of other shapes.

    Example:
        >>> boxes = kuai.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]])
        >>> kuai.ops.torchvision.nms(boxes, kuai.tensor([0.5, 0.9, 0.3]), 0.5)
        tensor([1, 2])
    """
    _check_boxes(dets, scores)
    order, stays = _suppress(dets.detach(), scores.detach(), iou_threshold)
    return order[stays]


# Turned boxes -------------------------------------------------------------------------------------


def _corners(box):
    """The four corners of a box (x, y, width, height, degrees), one after the other."""
    x, y, width, height, angle = box
    cos, sin = jnp.cos(jnp.deg2rad(angle)) / 2, jnp.sin(jnp.deg2rad(angle)) / 2
    signs = jnp.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], box.dtype)
    across, down = signs[:, 0] * width, signs[:, 1] * height
    return jnp.stack([x + cos * across + sin * down, y - sin * across + cos * down], axis=1)


def _cross(first, second):
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]


def _crossings(corners, others):
    """Where the edges of two polygons meet, `(16, 2)`, and which of these places there are."""
    edges, sides = (jnp.roll(each, -1, axis=0) - each for each in (corners, others))
    apart = others[None] - corners[:, None]
    turn = _cross(edges[:, None], sides[None])
    usable = jnp.where(jnp.abs(turn) > 1e-14, turn, jnp.inf)
    on_edge = _cross(apart, sides[None]) / usable
    on_side = _cross(apart, edges[:, None]) / usable
    meets = (turn != 0) & jnp.isfinite(usable)
    for share in (on_edge, on_side):
        meets &= (share >= -_CLOSE) & (share <= 1 + _CLOSE)
    places = corners[:, None] + on_edge[..., None] * edges[:, None]
    return places.reshape(16, 2), meets.reshape(16)


def _inside(points, corners):
    """Which points lie in a polygon, or very near to its edge."""
    sides = jnp.roll(corners, -1, axis=0) - corners
    distance = _cross(sides[None], points[:, None] - corners[None])
    return jnp.all(distance >= -_CLOSE * jnp.max(jnp.abs(sides)), axis=1)


def _shared_area(corners, others):
    """The area of the polygon whose corners are the crossings, and the corners in the other one."""
    crossings, meets = _crossings(corners, others)
    points = jnp.concatenate([crossings, corners, others])
    there = jnp.concatenate([meets, _inside(corners, others), _inside(others, corners)])
    count = jnp.maximum(there.sum(), 1)
    points = points - jnp.where(there[:, None], points, 0).sum(0) / count
    angles = jnp.where(there, jnp.arctan2(points[:, 1], points[:, 0]), jnp.inf)
    order = jnp.argsort(angles)
    around = jnp.where(there[order, None], points[order], points[order[0]])
    area = jnp.abs(jnp.sum(_cross(around, jnp.roll(around, -1, axis=0)))) / 2
    return jnp.where(there.sum() > 2, area, 0)


def _overlap(first, second):
    middle = (first[:2] + second[:2]) / 2  # near the origin little is lost to rounding
    shift = jnp.concatenate([middle, jnp.zeros(3, first.dtype)])
    areas = first[2] * first[3], second[2] * second[3]
    shared = _shared_area(_corners(first - shift), _corners(second - shift))
    empty = (areas[0] < 1e-14) | (areas[1] < 1e-14)
    return jnp.where(empty, 0, shared / (areas[0] + areas[1] - shared))


@op(function=False, method=False, grad=None)
def box_iou_rotated(boxes1: Array, boxes2: Array):
    """How much of what two turned boxes cover they share, for every pair.

    Shape: boxes `(N, 5)` and `(M, 5)` as x and y of the middle, width, height, degrees
    counter-clockwise; the result `(N, M)`.

    Example:
        >>> boxes = kuai.tensor([[0.0, 0.0, 2.0, 2.0, 0.0], [0.0, 0.0, 2.0, 2.0, 90.0]])
        >>> kuai.ops.torchvision.box_iou_rotated(boxes[:1], boxes).round(decimals=3)
        tensor([[1., 1.]])
    """
    kind = jnp.promote_types(boxes1.dtype, jnp.float32)
    first, second = boxes1.astype(kind), boxes2.astype(kind)
    pairs = jax.vmap(jax.vmap(_overlap, (None, 0)), (0, None))
    return pairs(first, second).astype(kind)
