"""Compressed matrices: `torch.sparse_csr`, where each row's elements stand together, and
`torch.sparse_csc`, where each column's do."""

from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor, modes
from kuai.engine.tensor.concrete import is_concrete
from kuai.engine.tensor.formats import sparse_csc, sparse_csr
from kuai.ops.array.creation import tensor, zeros
from kuai.sparse import operations, settings
from kuai.sparse.coo import CooTensor, coalesced, coo
from kuai.sparse.places import as_tensor, known, run_lengths
from kuai.sparse.tensor import BY_COLUMNS, BY_ROWS, SparseTensor, expecting

__all__ = ["CscTensor", "CsrTensor", "compressed", "from_coo", "lines_and_numbers", "to_coo"]
__all__ += ["empty_csr", "sparse_csc_tensor", "sparse_csr_tensor"]


class CsrTensor(SparseTensor):
    """A matrix of elements (N), their columns (N), and where each row starts (M + 1)."""

    kind = "compressed"
    layout = sparse_csr
    is_sparse = False
    is_sparse_csr = True
    _by_rows = True

    def values(self) -> Tensor:
        """The elements (N)."""
        return operations.passed("ValuesBackward0", self._specified)

    def _values(self) -> Tensor:
        return self._specified.detach()

    def _nnz(self) -> int:
        return self._specified.shape[0]

    def _starts(self, name, by_rows, index):
        if self._by_rows is not by_rows:
            self._expected(name, _WANTED[by_rows])
        return Tensor._share(self._places[index])

    def crow_indices(self) -> Tensor:
        """Where each row starts (M + 1)."""
        return self._starts("crow_indices", True, 0)

    def col_indices(self) -> Tensor:
        """The columns of the elements (N)."""
        return self._starts("col_indices", True, 1)

    def ccol_indices(self) -> Tensor:
        """Where each column starts (K + 1)."""
        return self._starts("ccol_indices", False, 0)

    def row_indices(self) -> Tensor:
        """The rows of the elements (N)."""
        return self._starts("row_indices", False, 1)

    def _picks(self, dense):
        rows, columns = lines_and_numbers(self)
        rows, columns = (rows, columns) if self._by_rows else (columns, rows)
        return dense[rows.long(), columns.long()]


class CscTensor(CsrTensor):
    """A matrix of elements (N), their rows (N), and where each column starts (K + 1)."""

    layout = sparse_csc
    is_sparse_csr = False
    _by_rows = False


CsrTensor._plain, CscTensor._plain = CsrTensor, CscTensor
for _name in ("indices", "coalesce", "is_coalesced"):
    setattr(CsrTensor, _name, expecting(_name, "sparse coordinate tensor layout"))
_WANTED = {True: BY_ROWS, False: BY_COLUMNS}
_NAMES = {CsrTensor: ("crow_indices", "col_indices", "nrows", "ncols")}
_NAMES[CscTensor] = ("ccol_indices", "row_indices", "ncols", "nrows")


def compressed(kind, starts, numbers, elements, sizes) -> CsrTensor:
    """A matrix of parts that nobody else has."""
    made = object.__new__(kind)
    made._places, made._specified, made._sizes = (starts, numbers), elements, tuple(sizes)
    made._in_order = True
    return made


def lines_and_numbers(x: CsrTensor) -> tuple[Tensor, Tensor]:
    """The row, or column, that each element stands in, and its number there."""
    starts, numbers = x._places
    version = starts._storage.version, numbers._storage.version
    if x._pair is not None and x._pair[2] == version:
        return x._pair[:2]
    kind = "int32" if max(x._sizes) < 2**31 else "int64"
    lines = operations.row_numbers(starts, numbers.shape[0])
    lines, numbers = operations.both_as(lines, numbers, kind)
    if modes.state.capture is None:
        x._pair = lines, numbers, version
    return lines, numbers


def to_coo(x: CsrTensor) -> CooTensor:
    """The same matrix as a tensor of coordinates."""
    lines, numbers = lines_and_numbers(x)
    places = operations.joined_places(*((lines, numbers) if x._by_rows else (numbers, lines)))
    elements = operations.passed("ToSparseBackward1", x._specified)
    return coo(places, elements, x._sizes, x._by_rows)


def from_coo(x: CooTensor, kind: Any = CsrTensor) -> CsrTensor:
    """A matrix of coordinates, compressed."""
    if len(x._sizes) != 2 or x.sparse_dim() != 2:
        raise RuntimeError(
            "coo_to_sparse_csr: conversion from Sparse to SparseCsr for input tensors with "
            f"sparse_dim()!=2 is not supported, got {len(x._sizes)} dimensions"
        )
    x = coalesced(x)
    indices = known(x._places[0], "to_sparse_csr()")
    if kind is CscTensor:
        order = np.lexsort((indices[0], indices[1]))
        indices = indices[::-1, order]
        elements = x._specified.index_select(0, as_tensor(order, x.device))
    else:
        elements = operations.passed("ToSparseCsrBackward0", x._specified)
    lines = x._sizes[0 if kind is CsrTensor else 1]
    starts = as_tensor(run_lengths(indices[0], lines), x.device)
    return compressed(kind, starts, as_tensor(indices[1], x.device), elements, x._sizes)


