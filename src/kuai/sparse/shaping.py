"""Other orders and parts of sparse tensors, and several of them joined."""

import functools
import itertools

import numpy as np

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.promotion import promote_types
from kuai.ops.array import joining
from kuai.sparse import operations
from kuai.sparse.compressed import CscTensor, CsrTensor, compressed
from kuai.sparse.coo import CooTensor, coo
from kuai.sparse.places import as_tensor, known
from kuai.sparse.tensor import SparseTensor, answers, refuse

__all__ = ["permute", "select", "transpose", "unsqueeze"]


def _dim(dim, count):
    if not -count <= dim < max(count, 1):
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but got "
            f"{dim})"
        )
    return dim % max(count, 1)


def _permuted(x, dims, grad):
    """The dimensions with places in another order."""
    count = x.sparse_dim()
    places = operations.chosen_rows(x._places[0], tuple(dims[:count]))
    sizes = tuple([x._sizes[d] for d in dims])
    in_order = x._in_order and (tuple(dims[:count]) == tuple(range(count)) or x._nnz() < 2)
    return coo(places, operations.passed(grad, x._specified), sizes, in_order)


@answers("transpose", "swapaxes", "swapdims", only="coo")
def transpose(x, dim0, dim1):
    """Two dimensions exchanged; both have places, or none has."""
    count = len(x._sizes)
    dim0, dim1 = _dim(dim0, count), _dim(dim1, count)
    dense = x.sparse_dim()
    if (dim0 < dense) != (dim1 < dense):
        raise RuntimeError(
            "sparse transpose: transposed dimensions must be sparse Got sparse_dim: "
            f"{dense}, d0: {dim0}, d1: {dim1}"
        )
    if dim0 >= dense:
        elements = x._specified.transpose(dim0 - dense + 1, dim1 - dense + 1)
        sizes = (*x._sizes[:dense], *elements.shape[1:])
        return coo(x._places[0], elements, sizes, x._in_order)
    dims = list(range(count))
    dims[dim0], dims[dim1] = dims[dim1], dims[dim0]
    return _permuted(x, dims, "TransposeBackward0")


@answers()
def adjoint(x):
    """The matrix transposed and conjugated."""
    return x.mH


@answers()
def t(x):
    """The matrix with rows and columns exchanged; a compressed one the other way round."""
    if isinstance(x, CsrTensor):
        other = CscTensor if x._by_rows else CsrTensor
        elements = operations.passed("TBackward0", x._specified)
        starts, numbers = x._places
        return compressed(other, starts, numbers, elements, x._sizes[::-1])
    if len(x._sizes) > 2 or x.dense_dim():
        raise RuntimeError(
            "t() expects a tensor with <= 2 sparse and 0 dense dimensions, but got "
            f"{x.sparse_dim()} sparse and {x.dense_dim()} dense dimensions"
        )
    return _permuted(x, list(range(len(x._sizes)))[::-1], "TBackward0")


@answers("transpose", "swapaxes", "swapdims", only="compressed")
def transpose_compressed(x, dim0, dim1):
    """Rows and columns exchanged."""
    return t(x) if _dim(dim0, 2) != _dim(dim1, 2) else x


@answers(only="coo")
def t_(x):
    """Exchange rows and columns."""
    made = t(x)
    x._places, x._sizes, x._pair = made._places, made._sizes, None
    x._in_order = made._in_order
    return x


@answers(only="coo")
def permute(x, *dims):
    """The dimensions in another order."""
    dims = tuple(dims[0]) if len(dims) == 1 and not isinstance(dims[0], int) else dims
    count, dense = len(x._sizes), x.sparse_dim()
    dims = [_dim(d, count) for d in dims]
    if len(dims) != count or len(set(dims)) != count:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {count} is not equal "
            f"to len(dims) = {len(dims)}"
        )
    if any((d < dense) != (place < dense) for place, d in enumerate(dims)):
        raise RuntimeError(
            "permute(sparse_coo): permuting sparse and dense dimensions into each other is not "
            "supported"
        )
    made = _permuted(x, dims, "PermuteBackward0")
    if dims[dense:] != list(range(dense, count)):
        made._specified = made._specified.permute(0, *[d - dense + 1 for d in dims[dense:]])
    return made


