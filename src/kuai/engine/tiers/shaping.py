"""Rules of primitives that make, arrange and join arrays."""

import itertools

import numpy as np

from kuai.engine.tiers.rules import NotInterpretable, rule

__all__ = []


@rule("broadcast_in_dim")
def _broadcast_in_dim(equation):
    if len(equation.inputs) != 1:
        raise NotInterpretable
    shape, places = equation.params["shape"], equation.params["broadcast_dimensions"]
    aligned = [1] * len(shape)
    for size, place in zip(equation.inputs[0].shape, places, strict=True):
        aligned[place] = size
    aligned = tuple(aligned)
    if aligned == shape:
        return lambda x: np.reshape(x, aligned)
    return lambda x: np.broadcast_to(np.reshape(x, aligned), shape)


@rule("reshape")
def _reshape(equation):
    if equation.params.get("dimensions") is not None or len(equation.inputs) != 1:
        raise NotInterpretable
    return _to_shape(equation)


@rule("squeeze", "expand_dims")
def _to_shape(equation):
    shape = equation.outputs[0].shape
    return lambda x: np.reshape(x, shape)


@rule("transpose")
def _transpose(equation):
    order = equation.params["permutation"]
    return lambda x: np.transpose(x, order)


@rule("concatenate")
def _concatenate(equation):
    axis = equation.params["dimension"]
    return lambda *arrays: np.concatenate(arrays, axis)


@rule("split")
def _split(equation):
    axis = equation.params["axis"]
    ends = list(itertools.accumulate(equation.params["sizes"]))[:-1]
    return lambda x: tuple(np.split(x, ends, axis))


@rule("stack")
def _stack(equation):
    axis = equation.params["axis"]
    return lambda *arrays: np.stack(arrays, axis)


@rule("unstack")
def _unstack(equation):
    axis = equation.params["axis"]
    return lambda x: tuple(np.moveaxis(x, axis, 0))


@rule("rev")
def _rev(equation):
    axes = equation.params["dimensions"]
    return lambda x: np.flip(x, axes)


@rule("dim_as_value")
def _dim_as_value(equation):
    value = np.array(equation.params["dim"], equation.outputs[0].dtype)
    return lambda: value


@rule("iota")
def _iota(equation):
    if equation.inputs:
        raise NotInterpretable
    axis = equation.params["dimension"]
    shape, kind = equation.outputs[0]
    aligned = [1] * len(shape)
    aligned[axis] = shape[axis]
    made = np.broadcast_to(np.arange(shape[axis]).astype(kind).reshape(aligned), shape)
    return lambda: made


@rule("pad")
def _pad(equation):
    config, shape = equation.params["padding_config"], equation.outputs[0].shape
    kind = equation.outputs[0].dtype
    wide, into, cut = [], [], []
    for size, (low, high, inner) in zip(equation.inputs[0].shape, config, strict=True):
        reach = size + max(size - 1, 0) * inner
        start = max(low, 0)
        wide.append(start + reach + max(high, 0))
        into.append(slice(start, start + reach, inner + 1))
        cut.append(slice(-min(low, 0), wide[-1] + min(high, 0)))
    wide, into, cut = tuple(wide), tuple(into), tuple(cut)

    def pad(x, filling):
        made = np.empty(wide, kind)
        made[...] = filling
        made[into] = x
        return made[cut].reshape(shape)

    return pad


# Slices -------------------------------------------------------------------------------------------


@rule("slice")
def _slice(equation):
    params = equation.params
    strides = params["strides"] or (1,) * len(params["start_indices"])
    limits = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    chosen = tuple(slice(*each) for each in limits)
    return lambda x: x[chosen]


def _starts(given, sizes, shape):
    """Where a slice begins: moved so that it fits."""
    return [
        min(max(int(start), 0), whole - size)
        for start, size, whole in zip(given, sizes, shape, strict=True)
    ]


@rule("dynamic_slice")
def _dynamic_slice(equation):
    sizes, shape = equation.outputs[0].shape, equation.inputs[0].shape
    if len(equation.inputs) != 1 + len(shape):
        raise NotInterpretable

    def dynamic_slice(x, *given):
        starts = _starts(given, sizes, shape)
        return x[tuple([slice(s, s + n) for s, n in zip(starts, sizes, strict=True)])]

    return dynamic_slice


@rule("dynamic_update_slice")
def _dynamic_update_slice(equation):
    shape, sizes = equation.inputs[0].shape, equation.inputs[1].shape

    def dynamic_update_slice(x, part, *given):
        starts = _starts(given, sizes, shape)
        made = np.array(x)
        made[tuple([slice(s, s + n) for s, n in zip(starts, sizes, strict=True)])] = part
        return made

    return dynamic_update_slice
