"""`rearrange`: reshaping and transposing as a pattern of names says.

A side of a pattern is a list of groups of axes: a name alone is a group of one, parentheses are a
group (a tuple here), 1 is a group of none, and `...` stands for as many groups as the tensor has
dimensions left.
"""

import keyword
import math
import re
import warnings

from kuai.engine.tensor import Tensor
from kuai.ops.array import shaping, transposing
from kuai.ops.array.joining import stack
from kuai.ops.array.shaping import shape_of

__all__ = ["DimensionBindError", "rearrange"]

_DOTS = "…"


class DimensionBindError(Exception):
    """The sizes of a tensor do not fit a pattern."""


def rearrange(tensor, pattern: str, **axes_lengths: int) -> Tensor:
    """The elements in the order that a pattern of names says, as einops has it.

    `"b (h p) c -> b p (c h)"` splits the second dimension, transposes, and joins the last two.

    Args:
        tensor: a tensor, or a sequence of tensors, which are stacked first.
        pattern: names of axes on both sides of `->`; parentheses around those that are one
            dimension, `1` for a dimension of one, `...` for all others.
        axes_lengths: sizes of axes that cannot be found out.

    Example:
        >>> kuai.func.rearrange(kuai.arange(4), "(a b) -> b a", a=2)
        tensor([[0, 2],
                [1, 3]])

    Reference: Rogozhnikov, "Einops", ICLR 2022.
    """
    if not isinstance(tensor, Tensor):
        tensor = stack(tensor)
    for length in axes_lengths.values():
        if type(length) is not int:
            raise TypeError(f"rearrange axis lengths must be integers, got: {type(length)}")
    left, right = _sides(pattern)
    _check_names(left, right, axes_lengths, pattern)
    shape = tuple(shape_of(tensor))
    groups, left, right = _without_dots(left, right, len(shape))
    sizes = _sizes(groups, shape, axes_lengths)
    order = [left.index(axis) for group in right for axis in group]
    split = shaping.reshape(tensor, tuple(sizes[axis] for axis in left))
    moved = transposing.permute(split, order)
    return shaping.reshape(moved, tuple(math.prod(sizes[a] for a in group) for group in right))


def _sides(pattern):
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError("Pattern must contain a single '->' separator")
    return [_groups(side) for side in sides]


def _groups(side):
    """The groups of axes of one side; `...` is an axis called `…`."""
    if "." in side:
        if "..." not in side:
            raise ValueError("Expression may contain dots only inside ellipsis (...)")
        if side.count("...") != 1 or side.count(".") != 3:
            raise ValueError(
                "Expression may contain dots only inside ellipsis (...); only one ellipsis for "
                "tensor "
            )
        side = side.replace("...", _DOTS)
    groups, inside = [], None
    for word in re.findall(r"[()]|[^\s()]+", side):
        if word == "(":
            if inside is not None:
                raise ValueError(
                    "Axis composition is one-level (brackets inside brackets not allowed)"
                )
            inside = []
        elif word == ")":
            if inside is None:
                raise ValueError("Brackets are not balanced")
            groups.append(tuple(inside))
            inside = None
        elif inside is None:
            groups.append(_axis(word))
        else:
            inside += _axis(word)
    if inside is not None:
        raise ValueError(f"Imbalanced parentheses in expression: '{side}'")
    _check_once([axis for group in groups for axis in group])
    return groups


def _axis(word):
    """The axes that a word stands for: one, or none for 1."""
    if word.isdecimal():
        if int(word) != 1:
            raise ValueError("rearrange only supports unnamed axes of size 1")
        return []
    if word != _DOTS:
        _check_identifier(word)
    return [word]


def _check_identifier(word):
    if not word.isidentifier():
        raise ValueError(f"Invalid axis identifier: {word}\nnot a valid python identifier")
    if word.startswith("_") or word.endswith("_"):
        raise ValueError(
            f"Invalid axis identifier: {word}\n"
            "axis name should should not start or end with underscore"
        )
    if keyword.iskeyword(word):
        warnings.warn(
            f"It is discouraged to use axes names that are keywords: {word}",
            RuntimeWarning,
            stacklevel=2,
        )


def _check_once(axes):
    for axis in axes:
        if axes.count(axis) > 1:
            raise ValueError(f"Indexing expression contains duplicate dimension '{axis}'")


def _check_names(left, right, lengths, pattern):
    has = [{axis for group in side for axis in group} for side in (left, right)]
    if _DOTS in has[1] and _DOTS not in has[0]:
        raise ValueError(f"Ellipsis found in right side, but not left side of a pattern {pattern}")
    if any(_DOTS in group for group in left if type(group) is tuple):
        raise ValueError(f"Ellipsis is parenthesis in the left side is not allowed: {pattern}")
    if has[0] ^ has[1]:
        raise ValueError(
            "Identifiers only on one side of rearrange expression (should be on both): "
            f"{has[0] ^ has[1]}"
        )
    unknown = lengths.keys() - has[0]
    if unknown:
        raise ValueError(f"Identifiers not found in rearrange expression: {unknown}")


def _without_dots(left, right, ndim):
    """The groups on the left, its axes, and the groups on the right; `…` is as many as needed."""
    missing = ndim - len(left)
    if [_DOTS] in left:
        missing += 1
    if missing < 0 or ([_DOTS] not in left and missing):
        raise ValueError(
            f"Number of dimensions in pattern ({len(left)}) must be equal to the number of "
            f"dimensions in the tensor ({ndim})"
        )
    dots = [f"{_DOTS}{number}" for number in range(missing)]
    groups = list(_alone(left, dots))
    axes = [axis for group in groups for axis in group]
    return groups, axes, [_spread(group, dots) for group in _alone(right, dots)]


def _alone(groups, dots):
    """Each dimension that `...` stands for is a group of its own where it has no parentheses."""
    for group in groups:
        if group == [_DOTS]:
            yield from ([dot] for dot in dots)
        else:
            yield group


def _spread(group, dots):
    return [axis for name in group for axis in (dots if name == _DOTS else [name])]


def _sizes(groups, shape, lengths):
    """The size of each axis on the left."""
    sizes = dict(lengths)
    for group, size in zip(groups, shape, strict=True):
        open_axes = [axis for axis in group if axis not in sizes]
        known = math.prod(sizes[axis] for axis in group if axis in sizes)
        if len(open_axes) > 1:
            raise DimensionBindError(
                "cannot infer the sizes of two dimensions at once "
                f"{open_axes[0]} and {open_axes[1]}"
            )
        if open_axes and (known == 0 or size % known):
            raise DimensionBindError(
                f"inferred dimension does not evenly fit into larger dimension: {size} vs {known}"
            )
        if open_axes:
            sizes[open_axes[0]] = size // known
        elif known != size:
            raise DimensionBindError(
                f"Dimension sizes to do not match ({size} != {known}) when matching dimension pack "
                f"({', '.join(group)})"
            )
    return sizes
