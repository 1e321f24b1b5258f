"""Products of vectors and matrices.

All go through `lax.dot_general`, contracting the dimensions where they lie: nothing is transposed
or copied, and what the tape keeps for the backward pass is the inputs themselves.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.op.exact_out import SAME, TENSORDOT
from kuai.engine.tensor.promotion import cast, scalar_name
from kuai.ops.accumulation import spread, summed
from kuai.ops.dimensions import broadcast_shapes
from kuai.ops.elementwise import BOOL, call, refuse, together
from kuai.ops.math.arithmetic import check_alpha

_OF_DOT = "result dtype {found} does not match input dtype {wanted}"
_OF_MV = "addmv input tensors must have the same dtype, but got {found}, {wanted}, and {wanted}"

_C_NAMES = {
    "float32": "float", "float64": "double", "int64": "long int", "int32": "int", "int16": "short",
    "int8": "signed char", "uint8": "unsigned char", "bool": "bool", "float16": "c10::Half",
    "bfloat16": "c10::BFloat16", "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}  # fmt: skip


def contract(first, second, pairs, batch=((), ())):
    """`lax.dot_general` with the dtype of its operands as that of the result."""
    return jax.lax.dot_general(first, second, (pairs, batch), preferred_element_type=first.dtype)


# Two matrices, a matrix and a vector, two vectors -------------------------------------------------


def matrix_product(first, second):
    """(n, k) · (k, m) → (n, m)."""
    if first.shape[1] != second.shape[0]:
        raise RuntimeError(
            "mat1 and mat2 shapes cannot be multiplied "
            f"({_by(first.shape)} and {_by(second.shape)})"
        )
    _check_same_dtype(first, second)
    return contract(first, second, ((1,), (0,)))


def _by(shape) -> str:
    return "x".join(map(str, shape))


def _check_same_dtype(first, second) -> None:
    if first.dtype != second.dtype:
        names = [_C_NAMES.get(x.dtype.name, x.dtype.name) for x in (first, second)]
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {names[0]} != {names[1]}"
        )
    refuse("addmm_impl_cpu_", first, BOOL)


def matrix_vector_product(matrix, vector):
    """(n, k) · (k,) → (n,)."""
    if matrix.shape[1] != vector.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({matrix.shape[0]}), mat ({_by(matrix.shape)}), "
            f"vec ({vector.shape[0]})"
        )
    _check_same_dtype(matrix, vector)
    return contract(matrix, vector, ((1,), (0,)))


def batch_product(first, second):
    """(b, n, k) · (b, k, m) → (b, n, m)."""
    wanted = [first.shape[0], first.shape[2]]
    if list(second.shape[:2]) != wanted:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: {wanted} "
            f"but got: {list(second.shape[:2])}."
        )
    if first.dtype != second.dtype:
        raise RuntimeError(
            f"expected scalar type {scalar_name(first.dtype)} but found {scalar_name(second.dtype)}"
        )
    refuse("baddbmm_kernel", first, BOOL)
    return contract(first, second, ((2,), (1,)), ((0,), (0,)))


def vector_product(first, second):
    """(k,) · (k,) → ()."""
    if first.ndim != 1 or second.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {first.ndim}D and {second.ndim}D tensors")
    if first.dtype != second.dtype:
        names = f"{scalar_name(first.dtype)} and {scalar_name(second.dtype)}"
        raise RuntimeError(f"dot : expected both vectors to have same dtype, but found {names}")
    if first.shape != second.shape:
        sizes = (first.shape[0], second.shape[0])
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{sizes[0]}] and src [{sizes[1]}] to have "
            f"the same number of elements, but got {sizes[0]} and {sizes[1]} elements respectively"
        )
    refuse("dot", first, BOOL)
    return contract(first, second, ((0,), (0,)))


@op(autocast="lower", exact_out=SAME)
def mm(input: Array, mat2: Array):
    """The product of two matrices, (n, k) · (k, m) → (n, m).

    Example:
        >>> kuai.mm(kuai.ones(2, 3), kuai.ones(3, 1))
        tensor([[3.],
                [3.]])
    """
    if input.ndim != 2:
        raise RuntimeError("self must be a matrix")
    if mat2.ndim != 2:
        raise RuntimeError("mat2 must be a matrix")
    return matrix_product(input, mat2)


@composite(method=False, aliases=("dsmm",), exact_out=SAME)
def spmm(input, mat2):
    """`mm` by the name that graph networks give it: here all matrices are dense.

    Example:
        >>> kuai.spmm(kuai.eye(2), kuai.ones(2, 1)).T
        tensor([[1., 1.]])
    """
    return mm(input, mat2)


@op(autocast="lower", exact_out=SAME)
def bmm(input: Array, mat2: Array):
    """The products of two batches of matrices, (b, n, k) · (b, k, m) → (b, n, m).

    Example:
        >>> kuai.bmm(kuai.ones(5, 2, 3), kuai.ones(5, 3, 4)).shape
        torch.Size([5, 2, 4])
    """
    _check_3d(input, mat2)
    return batch_product(input, mat2)


def _check_3d(first, second) -> None:
    for name, batch in (("batch1", first), ("batch2", second)):
        if batch.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")


@op(autocast={"cuda": "lower"}, exact_out=_OF_MV)
def mv(input: Array, vec: Array):
    """The product of a matrix and a vector, (n, k) · (k,) → (n,).

    Example:
        >>> kuai.mv(kuai.ones(2, 3), kuai.ones(3))
        tensor([3., 3.])
    """
    if input.ndim != 2 or vec.ndim != 1:
        ndims = f"1, {input.ndim}, {vec.ndim}"
        raise RuntimeError(f"vector + matrix @ vector expected, got {ndims}")
    return matrix_vector_product(input, vec)


@op(autocast={"cuda": "widest"}, exact_out=_OF_DOT)
def dot(input: Array, tensor: Array):
    """The sum of the products of two vectors' elements.

    Example:
        >>> kuai.dot(kuai.tensor([2.0, 3.0]), kuai.tensor([2.0, 1.0]))
        tensor(7.)
    """
    return vector_product(input, tensor)


@op(autocast={"cuda": "widest"}, exact_out=_OF_DOT)
def vdot(input: Array, other: Array):
    """`dot` with the first vector conjugated.

    Example:
        >>> kuai.vdot(kuai.tensor([1j]), kuai.tensor([1j]))
        tensor(1.+0.j)
    """
    return vector_product(jnp.conj(input), other)


@op(aliases=("ger",), grad="MulBackward0", out_name="mul")
def outer(input: Array, vec2: Array):
    """The products of all pairs of two vectors' elements, (n,) and (m,) → (n, m).

    Example:
        >>> kuai.outer(kuai.tensor([1.0, 2.0]), kuai.tensor([3.0, 4.0]))
        tensor([[3., 4.],
                [6., 8.]])
    """
    return _products_of_pairs("outer", self=input, vec2=vec2)


def _products_of_pairs(name, **vectors):
    for argument, vector in vectors.items():
        if vector.ndim != 1:
            raise RuntimeError(f"{name}: Expected 1-D argument {argument}, but got {vector.ndim}-D")
    first, second = vectors.values()
    first, second = together(first[:, None], second[None, :])
    return first * second


def _of_inner(input, other):
    """A sum of products of two vectors is none of matrices."""
    return "lower" if max(input.ndim, other.ndim) > 1 and min(input.ndim, other.ndim) else None


@op(autocast={"cpu": _of_inner, "cuda": "widest"}, exact_out=TENSORDOT)
def inner(input: Array, other: Array):
    """The sums of products along the last dimensions, (…, k) and (…, k) → (…, …).

    Example:
        >>> kuai.inner(kuai.tensor([1.0, 2.0]), kuai.tensor([0.0, 2.0]))
        tensor(4.)
    """
    if input.ndim == 0 or other.ndim == 0:
        first, second = together(input, other)
        return first * second
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    return contract(input, other, ((input.ndim - 1,), (other.ndim - 1,)))


# Any two tensors ----------------------------------------------------------------------------------


@composite(autocast="lower", aliases=("linalg.matmul",))
def matmul(input, other, *, out=None):
    """The matrix product of two tensors; leading dimensions are batches and broadcast.

    A vector on the left counts as a row, on the right as a column.

    Example:
        >>> kuai.matmul(kuai.ones(5, 2, 3), kuai.ones(3, 4)).shape
        torch.Size([5, 2, 4])
    """
    return call(_product_for(input, other), out, input, other)


_SIMPLE_PRODUCTS = {(2, 2): mm, (2, 1): mv, (1, 1): dot}


def _product_for(input, other):
    ndims: Any = (getattr(input, "ndim", None), getattr(other, "ndim", None))
    return _SIMPLE_PRODUCTS.get(ndims, matmul_many)


@op(function=False, method=False, name="matmul", grad="UnsafeViewBackward0")
def matmul_many(input: Array, other: Array):
    """The matrix product of tensors with batches."""
    if input.ndim == 0 or other.ndim == 0:
        raise RuntimeError(
            "both arguments to matmul need to be at least 1D, "
            f"but they are {input.ndim}D and {other.ndim}D"
        )
    if input.ndim == 1:
        return jnp.squeeze(_many(input[None], other), -2)
    if other.ndim == 1:
        return _matrices_by_vector(input, other)
    return _many(input, other)


def _matrices_by_vector(matrices, vector):
    """(…, n, k) · (k,) → (…, n)."""
    rows = math.prod(matrices.shape[:-1])
    if matrices.shape[-1] != vector.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({rows}), mat ({rows}x{matrices.shape[-1]}), "
            f"vec ({vector.shape[0]})"
        )
    _check_same_dtype(matrices, vector)
    return contract(matrices, vector, ((matrices.ndim - 1,), (0,)))


def _many(first, second):
    """(…, n, k) · (…, k, m) → (…, n, m)."""
    if first.ndim == 2 and second.ndim == 2:
        return matrix_product(first, second)
    if second.ndim == 2:
        return _by_one_matrix(first, second)
    batch = broadcast_shapes(first.shape[:-2], second.shape[:-2])
    first = spread(first, batch + first.shape[-2:])
    second = spread(second, batch + second.shape[-2:])
    _check_batches(first, second, math.prod(batch))
    dims, last = tuple(range(len(batch))), len(batch)
    return contract(first, second, ((last + 1,), (last,)), (dims, dims))


def _by_one_matrix(first, second):
    """(…, n, k) · (k, m): every row by the same matrix, no batch dimension needed."""
    if first.shape[-1] != second.shape[0]:
        rows = math.prod(first.shape[:-1])
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{first.shape[-1]} "
            f"and {_by(second.shape)})"
        )
    _check_same_dtype(first, second)
    return contract(first, second, ((first.ndim - 1,), (0,)))


def _check_batches(first, second, count) -> None:
    if first.shape[-1] != second.shape[-2]:
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{count}, {first.shape[-1]}] but got: [{count}, {second.shape[-2]}]."
        )
    if first.dtype != second.dtype:
        raise RuntimeError(
            f"expected scalar type {scalar_name(first.dtype)} but found {scalar_name(second.dtype)}"
        )
    refuse("baddbmm_kernel", first, BOOL)


# A product added to something ---------------------------------------------------------------------


def _add_product(input, product, beta, alpha):
    """beta * input + alpha * product, with torch's complaint if `input` does not expand."""
    input = _expand(input, product.shape)
    return _times(beta, input, product.dtype) + _times(alpha, product, product.dtype)


