"""Rules of `gather` and `scatter`, by index arrays for each dimension of the operand.

An element of the result (of a scatter: of the updates) has a place among the indices, its *batch*
dimensions, and one in a window, its *offset* dimensions. Where it lies in the operand is the sum of
where its window begins and its place in the window.
"""

from typing import Any

import numpy as np

from kuai.engine.tiers.reducing import extreme
from kuai.engine.tiers.rules import NotInterpretable, is_half, rule

__all__ = []


def _mode(equation):
    return str(getattr(equation.params["mode"], "name", equation.params["mode"]))


class _Windows:
    """How windows lie in an operand."""

    def __init__(self, shape, sizes, indices, result, window_dims, inserted, batching, start_map):
        self.shape, self.sizes, self.start_map = shape, sizes, start_map
        self.rank = len(result)
        self.batch_dims = [i for i in range(self.rank) if i not in window_dims]
        kept = [d for d in range(len(shape)) if d not in inserted and d not in batching[0]]
        self.offsets = []  # (dimension of the operand, the places in the window)
        for dim, place in zip(kept, window_dims, strict=True):
            self.offsets.append((dim, self._along(place, sizes[dim])))
        self.batching = []  # (dimension of the operand, its index)
        for dim, of_indices in zip(*batching, strict=True):
            place = self.batch_dims[of_indices]
            self.batching.append((dim, self._along(place, shape[dim])))
        aligned = [1] * self.rank
        for place, size in zip(self.batch_dims, indices[:-1], strict=True):
            aligned[place] = size
        self.aligned = tuple(aligned)

    def _along(self, place, size):
        aligned = [1] * self.rank
        aligned[place] = size
        return np.arange(size).reshape(aligned)

    def places(self, indices, clip):
        """The index arrays, and where windows lie inside (None: everywhere)."""
        found, inside = [0] * len(self.shape), None
        for number, dim in enumerate(self.start_map):
            start = indices[..., number].astype(np.int64).reshape(self.aligned)
            last = self.shape[dim] - self.sizes[dim]
            if not clip:
                fits = (start >= 0) & (start <= last)
                inside = fits if inside is None else inside & fits
            found[dim] = np.clip(start, 0, max(last, 0))
        for dim, places in (*self.offsets, *self.batching):
            found[dim] = found[dim] + places
        return tuple([np.asarray(each) for each in found]), inside


@rule("gather")
def _gather(equation):
    numbers, (operand, indices) = equation.params["dimension_numbers"], equation.inputs
    shape, kind = equation.outputs[0]
    windows = _Windows(
        operand.shape, equation.params["slice_sizes"], indices.shape, shape,
        numbers.offset_dims, numbers.collapsed_slice_dims,
        (numbers.operand_batching_dims, numbers.start_indices_batching_dims),
        numbers.start_index_map,
    )  # fmt: skip
    if operand.size == 0:
        raise NotInterpretable
    clip = _mode(equation) != "FILL_OR_DROP"
    filling: Any = None if clip else _filling(equation.params["fill_value"], kind)

    def gather(x, indices):
        places, inside = windows.places(indices, clip)
        made = np.broadcast_to(np.asarray(x)[places], shape)
        if inside is None or inside.all():
            return made
        return np.where(inside, made, filling)

    return gather


def _filling(given, kind):
    if given is not None:
        return np.array(given).astype(kind)[()]
    if kind.kind in "fV":
        return np.array(np.nan).astype(kind)[()]
    return (
        kind.type(True) if kind == np.bool_ else extreme("max" if kind.kind == "i" else "min", kind)
    )


_SCATTERS = {
    "scatter": None, "scatter-add": np.add, "scatter_add": np.add, "scatter-mul": np.multiply,
    "scatter_mul": np.multiply, "scatter-min": np.minimum, "scatter_min": np.minimum,
    "scatter-max": np.maximum, "scatter_max": np.maximum,
}  # fmt: skip


@rule(*_SCATTERS)
def _scatter(equation):
    function, numbers = _SCATTERS[equation.name], equation.params["dimension_numbers"]
    operand, indices, updates = equation.inputs
    inserted = numbers.inserted_window_dims
    batching = (numbers.operand_batching_dims, numbers.scatter_indices_batching_dims)
    kept = [d for d in range(len(operand.shape)) if d not in inserted and d not in batching[0]]
    sizes = [1] * len(operand.shape)
    for dim, place in zip(kept, numbers.update_window_dims, strict=True):
        sizes[dim] = updates.shape[place]
    windows = _Windows(
        operand.shape, sizes, indices.shape, updates.shape, numbers.update_window_dims,
        inserted, batching, numbers.scatter_dims_to_operand_dims,
    )  # fmt: skip
    if operand.size == 0 or updates.size == 0:
        return lambda x, indices, updates: x
    clip = _mode(equation) == "CLIP"
    wide = np.dtype(np.float32) if is_half(operand.dtype) else operand.dtype

    def scatter(x, indices, updates):
        places, inside = windows.places(indices, clip)
        made, updates = np.array(x, wide), np.asarray(updates)
        if inside is not None and not inside.all():
            chosen = np.broadcast_to(inside, updates.shape)
            places = tuple([np.broadcast_to(p, updates.shape)[chosen] for p in places])
            updates = updates[chosen]
        if function is None:
            made[places] = updates
        else:
            function.at(made, places, updates.astype(wide))
        return made.astype(operand.dtype, copy=False)

    return scatter
