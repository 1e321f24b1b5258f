"""Jacobians and Hessians: every derivative of every output, one batched pass over unit vectors."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.frames import folding
from kuai.func.differentiating import jvp, vjp
from kuai.func.trees import flatten, leaves_of, structure, tree_map
from kuai.func.vectorizing import vmap
from kuai.ops.array.creation import zeros
from kuai.ops.array.joining import cat
from kuai.ops.array.sequences import eye

__all__ = ["hessian", "jacfwd", "jacrev"]


def jacrev(
    func,
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux=False,
    chunk_size=None,
    _preallocate_and_copy=False,
) -> Callable[..., Any]:
    """A function that computes the Jacobian of `func`, backward: one pass per output element.

    The result is nested as the outputs are, and in each of them as the arguments are; each tensor
    has the shape `(*output.shape, *input.shape)`.

    Args:
        chunk_size: at most so many passes at once, to save memory.

    Example:
        >>> kuai.func.jacrev(lambda x: x * x)(kuai.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """

    @functools.wraps(func)
    @folding
    def wrapped(*args, **kwargs):
        _check_real("jacrev", args, "inputs")
        partial, chosen = _of_chosen(func, args, kwargs, argnums)
        output, pull_back, *aux = vjp(partial, *chosen, has_aux=has_aux)
        outputs, output_tree = flatten(output)
        _check_real("jacrev", outputs, "outputs")
        pull = vmap(lambda *c: pull_back(jax.tree.unflatten(output_tree, c)),
                    chunk_size=chunk_size)  # fmt: skip
        rows = leaves_of(pull(*_unit_vectors(outputs)))
        inputs, tree = flatten(chosen)
        columns = [_split_rows(row, outputs, x) for row, x in zip(rows, inputs, strict=True)]
        blocks = [
            _of_argument(jax.tree.unflatten(tree, [column[i] for column in columns]), argnums)
            for i in range(len(outputs))
        ]
        made = jax.tree.unflatten(output_tree, blocks)
        return (made, *aux) if has_aux else made

    return wrapped


def jacfwd(
    func, argnums: int | tuple[int, ...] = 0, has_aux=False, *, randomness="error"
) -> Callable[..., Any]:
    """A function that computes the Jacobian of `func`, forward: one pass per input element.

    The result is as that of `jacrev`.

    Example:
        >>> kuai.func.jacfwd(lambda x: x * x)(kuai.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """

    @functools.wraps(func)
    @folding
    def wrapped(*args, **kwargs):
        _check_real("jacfwd", args, "inputs")
        partial, chosen = _of_chosen(func, args, kwargs, argnums)
        inputs, tree = flatten(chosen)
        aux = []

        def push(*tangents):
            moved = jvp(partial, chosen, jax.tree.unflatten(tree, tangents), has_aux=has_aux)
            _check_real("jacfwd", moved[1], "outputs")
            aux[:] = [structure(moved[1])]
            return moved[1:]

        made = vmap(push, randomness=randomness)(*_unit_vectors(inputs))
        (output_tree,) = aux
        blocks = [
            _of_argument(jax.tree.unflatten(tree, _split_columns(moved, inputs)), argnums)
            for moved in leaves_of(made[0])
        ]
        result = jax.tree.unflatten(output_tree, blocks)
        return (result, tree_map(lambda t: t[0], made[1])) if has_aux else result

    return wrapped


def hessian(func, argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """A function that computes the matrix of second derivatives of a scalar-valued `func`.

    Example:
        >>> kuai.func.hessian(lambda x: (x ** 3).sum())(kuai.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    return jacrev(jacrev(func, argnums), argnums)


def _check_real(name, values, which):
    """PyTorch's error for complex numbers, of whose Jacobian there are two."""
    for number, leaf in enumerate(leaves_of(values)):
        if isinstance(leaf, Tensor) and leaf.is_complex():
            raise RuntimeError(
                f"{name}: Expected all {which} to be real but received complex tensor at flattened "
                f"input idx: {number}"
            )


def _of_chosen(func, args, kwargs, argnums):
    """The function of the chosen arguments alone, and those arguments."""
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    for number in numbers:
        if not -len(args) <= number < len(args):
            raise RuntimeError(f"Got argnum={number}, but only {len(args)} positional inputs")

    def partial(*chosen):
        every = list(args)
        for number, argument in zip(numbers, chosen, strict=True):
            every[number] = argument
        return func(*every, **kwargs)

    return partial, tuple(args[number] for number in numbers)


def _of_argument(per_argument, argnums):
    return per_argument[0] if isinstance(argnums, int) else tuple(per_argument)


def _unit_vectors(tensors):
    """For each tensor all unit vectors of all tensors together: `(total, *shape)`."""
    total, start, made = sum(t.numel() for t in tensors), 0, []
    for tensor in tensors:
        count = tensor.numel()
        kind = dict(dtype=tensor.dtype, device=tensor.device)
        parts = [zeros((start, count), **kind), eye(count, **kind),
                 zeros((total - start - count, count), **kind)]  # fmt: skip
        made.append(cat(parts).view(total, *tensor.shape))
        start += count
    return made


def _split_rows(rows, outputs, x):
    """A block for each output: `(*output.shape, *input.shape)`."""
    parts = rows.split([o.numel() for o in outputs])
    return [part.view((*o.shape, *x.shape)) for part, o in zip(parts, outputs, strict=True)]


def _split_columns(moved, inputs):
    """A block for each input, of tangents `(total, *output.shape)`."""
    shape = moved.shape[1:]
    flat = moved.reshape(moved.shape[0], math.prod(shape)).t()
    parts = flat.split([x.numel() for x in inputs], dim=1)
    return [part.reshape((*shape, *x.shape)) for part, x in zip(parts, inputs, strict=True)]