def _times(factor, array, kind):
    """The product, and 0 of a factor of 0: what stood in its place may have been nan."""
    factor = cast(factor, kind)
    return jnp.where(factor == 0, jnp.zeros((), kind), factor * array)


def _expand(input, shape):
    for dim in range(1, input.ndim + 1):
        if dim > len(shape) or input.shape[-dim] not in (1, shape[-dim]):
            place = len(shape) - dim
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[-dim] if place >= 0 else 1}) must match "
                f"the existing size ({input.shape[-dim]}) at non-singleton dimension {place}.  "
                f"Target sizes: {list(shape)}.  Tensor sizes: {list(input.shape)}"
            )
    return spread(input, shape)


def _check_added(input, second) -> None:
    if input.dtype != second.dtype:
        raise RuntimeError(
            "self and mat2 must have the same dtype, but got "
            f"{scalar_name(input.dtype)} and {scalar_name(second.dtype)}"
        )


@op(inplace=True, autocast="lower", exact_out=SAME)
def addmm(input: Array, mat1: Array, mat2: Array, *, beta: Number = 1, alpha: Number = 1):
    """`beta * input + alpha * mat1 @ mat2`.

    Example:
        >>> kuai.addmm(kuai.ones(2), kuai.ones(1, 3), kuai.ones(3, 2), beta=2)
        tensor([[5., 5.]])
    """
    for name, matrix in (("mat1", mat1), ("mat2", mat2)):
        if matrix.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix, got {matrix.ndim}-D tensor")
    product = matrix_product(mat1, mat2)
    _check_added(input, mat2)
    return _add_product(input, product, beta, alpha)