@answers(only="coo")
def unsqueeze(x, dim):
    """One more dimension, of size 1."""
    dim = _dim(dim, len(x._sizes) + 1)
    sizes = (*x._sizes[:dim], 1, *x._sizes[dim:])
    if dim > x.sparse_dim():
        elements = x._specified.unsqueeze(dim - x.sparse_dim() + 1)
        return coo(x._places[0], elements, sizes, x._in_order)
    places = operations.with_row_of_zeros(x._places[0], dim)
    return coo(places, operations.passed("UnsqueezeBackward0", x._specified), sizes, x._in_order)


# Several ------------------------------------------------------------------------------------------


@answers("cat", "concat", "concatenate", only="coo")
def cat(tensors, dim=0):
    """Several tensors one after the other."""
    tensors = list(tensors)
    for place, each in enumerate(tensors):
        if not isinstance(each, SparseTensor):
            raise RuntimeError(
                f"Concatenating sparse tensors, but a dense tensor was found at position {place}."
            )
    first = tensors[0]
    dim = _dim(dim, len(first._sizes))
    for place, each in enumerate(tensors):
        if each.sparse_dim() != first.sparse_dim() or each.ndim != first.ndim:
            raise RuntimeError(
                "All tensors must have the same number of sparse and dense dimensions; the one at "
                f"position {place} has others"
            )
        sizes = zip(each._sizes, first._sizes, strict=True)
        if any(a != b for d, (a, b) in enumerate(sizes) if d != dim):
            raise RuntimeError(
                "All tensors must have the same shape: "
                f"{list(first.shape)} (except in the concatenating dimension), but the tensor at "
                f"position {place} has shape: {list(each.shape)}"
            )
    if dim >= first.sparse_dim():
        tensors = _side_by_side(tensors, dim)
    places, before = [], 0
    for each in tensors:
        if dim < first.sparse_dim():
            places.append(operations.moved_row(each._places[0], dim, before))
            before += each._sizes[dim]
        else:
            places.append(each._places[0])
            before = each._sizes[dim]
    kind = _common_dtype(tensors)
    made = places[0], tensors[0]._specified.to(kind)
    for where, each in zip(places[1:], tensors[1:], strict=True):
        elements = operations.joined("CatBackward0", made[1], each._specified.to(kind))
        made = operations.joined_columns(made[0], where), elements
    sizes = (*first._sizes[:dim], before, *first._sizes[dim + 1 :])
    return coo(*made, sizes)


def _side_by_side(tensors, dim):
    """The tensors with zeros before and after their elements, along a dimension without places."""
    ends = list(itertools.accumulate([each._sizes[dim] for each in tensors]))
    made = []
    for each, end in zip(tensors, ends, strict=True):
        axis, elements = dim - each.sparse_dim() + 1, each._specified
        before, after = end - each._sizes[dim], ends[-1] - end
        shape = elements.shape
        zeros = [
            elements.new_zeros((*shape[:axis], size, *shape[axis + 1 :]))
            for size in (before, after)
        ]
        sizes = (*each._sizes[:dim], ends[-1], *each._sizes[dim + 1 :])
        wide = joining.cat([zeros[0], elements, zeros[1]], axis)
        made.append(coo(each._places[0], wide, sizes, each._in_order))
    return made


def _common_dtype(tensors):
    return functools.reduce(promote_types, [each.dtype for each in tensors])


@answers("hstack", "column_stack", only="coo")
def hstack(tensors):
    """Several tensors beside each other; vectors one after the other."""
    return cat(tensors, int(len(tensors[0]._sizes) > 1))


@answers("vstack", "row_stack", only="coo")
def vstack(tensors):
    """Several tensors below each other."""
    return cat([unsqueeze(x, 0) if len(x._sizes) == 1 else x for x in tensors], 0)


@answers(only="coo")
def stack(tensors, dim=0):
    """Several tensors of one size in a new dimension."""
    return cat([unsqueeze(each, dim) for each in tensors], dim)


# Parts --------------------------------------------------------------------------------------------


def _part(x, chosen: np.ndarray, places: np.ndarray, sizes, in_order, grad):
    """Some elements at new places."""
    elements = operations.rows_of(grad, x._specified, as_tensor(chosen, x.device))
    return coo(as_tensor(places, x.device), elements, sizes, in_order)


