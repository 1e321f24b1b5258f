"""`kuai.linalg`: norms of vectors and matrices, and products of several."""

import functools
import math

import jax.numpy as jnp

from kuai.engine.op import Array, composite, op, write_out
from kuai.engine.tensor.dtypes import dtype as Dtype
from kuai.engine.tensor.warning_once import warn_once
from kuai.ops.accumulation import summed
from kuai.ops.dimensions import normalize_dim, normalize_dims
from kuai.ops.elementwise import call, magnitude
from kuai.ops.math import matrix_checks
from kuai.ops.math.contraction import vector_cross
from kuai.ops.math.matrix_checks import check_singular_values, seems_finite
from kuai.ops.math.norms import extreme_of, to_norm_dtype, vector_norm_of, vector_norm_over
from kuai.ops.math.products import matmul
from kuai.ops.math.singular_values import singular_values

_OF_NORM = "linalg.{name} expected out tensor dtype {{wanted}} but got: {{found}}"

_OF_CHAIN = "multi_dot(): expected out tensor to have dtype {c_wanted} but got {c_found}"

# Norms --------------------------------------------------------------------------------------------


@composite(export="linalg.vector_norm")
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None, out=None):
    """(Σ|x|ᵖ)^(1/p) of all elements or over some dimensions; the largest |x| for p = inf.

    Example:
        >>> kuai.linalg.vector_norm(kuai.tensor([3.0, 4.0]))
        tensor(5.)
    """
    return call(vector_norm_over, out, x, float(ord), dim, keepdim, dtype)


@op(
    function=False,
    method=False,
    name="linalg_matrix_norm",
    grad="LinalgMatrixNormBackward0",
    autocast={"cuda": "float32"},
)
def matrix_norm_over(
    A: Array, order: object, dim: tuple[int, ...], keepdim: bool, dtype: Dtype | None
):
    """The matrix norm over two dimensions."""
    if A.ndim < 2:
        raise RuntimeError(
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions."
        )
    A = to_norm_dtype("linalg.matrix_norm", A, dtype)
    rows, columns = (normalize_dim(d, A.ndim) for d in dim)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if order == "fro":
        return vector_norm_of(A, 2, (rows, columns), keepdim)
    norm_of = _matrix_norm_function(order)
    result = norm_of(jnp.moveaxis(A, (rows, columns), (-2, -1)))
    return jnp.expand_dims(result, tuple(sorted((rows, columns)))) if keepdim else result


def _matrix_norm_function(order):
    if order == "nuc":
        return lambda A: summed(singular_values(A), -1)
    extreme = _largest if isinstance(order, str) or order > 0 else _smallest
    if order in (2, -2):
        return lambda A: extreme(singular_values(A))
    if order in (1, -1, math.inf, -math.inf):
        inner = -2 if abs(order) == 1 else -1
        return lambda A: extreme(summed(magnitude(A), inner))
    raise RuntimeError(f"linalg.matrix_norm: Order {order} not supported.")


def _largest(values):
    """The largest of the last dimension; 0 of nothing, as a norm is."""
    if not values.shape[-1]:
        return jnp.max(values, -1, initial=0)
    return extreme_of(jnp.max, values, -1, False)


def _smallest(values):
    if not values.shape[-1]:
        raise IndexError("amin(): Expected reduction dim -1 to have non-zero size.")
    return extreme_of(jnp.min, values, -1, False)


@composite(export="linalg.matrix_norm")
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None, out=None):
    """A norm of a matrix: "fro", "nuc", or by number 1, -1, 2, -2, inf, -inf.

    Example:
        >>> kuai.linalg.matrix_norm(kuai.tensor([[3.0, 0.0], [0.0, 4.0]]))
        tensor(5.)
    """
    return _matrix_norm("matrix_norm", out, A, ord, dim, keepdim, dtype)


def _matrix_norm(name, out, *arguments):
    A, order, dim, *_ = arguments
    result = matrix_norm_over(*arguments)
    if order in (2, -2, "nuc") and not seems_finite(result):
        check_singular_values(A.movedim(tuple(dim), (-2, -1)), result)
    text, name = _OF_NORM.format(name=name), "linalg_matrix_norm"
    return result if out is None else write_out(out, result, text, name)


@composite(export="linalg.norm")
def linalg_norm(A, ord=None, dim=None, keepdim=False, *, out=None, dtype=None):
    """The norm of a vector or a matrix.

    Example:
        >>> kuai.linalg.norm(kuai.tensor([[3.0, 0.0], [0.0, 4.0]]))
        tensor(5.)
    """
    if ord is None:
        return _vector_norm(out, A, 2.0, dim, keepdim, dtype)
    ndim = len(A.shape) if dim is None else _count(dim)
    if dim is None and ndim not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. "
            f"Got {ndim}D."
        )
    if isinstance(ord, str) and (ord not in ("fro", "nuc") or ndim != 2):
        _refuse_order(A, ord, dim)
    if ndim == 2:
        dim = (-2, -1) if dim is None else dim
        return _matrix_norm("norm", out, A, ord, dim, keepdim, dtype)
    return _vector_norm(out, A, float(ord), dim, keepdim, dtype)


def _refuse_order(A, ord, dim):
    """PyTorch's errors for a norm of matrices, asked for by its name, where there is no matrix."""
    if ord not in ("fro", "nuc"):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if A.ndim < 2:
        raise RuntimeError(
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions."
        )
    given = " ".join(map(str, [dim] if isinstance(dim, int) else dim))
    raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {given}")