@op(inplace=True, autocast={"cuda": "lower"}, exact_out=SAME)
def addmv(input: Array, mat: Array, vec: Array, *, beta: Number = 1, alpha: Number = 1):
    """`beta * input + alpha * mat @ vec`.

    Example:
        >>> kuai.addmv(kuai.ones(2), kuai.ones(2, 3), kuai.ones(3))
        tensor([4., 4.])
    """
    if input.ndim > 1 or mat.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got {input.ndim}, {mat.ndim}, {vec.ndim}"
        )
    if not input.dtype == mat.dtype == vec.dtype:
        names = [scalar_name(each.dtype) for each in (input, mat, vec)]
        raise RuntimeError(
            "addmv input tensors must have the same dtype, but got {}, {}, and {}".format(*names)
        )
    return _add_product(input, matrix_vector_product(mat, vec), beta, alpha)


@op(inplace=True, autocast={"cuda": "lower"})
def addr(input: Array, vec1: Array, vec2: Array, *, beta: Number = 1, alpha: Number = 1):
    """`beta * input + alpha * outer(vec1, vec2)`.

    Example:
        >>> kuai.addr(kuai.zeros(2, 2), kuai.tensor([1.0, 2.0]), kuai.tensor([3.0, 4.0]))
        tensor([[3., 4.],
                [6., 8.]])
    """
    product = _products_of_pairs("addr", vec1=vec1, vec2=vec2)
    kind = product.dtype
    factor = cast(alpha, kind)
    check_alpha(product, product, alpha)
    # computed element by element in PyTorch: unlike in products of matrices, 0 · nan is nan
    return _times(beta, _expand(input, product.shape), kind) + factor * product


