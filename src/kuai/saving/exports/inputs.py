"""The inputs of an exported program: their names, and which of their sizes are left open."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import export

from kuai.engine.tensor import Tensor, from_array
from kuai.engine.tensor.concrete import is_tensor_leaf
from kuai.engine.tensor.views import value
from kuai.errors import ExportError
from kuai.nn.base.module import Module

__all__ = ["Input", "Inputs"]

_BATCH = "batch"
_CONSTANTS = (bool, int, float, complex, str, bytes)


class Input(NamedTuple):
    """One array that a program is given; a size is a number, or a name where it is left open."""

    name: str
    shape: tuple[int | str, ...]
    dtype: np.dtype


class Inputs:
    """The arguments a net is exported for, taken apart.

    Tensors and arrays become inputs of the program. Any other argument is part of the program, and
    stands in the tree as None.

    Args:
        args, kwargs: the arguments of the example.
        dynamic_batch: leave the first size open wherever it is the first tensor's.
        dynamic_shapes: `{name of an input: {dimension: name of its size}}`, instead.
        names: the inputs' names; default: those of `forward`'s parameters.
    """

    def __init__(self, net: Module, args, kwargs, dynamic_batch, dynamic_shapes, names=None):
        paths, self.tree = jax.tree.flatten_with_path(
            (args, kwargs), is_leaf=lambda leaf: leaf is None or is_tensor_leaf(leaf)
        )
        self.leaves = [_checked(leaf) for _, leaf in paths]
        found = _names(net, [path for path, _ in paths])
        self.constants = [
            (name, leaf)
            for name, leaf in zip(found, self.leaves, strict=True)
            if leaf is not None and not isinstance(leaf, Tensor)
        ]
        arrays = [(n, value(t)) for n, t in zip(found, self.leaves, strict=True) if _is_input(t)]
        given = _checked_names(arrays, names)
        opened = _open_sizes(arrays, dynamic_batch, _by_name(arrays, given, dynamic_shapes))
        self.inputs = [
            Input(name, tuple(opened[own].get(d, int(s)) for d, s in enumerate(a.shape)), a.dtype)
            for name, (own, a) in zip(given, arrays, strict=True)
        ]

    def avals(self) -> list[jax.ShapeDtypeStruct]:
        """Shapes and dtypes to trace with; sizes of one name are one symbol."""
        names = dict.fromkeys(s for i in self.inputs for s in i.shape if isinstance(s, str))
        scope = export.SymbolicScope()
        symbols: dict[Any, Any] = {
            name: export.symbolic_shape(name, scope=scope)[0] for name in names
        }
        return [
            jax.ShapeDtypeStruct(tuple(symbols.get(s, s) for s in i.shape), i.dtype)
            for i in self.inputs
        ]

    def arranged(self, arrays: Iterable[Any], with_constants: bool) -> tuple[tuple, dict]:
        """Positional and keyword arguments with `arrays` in place of the tensors."""
        arriving = iter(arrays)
        rest = [leaf if with_constants else None for leaf in self.leaves]
        return jax.tree.unflatten(
            self.tree,
            [
                next(arriving) if _is_input(leaf) else other
                for leaf, other in zip(self.leaves, rest, strict=True)
            ],
        )


def _is_input(leaf) -> bool:
    return isinstance(leaf, Tensor)


def _checked(leaf):
    if leaf is None or isinstance(leaf, (Tensor, *_CONSTANTS)):
        return leaf
    if isinstance(leaf, (np.ndarray, jax.Array)):
        return from_array(leaf)
    raise ExportError(
        f"The example has a {type(leaf).__name__} in it. A net is exported for tensors, plain "
        "Python values, and tuples, lists and dicts of them."
    )


# Names --------------------------------------------------------------------------------------------


def _names(net: Module, paths) -> list[str]:
    """`x` for a tensor, `states_0` for one inside: what `forward` calls it, and where it is."""
    parameters = list(inspect.signature(net.forward).parameters.values())
    return ["_".join(_parts(path, parameters)) for path in paths]


def _parts(path, parameters) -> list[str]:
    (_, first), (_, second), *rest = [(key, _key(key)) for key in path]
    inner = [str(_key(key)) for key, _ in rest]
    if first == 1:
        return [second, *inner]
    ordered = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if second < len(ordered):
        return [ordered[second].name, *inner]
    several = [p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL]
    return [several[0] if several else "input", str(second - len(ordered)), *inner]


def _key(key) -> Any:
    return getattr(key, "key", getattr(key, "idx", getattr(key, "name", None)))


def _checked_names(arrays, names) -> list[str]:
    if names is None:
        return [name for name, _ in arrays]
    if len(names) != len(arrays) or len(set(names)) != len(names):
        raise ValueError(
            f"{len(arrays)} inputs need {len(arrays)} different names, but input_names is "
            f"{list(names)}"
        )
    return list(names)


# Open sizes ---------------------------------------------------------------------------------------


def _open_sizes(arrays, dynamic_batch, dynamic_shapes) -> dict[str, dict[int, str]]:
    """For each input the dimensions whose sizes are left open, with the sizes' names."""
    opened: dict[str, dict[int, str]] = {name: {} for name, _ in arrays}
    if dynamic_shapes is not None:
        for name, chosen in dynamic_shapes.items():
            opened[name] = _chosen_sizes(name, chosen, dict(arrays)[name].ndim)
        return opened
    sized = [(name, array.shape[0]) for name, array in arrays if array.ndim]
    if dynamic_batch and sized:
        opened |= {name: {0: _BATCH} for name, size in sized if size == sized[0][1]}
    return opened


def _by_name(arrays, given, dynamic_shapes) -> dict[str, Any] | None:
    """The chosen sizes by the inputs' own names; the caller may use those, or the given ones."""
    if dynamic_shapes is None:
        return None
    if not isinstance(dynamic_shapes, Mapping):
        return dict(zip((name for name, _ in arrays), dynamic_shapes, strict=False))
    own = {name: own for name, (own, _) in zip(given, arrays, strict=True)}
    own |= {name: name for name, _ in arrays}
    unknown = [name for name in dynamic_shapes if name not in own]
    if unknown:
        raise ValueError(
            f"dynamic_shapes names {', '.join(map(repr, unknown))}, but the inputs are "
            f"{', '.join(map(repr, given))}"
        )
    return {own[name]: chosen for name, chosen in dynamic_shapes.items()}


def _chosen_sizes(input_name, chosen, ndim) -> dict[int, str]:
    pairs = chosen.items() if isinstance(chosen, Mapping) else enumerate(chosen or ())
    sizes = {
        dim % ndim: _size_name(input_name, dim, given)
        for dim, given in pairs
        if given is not None and not (isinstance(given, int) and not isinstance(given, bool))
    }
    return sizes


def _size_name(input_name, dim, given) -> str:
    name = given if isinstance(given, str) else getattr(given, "__name__", None)
    name = f"{input_name}_{dim}" if name is None else name
    if not name.isidentifier():
        raise ValueError(f"{name!r} cannot be the name of a size: it has to be an identifier")
    return name
