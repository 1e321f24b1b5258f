"""vmap: a function for one example becomes a function for a batch."""

import functools
from collections.abc import Callable

import jax

from kuai.engine.autograd.batching import RANDOMNESS, is_batched, vectorize
from kuai.engine.tensor import Tensor
from kuai.engine.tensor.frames import folding
from kuai.engine.tensor.views import value
from kuai.func.trees import flatten, inside_transform, leaves_of, name_of
from kuai.ops.array.joining import cat
from kuai.ops.array.transposing import movedim
from kuai.utils._pytree import tree_structure

__all__ = ["vmap"]


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None) -> Callable:
    """A function that runs `func` for every slice of its arguments at once.

    Args:
        func: a function of tensors and nested containers of them.
        in_dims: the dimension that is sliced, for all arguments or nested as they are; None for an
            argument that is the same for every slice, as keyword arguments always are.
        out_dims: where the results get their new dimension.
        randomness: "different" random numbers for every slice, the "same", or an "error".
        chunk_size: at most so many slices at a time, to save memory.

    Example:
        >>> dot = kuai.vmap(kuai.dot)
        >>> dot(kuai.ones(3, 2), kuai.ones(3, 2))
        tensor([2., 2., 2.])
    """
    if randomness not in RANDOMNESS:
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}"
        )
    if chunk_size is not None and not chunk_size > 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    @folding
    def wrapped(*args, **kwargs):
        call = Call(func, in_dims, out_dims, randomness, args, kwargs)
        return call.run(chunk_size)

    return wrapped