@op(inplace=True, autocast="lower", exact_out=SAME)
def baddbmm(input: Array, batch1: Array, batch2: Array, *, beta: Number = 1, alpha: Number = 1):
    """`beta * input + alpha * batch1 @ batch2` for batches of matrices.

    Example:
        >>> kuai.baddbmm(kuai.zeros(1, 2, 2), kuai.ones(1, 2, 3), kuai.ones(1, 3, 2))
        tensor([[[3., 3.],
                 [3., 3.]]])
    """
    _check_3d(batch1, batch2)
    if not input.dtype == batch1.dtype == batch2.dtype:
        names = [_C_NAMES.get(x.dtype.name, x.dtype.name) for x in (input, batch1, batch2)]
        raise RuntimeError(
            "Input dtypes must be the same, got: input {}, batch1: {}, batch2: {}".format(*names)
        )
    return _add_product(input, batch_product(batch1, batch2), beta, alpha)


@op(autocast="lower")
def addbmm(input: Array, batch1: Array, batch2: Array, *, beta: Number = 1, alpha: Number = 1):
    """`beta * input` + alpha times the sum of the products of two batches of matrices.

    Example:
        >>> kuai.addbmm(kuai.zeros(2, 2), kuai.ones(5, 2, 3), kuai.ones(5, 3, 2))
        tensor([[15., 15.],
                [15., 15.]])
    """
    _check_3d(batch1, batch2)
    products = batch_product(batch1, batch2)
    if input.dtype != batch2.dtype:
        raise RuntimeError(
            "self and mat2 must have the same dtype, but got "
            f"{scalar_name(input.dtype)} and {scalar_name(batch2.dtype)}"
        )
    return _add_product(input, summed(products, 0), beta, alpha)
