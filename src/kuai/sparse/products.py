"""Products of matrices of which one, or both, are sparse."""

from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor, dtypes
from kuai.engine.tensor.formats import sparse_csr
from kuai.sparse import operations
from kuai.sparse.compressed import CsrTensor, from_coo, lines_and_numbers
from kuai.sparse.conversion import as_coo, replace
from kuai.sparse.coo import CooTensor, coalesced, coo, pair
from kuai.sparse.places import as_tensor, flat, known, run_lengths, unflat, unique
from kuai.sparse.tensor import SparseTensor, answers, like, refuse

__all__ = ["addmm", "hspmm", "mm", "sampled_addmm", "smm", "sparse_addmm", "sparse_mm", "spmm"]
__all__ += ["sspaddmm"]


def _pair(x) -> tuple[Tensor, Tensor]:
    """Rows and columns of a sparse matrix of any layout."""
    if isinstance(x, CooTensor):
        return pair(x)
    lines, numbers = lines_and_numbers(x)
    return (lines, numbers) if x._by_rows else (numbers, lines)


def _check_matrix(x, name="mm"):
    if len(x.shape) != 2 or (isinstance(x, CooTensor) and x.sparse_dim() != 2):
        raise RuntimeError(
            f"{name}: expected a sparse matrix with 2 sparse and 0 dense dimensions, got "
            f"{x.sparse_dim()} and {x.dense_dim()}"
        )


def _check_dtypes(x, dense):
    if x.dtype is not dense.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {_c_name(x.dtype)} != "
            f"{_c_name(dense.dtype)}"
        )


def _c_name(kind: dtypes.dtype) -> str:
    names = {"float32": "float", "float64": "double", "float16": "c10::Half"}
    names |= {"bfloat16": "c10::BFloat16", "int64": "long long", "int32": "int"}
    return names.get(kind.name, kind.name)


def _check_dense(x, dense):
    _check_matrix(x)
    if dense.ndim != 2:
        raise RuntimeError(f"matrices expected, got 2D, {dense.ndim}D tensors")
    if dense.shape[0] != x._sizes[1]:
        raise RuntimeError(
            f"addmm: Argument #3 (dense): Expected dim 0 size {x._sizes[1]}, got {dense.shape[0]}"
        )
    _check_dtypes(x, dense)


def _times_dense(x, dense, grad):
    """A sparse matrix times a dense one."""
    _check_dense(x, dense)
    rows, columns = _pair(x)
    return operations.multiplied(grad, rows, columns, x._specified, dense, x._sizes[0])


def _dense_times(dense, x, grad):
    """A dense matrix times a sparse one."""
    _check_matrix(x)
    if dense.ndim != 2 or dense.shape[1] != x._sizes[0]:
        raise _shapes(dense, x)
    _check_dtypes(x, dense)
    rows, columns = _pair(x)
    size = x._sizes[1]
    return operations.multiplied_from_left(grad, rows, columns, x._specified, dense, size)


def _shapes(first, second):
    shown = [" and ".join("x".join(map(str, each.shape)) for each in (first, second))]
    return RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({shown[0]})")


def _times_sparse(first, second):
    """A sparse matrix times a sparse one: each element meets a row."""
    _check_matrix(first)
    _check_matrix(second)
    if first._sizes[1] != second._sizes[0]:
        raise _shapes(first, second)
    _check_dtypes(first, second)
    left, right = coalesced(as_coo(first)), coalesced(as_coo(second))
    rows, inner = known(left._places[0], "a product of sparse tensors")
    other, columns = known(right._places[0], "a product of sparse tensors")
    starts = run_lengths(other, second._sizes[0])
    counts = np.diff(starts)[inner]
    mine = np.repeat(np.arange(len(rows)), counts)
    before = np.cumsum(counts) - counts
    theirs = np.arange(len(mine)) - np.repeat(before - starts[inner], counts)
    sizes = (first._sizes[0], second._sizes[1])
    numbers, which = unique(flat(np.stack([rows[mine], columns[theirs]]), sizes))
    where = first.device
    parts = left._specified.index_select(0, as_tensor(mine, where))
    parts = parts * right._specified.index_select(0, as_tensor(theirs, where))
    grad = "SparseSparseMatmulBackward0"
    elements = operations.summed(grad, parts, as_tensor(which, where), len(numbers))
    made = coo(as_tensor(unflat(numbers, sizes), where), elements, sizes, True)
    return from_coo(made) if isinstance(first, CsrTensor) else made


def _product(first, second, grad):
    if isinstance(first, SparseTensor) and isinstance(second, SparseTensor):
        return _times_sparse(first, second)
    if isinstance(first, SparseTensor):
        return _times_dense(first, second, grad)
    return _dense_times(first, second, grad)


@answers("mm", "spmm")
def mm(input, mat2) -> Tensor:
    """The product of two matrices, of which one is sparse."""
    return _product(input, mat2, "MmBackward0")