class Call:
    """One call of a vmapped function: its arguments taken apart."""

    def __init__(self, func, in_dims, out_dims, randomness, args, kwargs):
        self.func, self.kwargs = func, kwargs
        self.out_dims, self.randomness = out_dims, randomness
        self.name = name_of(func)
        self.leaves, self.tree = flatten(args)
        if not self.leaves:
            raise ValueError(
                f"vmap({self.name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or "
                "you are trying to vmap over a function with no inputs. The latter is unsupported."
            )
        self.start = f"vmap({self.name}, in_dims={in_dims}, ...)(<inputs>): "
        dims = self._dims_of_inputs(in_dims, args)
        dims = [self._checked(leaf, dim) for leaf, dim in zip(self.leaves, dims, strict=True)]
        self.positions = [i for i, dim in enumerate(dims) if dim is not None]
        self.dims = [dims[i] for i in self.positions]
        self.size = self._size()

    def _dims_of_inputs(self, in_dims, args):
        if not isinstance(in_dims, (int, tuple)):
            raise ValueError(
                f"{self.start}expected `in_dims` to be int or a (potentially nested) tuple "
                f"matching the structure of inputs, got: {type(in_dims)}."
            )
        return spread(in_dims, args, self._incompatible)

    def _incompatible(self, in_dims, args):
        return ValueError(
            f"{self.start}in_dims is not compatible with the structure of `inputs`. in_dims has "
            f"structure {tree_structure(in_dims)} but inputs has structure {tree_structure(args)}."
        )

    def _checked(self, leaf, dim):
        if dim is None:
            return None
        if not isinstance(dim, int):
            raise ValueError(
                f"{self.start}Got in_dim={dim} for an input but in_dim must be either an integer "
                "dimension or None."
            )
        if not isinstance(leaf, Tensor):
            raise ValueError(
                f"{self.start}Got in_dim={dim} for an input but the input is of type {type(leaf)}. "
                "We cannot vmap over non-Tensor arguments, please use None as the respective "
                "in_dim"
            )
        if not -leaf.ndim <= dim < leaf.ndim:
            raise ValueError(
                f"{self.start}Got in_dim={dim} for some input, but that input is a Tensor of "
                f"dimensionality {leaf.ndim} so expected in_dim to satisfy "
                f"-{leaf.ndim} <= in_dim < {leaf.ndim}."
            )
        return dim % leaf.ndim

    def _size(self):
        sizes = [
            self.leaves[i].shape[dim] for i, dim in zip(self.positions, self.dims, strict=True)
        ]
        if not sizes:
            raise ValueError(
                f"vmap({self.name}, in_dims=None, ...)(<inputs>): at least one argument has to "
                "have an in_dim that is not None."
            )
        if len(set(sizes)) > 1:
            raise ValueError(
                "vmap: Expected all tensors to have the same size in the mapped dimension, got "
                f"sizes {sizes} for the mapped dimension"
            )
        return sizes[0]

    def run(self, chunk_size):
        """The function's results, put together."""
        tensors = [self.leaves[i] for i in self.positions]
        if chunk_size is None or chunk_size >= self.size:
            return self._run(tensors, self.size)
        parts = []
        for start in range(0, self.size, chunk_size):
            size = min(chunk_size, self.size - start)
            pieces = [t.narrow(d, start, size) for t, d in zip(tensors, self.dims, strict=True)]
            parts.append(self._run(pieces, size))
        return self._joined(parts)

    def _joined(self, parts):
        dims = self.dims_of_outputs
        columns = zip(*(leaves_of(part) for part in parts), strict=True)
        joined = [c[0] if d is None else cat(c, d) for c, d in zip(columns, dims, strict=True)]
        return jax.tree.unflatten(self.result_tree, joined)

    def _run(self, tensors, size):
        stacked, single = vectorize(self._body, tensors, self.dims, size, self.randomness)
        arriving, constant = iter(stacked), iter(single)
        results = [
            next(constant) if dim is None else movedim(next(arriving), 0, dim)
            for dim in self.dims_of_outputs
        ]
        return jax.tree.unflatten(self.result_tree, results)

    def _body(self, stand_ins):
        leaves = list(self.leaves)
        for position, stand_in in zip(self.positions, stand_ins, strict=True):
            leaves[position] = stand_in
        args = jax.tree.unflatten(self.tree, leaves)
        with inside_transform():
            leaves, self.result_tree = flatten(result := self.func(*args, **self.kwargs))
        self.dims_of_outputs = spread(self.out_dims, result, self._incompatible_results)
        self._check_results(leaves)
        pairs = list(zip(leaves, self.dims_of_outputs, strict=True))
        return [r for r, d in pairs if d is not None], [r for r, d in pairs if d is None]

    def _incompatible_results(self, out_dims, result):
        return ValueError(
            f"vmap({self.name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible "
            f"with the structure of `outputs`. out_dims has structure "
            f"{tree_structure(out_dims)} but outputs has structure {tree_structure(result)}."
        )

    def _check_results(self, leaves):
        for leaf, dim in zip(leaves, self.dims_of_outputs, strict=True):
            if not isinstance(leaf, Tensor):
                raise ValueError(
                    f"vmap({self.name}, ...): `{self.name}` must only return Tensors, got type "
                    f"{type(leaf)}. Did you mean to set out_dims= to None for output?"
                )
            if dim is None and is_batched(value(leaf)):
                raise ValueError(
                    f"vmap({self.name}, ...): `{self.name}` can not return a BatchedTensor when "
                    "out_dim is None"
                )
            if dim is not None and not -leaf.ndim - 1 <= dim <= leaf.ndim:
                raise IndexError(
                    f"Dimension out of range (expected to be in range of [{-leaf.ndim - 1}, "
                    f"{leaf.ndim}], but got {dim})"
                )


def spread(dims, nested, error):
    """One dimension for each leaf: `dims` is nested as `nested` is, or stops earlier."""
    if dims is None or isinstance(dims, int):
        return [dims] * len(leaves_of(nested))
    if not isinstance(dims, type(nested)) and not (
        isinstance(dims, (list, tuple)) and isinstance(nested, (list, tuple))
    ):
        if isinstance(dims, (list, tuple)) and len(dims) == 1:
            return spread(dims[0], nested, lambda *_: error(dims, nested))
        raise error(dims, nested)
    if len(dims) != len(nested) or (isinstance(dims, dict) and set(dims) != set(nested)):
        raise error(dims, nested)
    pairs = (
        [(dims[key], nested[key]) for key in nested]
        if isinstance(dims, dict)
        else list(zip(dims, nested, strict=True))
    )

    def of_the_whole(*_):
        return error(dims, nested)

    return [dim for part, inner in pairs for dim in spread(part, inner, of_the_whole)]
