"""Shapes brought together, and norms kept within bounds."""

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.op.exact_out import SAME
from kuai.engine.tensor.promotion import scalar_name
from kuai.engine.tensor.size import Size
from kuai.ops.accumulation import spread, summed
from kuai.ops.array.shaping import integers
from kuai.ops.dimensions import normalize_dim
from kuai.ops.elementwise import FLOATING, kind_of
from kuai.ops.math.linalg import matrix_norm, vector_norm
from kuai.ops.math.norms import vector_norm_of


@composite(method=False)
def broadcast_shapes(*shapes):
    """The shape that tensors of these shapes have together.

    Example:
        >>> kuai.broadcast_shapes((2, 1), (3,))
        torch.Size([2, 3])
    """
    result = []
    for number, shape in enumerate(shapes):
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        for size in sizes:
            if size < 0:
                raise RuntimeError(
                    f"Trying to create tensor with negative dimension ({size}): ({size})"
                )
        result = [1] * (len(sizes) - len(result)) + result
        for place in range(-1, -1 - len(sizes), -1):
            if sizes[place] not in (1, result[place]):
                if result[place] != 1:
                    raise RuntimeError(
                        f"Attempting to broadcast a dimension of length {sizes[place]} at {place}! "
                        f"Mismatching argument at index {number} had {shape}; but expected shape "
                        f"should be broadcastable to {result}"
                    )
                result[place] = sizes[place]
    return Size(result)


@op(function=False, method=False, name="sum_to_size", grad="SumBackward1")
def summed_to(input: Array, size: tuple):
    """The sum over the dimensions that broadcasting from `size` would repeat."""
    extra = input.ndim - len(size)
    fits = extra >= 0 and all(
        wanted in (1, found) for wanted, found in zip(size, input.shape[extra:], strict=True)
    )
    if not fits:
        raise RuntimeError(
            f"size {{{list(size)}}} is not expandable to size {{{list(input.shape)}}}."
        )
    pairs = zip(size, input.shape[extra:], strict=True)
    again = tuple(extra + d for d, (wanted, found) in enumerate(pairs) if wanted != found)
    dims = (*range(extra), *again)
    if not dims and (input.ndim or kind_of(input) >= FLOATING):
        return input
    kind = jnp.int64 if kind_of(input) < FLOATING else input.dtype
    return summed(input.astype(kind), dims).reshape(size)


@composite(export="Tensor.sum_to_size")
def sum_to_size(self, *size):
    """The sum over the dimensions that broadcasting from `size` would repeat.

    Example:
        >>> kuai.ones(2, 3).sum_to_size(1, 3)
        tensor([[2., 2., 2.]])
    """
    return summed_to(self, integers(size))


@op(inplace=True, autocast={"cuda": "float32"}, exact_out=SAME)
def renorm(input: Array, p: float, dim: int, maxnorm: Number):
    """Each slice along a dimension scaled down to a norm of `maxnorm`, if its p-norm is larger.

    Example:
        >>> kuai.renorm(kuai.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
    """
    if input.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    if kind_of(input) < FLOATING:
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. "
            f"Got {scalar_name(input.dtype)}"
        )
    dim = normalize_dim(dim, input.ndim)
    others = tuple(d for d in range(input.ndim) if d != dim)
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    larger = jax.lax.stop_gradient(_norms(input, float(p), others) > maxnorm)
    sizes = _norms(
        jnp.where(larger, input, 1), float(p), others
    )  # of the rest, not even NaN counts
    scale = jnp.where(larger, maxnorm / (sizes + 1e-7), 1)
    return input * spread(scale.astype(input.dtype), input.shape)


def _norms(input, p, dims):
    wide = input.astype(jnp.promote_types(input.dtype, jnp.float32))
    return vector_norm_of(wide, p, dims, True)


@composite(method=False)
def norm_except_dim(v, pow=2, dim=0):
    """The norm over all dimensions but one.

    Example:
        >>> kuai.norm_except_dim(kuai.tensor([[3.0, 4.0], [0.0, 2.0]]))
        tensor([[5.],
                [2.]])
    """
    if dim == -1:
        return vector_norm(v, pow)
    if not v.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    others = tuple(d for d in range(v.ndim) if d != normalize_dim(dim, v.ndim))
    if not others:  # `dim=()` would be all dimensions
        return vector_norm(v.unsqueeze(-1), pow, -1)
    return vector_norm(v, pow, others, keepdim=True)


@composite(method=False)
def frobenius_norm(input, dim, keepdim=False):
    """The square root of the sum of squares; `linalg.vector_norm` is newer.

    Example:
        >>> kuai.frobenius_norm(kuai.tensor([[3.0, 4.0]]), 1)
        tensor([5.])
    """
    return vector_norm(input, 2.0, dim, keepdim)


@composite(method=False)
def nuclear_norm(input, dim=(-2, -1), keepdim=False):
    """The sum of the singular values; `linalg.matrix_norm` is newer.

    Example:
        >>> kuai.nuclear_norm(kuai.tensor([[3.0, 0.0], [0.0, 4.0]]))
        tensor(7.)
    """
    if isinstance(dim, bool):
        dim, keepdim = (-2, -1), dim
    dims = tuple(dim) if isinstance(dim, (list, tuple)) else (dim, dim)
    if len(dims) != 2:
        said = ", ".join(map(str, dims))
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {said}")
    return matrix_norm(input, "nuc", dims, keepdim)