@answers()
def mv(input, vec) -> Tensor:
    """The product of a sparse matrix and a vector."""
    if not isinstance(input, SparseTensor):
        refuse(vec, "mv")
    if isinstance(vec, SparseTensor) or vec.ndim != 1:
        refuse(input, "mv")
    if vec.shape[0] != input._sizes[-1]:
        raise RuntimeError("mv: expected self.size(-1) == vec.size(-1)")
    _check_matrix(input, "mv")
    _check_dtypes(input, vec)
    rows, columns = _pair(input)
    size = input._sizes[0]
    return operations.multiplied_vector("MvBackward0", rows, columns, input._specified, vec, size)


@answers("matmul", "__matmul__")
def matmul(input, other) -> Tensor:
    """The product of matrices and vectors, of which one is sparse."""
    if input.ndim == 2 and other.ndim == 2:
        return mm(input, other)
    if input.ndim == 2 and other.ndim == 1:
        return mv(input, other)
    if input.ndim == 1 and other.ndim == 2 and not isinstance(input, SparseTensor):
        return mv(other.t(), input)
    raise RuntimeError("expand is unsupported for Sparse tensors")


@answers()
def bmm(input, mat2) -> Tensor:
    """The products of a batch of sparse matrices and a batch of dense ones."""
    if isinstance(mat2, SparseTensor):
        raise RuntimeError("bmm_sparse: Tensor 'mat2' must be dense")
    if input.ndim != 3 or mat2.ndim != 3 or input.sparse_dim() != 3:
        raise RuntimeError("bmm_sparse: Tensors 'self' and 'mat2' must be 3D")
    batch, count, inner = input._sizes
    if mat2.shape[0] != batch or mat2.shape[1] != inner:
        raise RuntimeError("bmm_sparse: Tensors 'self' and 'mat2' must have the same sizes")
    _check_dtypes(input, mat2)
    rows, columns = operations.in_one_matrix(input._places[0], count, inner)
    flat_dense = mat2.reshape(batch * inner, mat2.shape[2])
    made = operations.multiplied(
        "BmmBackward0", rows, columns, input._specified, flat_dense, batch * count
    )
    return made.reshape(batch, count, mat2.shape[2])


def _addmm(input, first, second, beta, alpha, grad):
    if isinstance(input, SparseTensor):
        raise RuntimeError(
            "addmm_sparse_dense: expected strided result tensor, got tensor with layout Sparse"
        )
    if isinstance(first, SparseTensor) and isinstance(second, SparseTensor):
        refuse(first, "addmm")
    if not isinstance(first, SparseTensor) or beta == 0:
        made = _product(first, second, grad)
        made = made if alpha == 1 else made * alpha
        return made if beta == 0 else made + (input if beta == 1 else input * beta)
    _check_dense(first, second)
    _check_dtypes(first, input)
    rows, columns = _pair(first)
    values, size = first._specified, first._sizes[0]
    return operations.product_added(grad, input, rows, columns, values, second, size, beta, alpha)


@answers()
def addmm(input, mat1, mat2, *, beta=1, alpha=1) -> Tensor:
    """A dense matrix plus the product of a sparse and a dense one."""
    return _addmm(input, mat1, mat2, beta, alpha, "AddmmBackward0")


@answers()
def linear(input, weight, bias=None) -> Tensor:
    """The product with a transposed weight, of which one is sparse."""
    made = matmul(input, weight.t())
    return made if bias is None else made + bias


# Functions of torch.sparse and of torch -----------------------------------------------------------


def sparse_mm(mat1, mat2, reduce=None) -> Tensor:
    """The product of two matrices, of which one is sparse; `kuai.sparse.mm`.

    Args:
        reduce: "sum" (the default), "mean", "amax" or "amin": what becomes of the products that
            PyTorch adds up, for a matrix of the layout torch.sparse_csr and a dense one.

    Shape:
        (M, K), (K, F) → (M, F)

    Example:
        >>> adjacency = kuai.sparse_coo_tensor([[0, 1, 1], [1, 0, 2]], [1.0, 1.0, 1.0], (2, 3))
        >>> kuai.sparse.mm(adjacency, kuai.tensor([[1.0], [2.0], [3.0]]))
        tensor([[2.],
                [4.]])
    """
    _check_any(mat1, mat2, "mm")
    if reduce in (None, "sum"):
        name = "SparseAddmmBackward0" if reduce is None else "SparseMmReduceImplBackward0"
        return _product(mat1, mat2, name)
    reduce = {"max": "amax", "min": "amin"}.get(reduce, reduce)
    if reduce not in ("mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, mean, amax or amin, got {reduce!r}"
        )
    if mat1.layout is not sparse_csr or isinstance(mat2, SparseTensor):
        raise RuntimeError("sparse_mm_reduce: Expected mat1 to be sparse csr and mat2 to be dense")
    _check_dense(mat1, mat2)
    _check_dtypes(mat1, mat2)
    rows, columns = _pair(mat1)
    values, size = mat1._specified, mat1._sizes[0]
    grad = "SparseMmReduceImplBackward0"
    return operations.reduced(grad, rows, columns, values, mat2, size, reduce)


