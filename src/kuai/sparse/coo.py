"""Tensors of coordinates, `torch.sparse_coo`: how they are made, what they say of themselves."""

from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.concrete import is_concrete
from kuai.ops.array.creation import tensor, zeros
from kuai.sparse import operations, settings
from kuai.sparse.places import as_tensor, flat, known, unflat, unique
from kuai.sparse.tensor import BY_COLUMNS, BY_ROWS, SparseTensor, expecting, like

__all__ = ["CooTensor", "coalesced", "coo", "empty_coo", "from_dense", "pair", "sparse_coo_tensor"]


class CooTensor(SparseTensor):
    """A tensor of elements (N, …) and their indices (D, N); a place that comes twice is a sum."""

    def sparse_dim(self) -> int:
        """How many of the first dimensions have indices."""
        return self._places[0].shape[0]

    def indices(self) -> Tensor:
        """The indices (D, N) of a coalesced tensor."""
        self._refuse_uncoalesced("indices")
        return Tensor._share(self._places[0])

    def values(self) -> Tensor:
        """The elements (N, …) of a coalesced tensor."""
        self._refuse_uncoalesced("values")
        return operations.passed("ValuesBackward0", self._specified)

    def _refuse_uncoalesced(self, what):
        if not self._in_order:
            raise RuntimeError(
                f"Cannot get {what} on an uncoalesced tensor, please call .coalesce() first"
            )

    def _indices(self) -> Tensor:
        return Tensor._share(self._places[0])

    def _values(self) -> Tensor:
        return self._specified.detach()

    def _nnz(self) -> int:
        return self._places[0].shape[1]

    def _dimI(self) -> int:
        return self.sparse_dim()

    def _dimV(self) -> int:
        return self.dense_dim()

    def is_coalesced(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Whether no place comes twice and all are sorted, as far as that is known."""
        return self._in_order

    def _coalesced_(self, coalesced: bool) -> "CooTensor":
        self._in_order = coalesced
        return self

    def coalesce(self) -> "CooTensor":
        """The same tensor with every place once, in order; elements at the same place are added.

        Example:
            >>> x = kuai.sparse_coo_tensor([[1, 0, 1]], [1.0, 2.0, 3.0])
            >>> x.coalesce().values()
            tensor([2., 4.])
        """
        return coalesced(self)

    def _first_of_each_place(self):
        """What stands at each place first: a gradient is the same for all that stand there."""
        numbers, _ = _numbers(self)
        made, first = np.unique(numbers, return_index=True)
        if len(made) == len(numbers):
            return self
        where = self.device
        elements = self._specified.index_select(0, as_tensor(first, where))
        places = as_tensor(unflat(made, self._sizes[: self.sparse_dim()]), where)
        return coo(places, elements, self._sizes, True)


CooTensor._plain = CooTensor
for _name in ("crow_indices", "col_indices"):
    setattr(CooTensor, _name, expecting(_name, BY_ROWS))
for _name in ("ccol_indices", "row_indices"):
    setattr(CooTensor, _name, expecting(_name, BY_COLUMNS))


def coo(places: Tensor, elements: Tensor, sizes, in_order: bool = False) -> CooTensor:
    """A tensor of places and elements that nobody else has."""
    made = object.__new__(CooTensor)
    made._places, made._specified, made._sizes = (places,), elements, tuple(sizes)
    made._in_order = in_order
    return made


def _numbers(x):
    indices = known(x._places[0], "coalesce()")
    return flat(indices, x._sizes[: x.sparse_dim()]), indices


def coalesced(x: Any) -> Any:
    """See `CooTensor.coalesce`."""
    if x._in_order:
        return x
    numbers, _ = _numbers(x)
    if len(numbers) < 2 or (np.diff(numbers) > 0).all():
        return like(x, operations.passed("CoalesceBackward0", x._specified), True)
    made, which = unique(numbers)
    which = as_tensor(which, x.device)
    elements = operations.summed("CoalesceBackward0", x._specified, which, len(made))
    places = as_tensor(unflat(made, x._sizes[: x.sparse_dim()]), x.device)
    return coo(places, elements, x._sizes, True)


def pair(x: CooTensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of a matrix, in as few bytes as they need."""
    indices = x._places[0]
    version = indices._storage.version
    if x._pair is not None and x._pair[2] == version:
        return x._pair[:2]
    kind = "int32" if max(x._sizes, default=0) < 2**31 else "int64"
    rows, columns = operations.rows_and_columns(indices, kind)
    if modes.state.capture is None:
        x._pair = rows, columns, version
    return rows, columns


def empty_coo(sizes, sparse_dim=None, dtype=None, device=None) -> CooTensor:
    """A tensor without elements."""
    sizes = tuple(sizes)
    count = len(sizes) if sparse_dim is None else sparse_dim
    values = zeros((0, *sizes[count:]), dtype=dtype, device=device)
    return coo(as_tensor(np.zeros((count, 0), np.int64), values.device), values, sizes, True)


def from_dense(x: Tensor, sparse_dim=None) -> CooTensor:
    """The elements of a dense tensor that are not zero."""
    count = x.ndim if sparse_dim is None else sparse_dim
    if not 0 <= count <= x.ndim:
        raise RuntimeError(
            f"dense_to_sparse: sparse_dim argument must be in [0,{x.ndim}] range, but {count} is "
            "given"
        )
    if count == 0 and x.ndim:
        raise RuntimeError("dense_to_sparse: sparse_dim argument must be in >0 when self.dim()>0")
    if x.ndim == 0:
        there = bool(x.detach() != 0)
        places = as_tensor(np.zeros((0, int(there)), np.int64), x.device)
        return coo(places, x.reshape(1)[: int(there)], (), True)
    is_there = x.detach() != 0
    if count < x.ndim:
        is_there = is_there.flatten(count).any(-1)
    places = is_there.nonzero().t().contiguous()
    elements = operations.picked("ToSparseBackward0", x, places)
    return coo(places, elements, tuple(x.shape), True)


# The constructor ----------------------------------------------------------------------------------


def sparse_coo_tensor(
    indices,
    values=None,
    size=None,
    *,
    dtype=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    check_invariants=None,
    is_coalesced=None,
) -> CooTensor:
    """A sparse tensor of elements and their places.

        x[indices[0, n], …, indices[D-1, n]] = Σ values[n]

    Args:
        indices: the places, (D, N); without `values`, the size of a tensor without elements.
        values: the elements, (N, …): those of a hybrid tensor have dimensions of their own.
        size: of all dimensions; by default as large as the indices need.
        check_invariants: whether indices outside of the size are refused. Where it is not False,
            those whose numbers are known are looked at in any case: what a program makes of wrong
            ones is not defined, in Kuai as in PyTorch.
        is_coalesced: whether no place comes twice and all are sorted.

    Shape:
        (D, N), (N, *dense) → (*sparse, *dense)

    Example:
        >>> kuai.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3)).to_dense()
        tensor([[0., 0., 3.],
                [4., 0., 5.]])
    """
    if values is None and size is None:
        return _without_elements(indices, dtype, device, requires_grad)
    values = _as_values(values, dtype, device)
    indices = _as_indices(indices, values.device)
    if values.ndim == 0:
        values = values.reshape(1)
    if indices.ndim != 2:
        shown = list(indices.shape)
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {shown}")
    count, nnz = indices.shape
    if size is None:
        size = (*_sizes_needed(indices), *values.shape[1:])
    size = tuple(int(each) for each in size)
    _check(size, count, nnz, values)
    checked = settings.wants_checks(check_invariants)
    if checked or (check_invariants is None and is_concrete(indices)):
        _check_range(indices, size)
    in_order = bool(is_coalesced) or nnz < 2
    if checked and is_coalesced:
        _check_order(indices, size)
    made: Any = coo(indices, operations.passed(_MADE, values), size, in_order)
    return made.requires_grad_() if requires_grad else made


_MADE = "SparseCooTensorWithDimsAndTensorsBackward0"


def _without_elements(size, dtype, device, requires_grad):
    sizes = tuple(int(each) for each in size)
    made: Any = empty_coo(sizes, dtype=dtype, device=device)
    return made.requires_grad_() if requires_grad else made


def _as_values(values, dtype, device):
    if not isinstance(values, Tensor):
        return tensor(values, dtype=dtype, device=device)
    kind, place = dtype or values.dtype, device or values.device
    return values.to(device=place, dtype=kind)


def _as_indices(indices, device):
    if isinstance(indices, Tensor):
        if indices.dtype.name == "int64" and indices.device == device:
            return Tensor._share(indices)
        return indices.detach().to(device).long()
    made = tensor(indices, device=device)
    return made.long()


def _sizes_needed(indices):
    count, nnz = indices.shape
    if not nnz:
        return (0,) * count
    array = known(indices, "sparse_coo_tensor()")
    for dim, smallest in enumerate(array.min(1)):
        if smallest < 0:
            raise RuntimeError(f"found negative index {smallest} for dim {dim}")
    return tuple(int(each) + 1 for each in array.max(1))


def _check(size, count, nnz, values):
    dense = values.ndim - 1
    if len(size) != count + dense:
        raise RuntimeError(
            "'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = "
            f"{len(size)}, sparse_dim = {count}, dense_dim = {dense}"
        )
    if values.shape[0] != nnz:
        raise RuntimeError(
            f"indices and values must have same nnz, but got nnz from indices: {nnz}, nnz from "
            f"values: {values.shape[0]}"
        )
    if tuple(values.shape[1:]) != size[count:]:
        raise RuntimeError(
            f"values has incorrect size, expected {[nnz, *size[count:]]}, got {list(values.shape)}"
        )


def _check_range(indices, size):
    if not indices.shape[1]:
        return
    array = known(indices, "sparse_coo_tensor()")
    for dim, (smallest, largest) in enumerate(zip(array.min(1), array.max(1), strict=True)):
        if smallest < 0:
            raise RuntimeError(f"found negative index {smallest} for dim {dim}")
        if largest >= size[dim]:
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {dim}, size is {size[dim]} but found "
                f"index {largest}"
            )


def _check_order(indices, size):
    numbers = flat(known(indices, "sparse_coo_tensor()"), size[: indices.shape[0]])
    if not (np.diff(numbers) > 0).all():
        raise RuntimeError(
            "cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor"
        )