@answers(only="coo")
def index_select(x, dim, index):
    """The slices that a tensor of integers names."""
    dim = _dim(dim, len(x._sizes))
    count, size = x.sparse_dim(), x._sizes[dim]
    wanted = known(index, "index_select()").reshape(-1)
    if ((wanted < -size) | (wanted >= size)).any():
        wrong = wanted[(wanted < -size) | (wanted >= size)][0]
        raise IndexError(
            f"index_select(): index contains {wrong} that is out of range for tensor of size "
            f"{list(x.shape)} at dimension {dim}"
        )
    wanted = wanted % max(size, 1)
    sizes = (*x._sizes[:dim], len(wanted), *x._sizes[dim + 1 :])
    if dim >= count:
        at = as_tensor(wanted, x.device)
        elements = x._specified.index_select(dim - count + 1, at)
        return coo(x._places[0], elements, sizes, x._in_order)
    indices = known(x._places[0], "index_select()")
    order = np.argsort(indices[dim], kind="stable")
    there = indices[dim][order]
    starts, ends = np.searchsorted(there, wanted), np.searchsorted(there, wanted, "right")
    counts = ends - starts
    before = np.cumsum(counts) - counts
    chosen = order[np.arange(counts.sum()) - np.repeat(before - starts, counts)]
    places = indices[:, chosen]
    places[dim] = np.repeat(np.arange(len(wanted)), counts)
    in_order = x._in_order and dim == 0
    return _part(x, chosen, places, sizes, in_order, "IndexSelectBackward0")


@answers(only="coo")
def narrow_copy(x, dim, start, length):
    """Some slices one after the other."""
    count, size = x.sparse_dim(), len(x._sizes)
    if not 0 <= dim < size:
        raise RuntimeError(f"Dimension {dim} out of range. Expecting 0 <= dim < {size}.")
    end = start + length
    if not 0 <= start <= end <= x._sizes[dim]:
        raise RuntimeError(
            "Invalid range to narrow. range(start, start+length) must be a subset of range(0, "
            f"{x._sizes[dim]})."
        )
    sizes = (*x._sizes[:dim], length, *x._sizes[dim + 1 :])
    if dim >= count:
        elements = x._specified.narrow(dim - count + 1, start, length)
        return coo(x._places[0], elements.contiguous(), sizes, x._in_order)
    indices = known(x._places[0], "narrow_copy()")
    chosen = np.nonzero((start <= indices[dim]) & (indices[dim] < end))[0]
    places = indices[:, chosen]
    places[dim] -= start
    return _part(x, chosen, places, sizes, x._in_order, "NarrowCopyBackward0")


@answers(
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
)
def dropout(input, p=0.5, training=True, inplace=False):
    """The tensor itself, where nothing is dropped; PyTorch has no more of it."""
    if training and p:
        refuse(input, "bernoulli_.float")
    return input


@answers(only="coo")
def select(x, dim, index):
    """One slice, without the dimension."""
    dim = _dim(dim, len(x._sizes))
    size, count = x._sizes[dim], x.sparse_dim()
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(x.shape)} at dimension "
            f"{dim}"
        )
    index = int(index) % size
    sizes = (*x._sizes[:dim], *x._sizes[dim + 1 :])
    if dim >= count:
        elements = x._specified.select(dim - count + 1, index)
        return coo(x._places[0], elements, sizes, x._in_order)
    indices = known(x._places[0], "select()")
    chosen = np.nonzero(indices[dim] == index)[0]
    if count == 1:
        part = operations.rows_of("SelectBackward0", x._specified, as_tensor(chosen, x.device))
        return part.sum(0).to(x.dtype)
    places = np.delete(indices[:, chosen], dim, 0)
    return _part(x, chosen, places, sizes, x._in_order, "SelectBackward0")


@answers(only="coo")
def unbind(x, dim=0):
    """All slices."""
    return tuple([select(x, dim, place) for place in range(x._sizes[_dim(dim, x.ndim)])])


@answers("__getitem__", only="coo")
def getitem(x, index):
    """`x[i]`, `x[i, j]` and `x[tensor]`."""
    row = index if isinstance(index, tuple) else (index,)
    if len(row) == 1 and isinstance(row[0], Tensor) and row[0].ndim == 1:
        if row[0].dtype.name == "bool":
            return index_select(x, 0, row[0].nonzero().reshape(-1))
        return index_select(x, 0, row[0])
    if not all(isinstance(each, (int, np.integer)) for each in row):
        refuse(x, "as_strided")
    made = x
    for each in row:
        made = select(made, 0, each) if isinstance(made, CooTensor) else made[each]
    return made