def empty_csr(sizes, dtype=None, device=None) -> CsrTensor:
    """A matrix without elements."""
    if len(sizes) != 2:
        raise RuntimeError("a compressed tensor of other than two dimensions is not supported")
    values = zeros(0, dtype=dtype, device=device)
    starts = as_tensor(np.zeros(sizes[0] + 1, np.int64), values.device)
    numbers = as_tensor(np.zeros(0, np.int64), values.device)
    return compressed(CsrTensor, starts, numbers, values, sizes)


# Constructors -------------------------------------------------------------------------------------


def sparse_csr_tensor(
    crow_indices,
    col_indices,
    values,
    size=None,
    *,
    dtype=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    check_invariants=None,
) -> CsrTensor:
    """A matrix of which each row's elements stand together.

        x[m, col_indices[n]] = values[n],  crow_indices[m] ≤ n < crow_indices[m + 1]

    Args:
        crow_indices: where each row starts, and the number of elements, (M + 1).
        col_indices: the columns, (N), sorted in each row.
        values: the elements, (N).
        size: (M, K); by default as large as the columns need.

    Example:
        >>> kuai.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0], (2, 3)).to_dense()
        tensor([[0., 0., 3.],
                [4., 0., 5.]])
    """
    parts = crow_indices, col_indices, values
    return _made(CsrTensor, parts, size, dtype, device, requires_grad, check_invariants)


def sparse_csc_tensor(
    ccol_indices,
    row_indices,
    values,
    size=None,
    *,
    dtype=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    check_invariants=None,
) -> CsrTensor:
    """A matrix of which each column's elements stand together: see `sparse_csr_tensor`.

    Example:
        >>> kuai.sparse_csc_tensor([0, 1, 1, 3], [1, 0, 1], [4.0, 3.0, 5.0], (2, 3)).to_dense()
        tensor([[0., 0., 3.],
                [4., 0., 5.]])
    """
    parts = ccol_indices, row_indices, values
    return _made(CscTensor, parts, size, dtype, device, requires_grad, check_invariants)


def _made(kind, parts, size, dtype, device, requires_grad, check_invariants):
    starts, numbers, values = parts
    if not isinstance(values, Tensor):
        values = tensor(values, dtype=dtype, device=device)
    values = values.to(device=device or values.device, dtype=dtype or values.dtype)
    starts, numbers = _as_indices(starts, values.device), _as_indices(numbers, values.device)
    if values.ndim != 1 or starts.ndim != 1 or numbers.ndim != 1:
        raise RuntimeError(
            f"{kind.layout} tensors with batches or dense dimensions are not supported: values "
            f"have {values.ndim} dimensions, indices {numbers.ndim}"
        )
    if size is None:
        count = int(known(numbers, "a size").max(initial=-1)) + 1
        size = (starts.shape[0] - 1, count)[:: 1 if kind is CsrTensor else -1]
    size = tuple(int(each) for each in size)
    checked = settings.wants_checks(check_invariants)
    if checked or (check_invariants is None and is_concrete(starts) and is_concrete(numbers)):
        _check(kind, starts, numbers, values, size)
    name = f"Sparse{str(kind.layout)[-3:].capitalize()}TensorBackward0"
    made: Any = compressed(kind, starts, numbers, operations.passed(name, values), size)
    return made.requires_grad_() if requires_grad else made


def _as_indices(given, device):
    made = given if isinstance(given, Tensor) else tensor(given, device=device)
    if made.dtype.name not in ("int32", "int64"):
        made = made.long()
    return Tensor._share(made.to(device))


def _check(kind, starts, numbers, values, size):
    """PyTorch's conditions, one after the other."""
    start, number, line, other = _NAMES[kind]
    lines, others = size if kind is CsrTensor else size[::-1]
    given, places = known(starts, "checks"), known(numbers, "checks")
    count = values.shape[0]
    _see(len(given) == lines + 1, f"`{start}.shape[-1] == {line} + 1`")
    _see(len(places) == count, f"`{number}.shape[-1] == values.shape[0]`")
    _see(given[0] == 0, f"`{start}[..., 0] == 0`")
    _see(given[-1] == count, f"`{start}[..., -1] == nnz`")
    steps = np.diff(given)
    _see(
        ((steps >= 0) & (steps <= others)).all(),
        f"`0 <= {start}[..., 1:] - {start}[..., :-1] <= {other}`",
    )
    _see(((places >= 0) & (places < others)).all(), f"`0 <= {number} < {other}`")
    rows = np.repeat(np.arange(lines), steps)
    rising = (np.diff(places) > 0) | (np.diff(rows) > 0)
    _see(
        rising.all(),
        f"`{number}[..., {start}[..., i - 1]:{start}[..., i]] for all i = 1, ..., {line} are "
        "sorted and distinct along the last dimension values`",
    )


def _see(holds, condition):
    if not holds:
        raise RuntimeError(f"{condition} is not satisfied.")
