"""Rules of primitives that go along dimensions: sums, extremes, scans, sorting, products."""

from typing import Any

import numpy as np

from kuai.engine.tiers.rules import NotInterpretable, in_float32, is_half, rule

__all__ = []

_REDUCTIONS = {
    "reduce_sum": np.add, "reduce_prod": np.multiply, "reduce_max": np.maximum,
    "reduce_min": np.minimum, "reduce_and": np.bitwise_and, "reduce_or": np.bitwise_or,
    "reduce_xor": np.bitwise_xor,
}  # fmt: skip
_SCANS = {
    "cumsum": np.add, "cumprod": np.multiply, "cummax": np.maximum, "cummin": np.minimum,
    "cumlogsumexp": np.logaddexp,
}  # fmt: skip


def extreme(name, dtype):
    """The number that changes no maximum (of a "max") or no minimum."""
    largest = name.endswith("min")
    if dtype == np.bool_:
        return np.bool_(largest)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return dtype.type(limits.max if largest else limits.min)
    return np.array(np.inf if largest else -np.inf).astype(dtype)[()]


def _accumulated(dtype):
    return np.dtype(np.float32) if is_half(dtype) else dtype


@rule(*_REDUCTIONS)
def _reduce(equation):
    function, axes = _REDUCTIONS[equation.name], tuple(equation.params["axes"])
    kind = _accumulated(equation.inputs[0].dtype)
    if equation.name in ("reduce_max", "reduce_min"):
        initial = extreme(equation.name, kind)
        return in_float32(lambda x: function.reduce(x, axes, initial=initial), equation)
    if not axes:
        return lambda x: x
    return in_float32(lambda x: function.reduce(x, axes, dtype=kind), equation)


@rule(*_SCANS)
def _scan(equation):
    function, axis = _SCANS[equation.name], equation.params["axis"]
    kind = _accumulated(equation.inputs[0].dtype)
    if not equation.params["reverse"]:
        return in_float32(lambda x: function.accumulate(x, axis, dtype=kind), equation)

    def backwards(x):
        return np.flip(function.accumulate(np.flip(x, axis), axis, dtype=kind), axis)

    return in_float32(backwards, equation)


@rule("argmax", "argmin")
def _arg(equation):
    (axis,), kind = equation.params["axes"], equation.outputs[0].dtype
    if not equation.inputs[0].shape[axis]:
        raise NotInterpretable
    function = np.argmax if equation.name == "argmax" else np.argmin
    return in_float32(lambda x: np.asarray(function(x, axis)).astype(kind), equation)


# Sorting ------------------------------------------------------------------------------------------


@rule("sort")
def _sort(equation):
    axis, keys = equation.params["dimension"], equation.params["num_keys"]
    single = len(equation.outputs) == 1

    def sort(*arrays):
        order: Any = None
        for key in reversed(arrays[:keys]):
            key = key.astype(np.float32) if is_half(key.dtype) else key
            key = key if order is None else np.take_along_axis(key, order, axis)
            found = np.argsort(key, axis, kind="stable")
            order = found if order is None else np.take_along_axis(order, found, axis)
        made = tuple([np.take_along_axis(array, order, axis) for array in arrays])
        return made[0] if single else made

    return sort


@rule("top_k")
def _top_k(equation):
    count, axis = equation.params["k"], equation.params.get("axis", -1)
    kind = equation.outputs[1].dtype
    if len(equation.inputs[0].shape) and axis not in (-1, len(equation.inputs[0].shape) - 1):
        raise NotInterpretable

    def top_k(x):
        wide = x.astype(np.float32) if is_half(x.dtype) else x
        # sorted upwards from the back, so that of equal ones the first comes first
        order = np.argsort(wide[..., ::-1], -1, kind="stable")[..., ::-1][..., :count]
        order = x.shape[-1] - 1 - order
        return np.take_along_axis(x, order, -1), order.astype(kind)

    return top_k


# Products -----------------------------------------------------------------------------------------


@rule("dot_general")
def _dot_general(equation):
    (left_sum, right_sum), (left_batch, right_batch) = equation.params["dimension_numbers"]
    left, right = equation.inputs
    shape, kind = equation.outputs[0]
    if left.dtype != right.dtype or left.dtype == np.bool_:
        raise NotInterpretable
    if not is_half(left.dtype) and kind != left.dtype and left.dtype.kind != "f":
        raise NotInterpretable
    left_free = [i for i in range(len(left.shape)) if i not in (*left_sum, *left_batch)]
    right_free = [i for i in range(len(right.shape)) if i not in (*right_sum, *right_batch)]
    left_order = (*left_batch, *left_free, *left_sum)
    right_order = (*right_batch, *right_sum, *right_free)
    size = lambda each, axes: int(np.prod([each.shape[i] for i in axes], dtype=np.int64))  # noqa: E731
    batch = (size(left, left_batch),) if left_batch else ()
    left_shape = (*batch, size(left, left_free), size(left, left_sum))
    right_shape = (*batch, size(right, right_sum), size(right, right_free))
    wide = np.float32 if is_half(left.dtype) else kind

    def dot_general(x, y):
        x = np.transpose(x, left_order).reshape(left_shape)
        y = np.transpose(y, right_order).reshape(right_shape)
        x = x if x.dtype == wide else x.astype(wide)
        y = y if y.dtype == wide else y.astype(wide)
        made = np.matmul(x, y).reshape(shape)
        return made if made.dtype == kind else made.astype(kind)

    return dot_general