def _vector_norm(out, *arguments):
    result = vector_norm_over(*arguments)
    text, name = _OF_NORM.format(name="norm"), "linalg_vector_norm"
    return result if out is None else write_out(out, result, text, name)


def _count(dim) -> int:
    return 1 if isinstance(dim, int) else len(dim)


@composite(method=False)
def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """The p-norm of all elements or over some dimensions; "fro" is p = 2, "nuc" a matrix norm.

    Example:
        >>> kuai.tensor([3.0, 4.0]).norm(), kuai.tensor([3.0, -4.0]).norm(1)
        (tensor(5.), tensor(7.))
    """
    if isinstance(p, str) and p != "fro":
        dim = range(len(input.shape)) if dim is None else dim
        if _count(dim) != 2:
            given = " ".join(map(str, [dim] if isinstance(dim, int) else dim))
            raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {given}")
        return matrix_norm(input, p, tuple(dim), keepdim, dtype=dtype, out=out)
    order = 2.0 if p in ("fro", None) else p
    return vector_norm(input, order, dim, keepdim, dtype=dtype, out=out)


@composite(export="Tensor.norm")
def norm_of(self, p="fro", dim=None, keepdim=False, dtype=None):
    """`kuai.norm` of this tensor.

    Example:
        >>> kuai.tensor([3.0, 4.0]).norm()
        tensor(5.)
    """
    return norm(self, p, dim, keepdim, dtype=dtype)


# Products -----------------------------------------------------------------------------------------


@composite(export="linalg.multi_dot", autocast="lower")
def multi_dot(tensors, *, out=None):
    """The product of several matrices, in the order that costs least.

    Example:
        >>> kuai.linalg.multi_dot([kuai.ones(2, 3), kuai.ones(3, 4), kuai.ones(4, 1)])
        tensor([[12.],
                [12.]])
    """
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    _check_chain(tensors)
    for number, (first, second) in enumerate(zip(tensors, tensors[1:], strict=False)):
        if first.shape[-1] != second.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {number} and {number + 1} with shapes "
                f"{list(first.shape)} and {list(second.shape)} cannot be multiplied"
            )
    result = _chain(tensors)
    return result if out is None else write_out(out, result, _OF_CHAIN, "mm")


def _check_chain(tensors):
    """PyTorch's errors for what is no matrix: the first and the last may be vectors."""
    last = len(tensors) - 1
    for number, tensor in sorted(enumerate(tensors), key=lambda pair: pair[0] % last != 0):
        if number in (0, last):
            which, allowed, can_be = ("first" if not number else "last"), (1, 2), "1D or 2D"
            which = f"the {which} tensor"
        else:
            which, allowed, can_be = f"tensor {number}", (2,), "2D"
        if tensor.ndim not in allowed:
            raise RuntimeError(f"multi_dot(): {which} must be {can_be} but got {tensor.ndim}D")


@composite(method=False)
def chain_matmul(*matrices, out=None):
    """The product of several matrices, in the order that costs least.

    Example:
        >>> kuai.chain_matmul(kuai.ones(2, 3), kuai.ones(3, 1))
        tensor([[3.],
                [3.]])
    """
    warn_once(
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use "
        "torch.linalg.multi_dot instead, which accepts a list of two or more tensors rather than "
        "multiple parameters.",
        stacklevel=2,
    )
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices, out=out)


def _chain(tensors):
    """Multiply by the cheapest parenthesisation (dynamic programming over intervals)."""
    ends = [_ends(tensor, place, len(tensors)) for place, tensor in enumerate(tensors)]

    @functools.cache
    def best(i, j):
        if i == j:
            return 0, i
        costs = (
            (best(i, k)[0] + best(k + 1, j)[0] + ends[i][0] * ends[k][1] * ends[j][1], k)
            for k in range(i, j)
        )
        return min(costs)

    def multiply(i, j):
        if i == j:
            return tensors[i]
        middle = best(i, j)[1]
        return matmul(multiply(i, middle), multiply(middle + 1, j))

    return multiply(0, len(tensors) - 1)


def _ends(tensor, place: int, count: int) -> tuple[int, int]:
    """Rows and columns; a vector is a row first and a column last."""
    if len(tensor.shape) == 2:
        return tuple(tensor.shape)
    return (1, tensor.shape[0]) if place == 0 else (tensor.shape[0], 1)


@op(
    export="linalg.vecdot",
    autocast="lower",
    exact_out="linalg.vecdot: Expected out of dtype{wanted} but found {found}",
)
def vecdot(x: Array, y: Array, *, dim: int = -1):
    """Σ conj(x) · y along a dimension.

    Example:
        >>> kuai.linalg.vecdot(kuai.ones(2, 3), kuai.ones(2, 3))
        tensor([3., 3.])
    """
    matrix_checks.numbers_of("linalg.vecdot", x)
    matrix_checks.same_dtype("linalg.vecdot", x=x, y=y)
    products = jnp.conj(x) * y
    return summed(products, normalize_dims(dim, products.ndim))


@op(export="linalg.cross")
def linalg_cross(input: Array, other: Array, *, dim: int = -1):
    """The cross product of vectors of three elements along a dimension.

    Example:
        >>> kuai.linalg.cross(kuai.tensor([1.0, 0.0, 0.0]), kuai.tensor([0.0, 1.0, 0.0]))
        tensor([0., 0., 1.])
    """
    return vector_cross(input, other, dim)