def _check_any(first, second, name):
    if not isinstance(first, SparseTensor) and not isinstance(second, SparseTensor):
        raise RuntimeError(f"sparse.{name}: one of the matrices has to be sparse; both are dense")


def sparse_addmm(mat, mat1, mat2, *, beta=1.0, alpha=1.0) -> Tensor:
    """A dense matrix plus the product of a sparse and a dense one: β·mat + α·mat1·mat2.

    Example:
        >>> x = kuai.eye(2).to_sparse()
        >>> kuai.sparse.addmm(kuai.ones(2, 2), x, kuai.ones(2, 2), alpha=2.0)
        tensor([[3., 3.],
                [3., 3.]])
    """
    return _addmm(mat, mat1, mat2, beta, alpha, "SparseAddmmBackward0")


def spmm(input, mat2) -> Tensor:
    """The product of two matrices, by an older name.

    Example:
        >>> kuai.spmm(kuai.eye(2).to_sparse(), kuai.ones(2, 1))
        tensor([[1.],
                [1.]])
    """
    return input.mm(mat2)


def _rows_with_elements(x):
    return np.unique(known(as_coo(x)._places[0], "a sparse product")[0])


def hspmm(mat1, mat2, *, out=None) -> Tensor:
    """The product of a sparse and a dense matrix, with one sparse and one dense dimension.

    Example:
        >>> kuai.hspmm(kuai.eye(2).to_sparse(), kuai.ones(2, 1)).dense_dim()
        1
    """
    rows = as_tensor(_rows_with_elements(mat1), mat1.device)
    elements = _product(mat1, mat2, "HspmmBackward0").index_select(0, rows)
    sizes = (mat1.shape[0], mat2.shape[1])
    made = coo(rows.unsqueeze(0), elements, sizes, True)
    return made if out is None else replace(out, made)


@answers("smm")
def smm(input, mat2) -> Tensor:
    """The product of a sparse and a dense matrix, as a sparse one.

    Example:
        >>> kuai.smm(kuai.eye(2).to_sparse(), kuai.ones(2, 1)).layout
        torch.sparse_coo
    """
    rows = _rows_with_elements(input)
    width = mat2.shape[1]
    places = np.stack([np.repeat(rows, width), np.tile(np.arange(width), len(rows))])
    places = as_tensor(places, input.device)
    product = _product(input, mat2, "SmmBackward0")
    elements = operations.picked("SmmBackward0", product, places)
    return coo(places, elements, (input.shape[0], width), True)


@answers("sspaddmm")
def sspaddmm(input, mat1, mat2, *, beta=1, alpha=1, out=None) -> Tensor:
    """A sparse matrix plus the product of a sparse and a dense one, as a sparse one.

    Example:
        >>> x = kuai.eye(2).to_sparse()
        >>> kuai.sspaddmm(x, x, kuai.ones(2, 2)).to_dense()
        tensor([[2., 1.],
                [1., 2.]])
    """
    product: Any = smm(mat1, mat2)
    elements = operations.joined(
        "SspaddmmBackward0", input._specified * beta, product._specified * alpha
    )
    places = operations.joined_columns(input._places[0], product._places[0])
    made = coo(places, elements, input._sizes)
    return made if out is None else replace(out, made)


def sampled_addmm(input, mat1, mat2, *, beta=1.0, alpha=1.0, out=None) -> Tensor:
    """The product of two dense matrices at the places of a compressed one, plus that.

        (α · mat1 · mat2) at the places + β · input

    Example:
        >>> x = kuai.eye(2).to_sparse_csr()
        >>> kuai.sparse.sampled_addmm(x, kuai.ones(2, 3), kuai.ones(3, 2)).values()
        tensor([4., 4.])
    """
    if not isinstance(input, CsrTensor) or input.layout is not sparse_csr:
        raise RuntimeError("Expected input to be of the layout torch.sparse_csr")
    for name, matrix in (("mat1", mat1), ("mat2", mat2)):
        if isinstance(matrix, SparseTensor) or matrix.ndim != 2:
            raise RuntimeError(f"sampled_addmm: Expected {name} to be a dense matrix")
    if mat1.shape[1] != mat2.shape[0]:
        raise RuntimeError(
            f"sampled_addmm: mat1 and mat2 shapes cannot be multiplied ({mat1.shape[0]}x"
            f"{mat1.shape[1]} and {mat2.shape[0]}x{mat2.shape[1]})"
        )
    if (mat1.shape[0], mat2.shape[1]) != input._sizes:
        raise RuntimeError(
            "sampled_addmm: the product of mat1 and mat2 has another size than the input: "
            f"{[mat1.shape[0], mat2.shape[1]]} and {list(input.shape)}"
        )
    rows, columns = lines_and_numbers(input)
    made = operations.products_at("SparseSampledAddmmBackward0", rows, columns, mat1, mat2)
    made = made if alpha == 1 else made * alpha
    if beta != 0:
        made = made + (input._specified if beta == 1 else input._specified * beta)
    result = like(input, made)
    return result if out is None else out.copy_(result)
