"""Sparse matrices of diagonals."""

import numpy as np

from kuai.engine.tensor import Tensor
from kuai.sparse import operations
from kuai.sparse.conversion import to_sparse
from kuai.sparse.coo import coo
from kuai.sparse.places import as_tensor, known

__all__ = ["spdiags"]


def spdiags(diagonals, offsets, shape, layout=None) -> Tensor:
    """A matrix with some diagonals, each cut from the row that is given for it.

        x[j - offsets[d], j] = diagonals[d, j]

    Args:
        diagonals: a row for each diagonal, (D, L); of those above the main one the beginning is not
            used.
        offsets: which diagonals they are, (D): 0 is the main one, 1 the one above.
        shape: of the matrix.
        layout: torch.sparse_coo (the default), torch.sparse_csr or torch.sparse_csc.

    Example:
        >>> rows = kuai.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        >>> kuai.sparse.spdiags(rows, kuai.tensor([0, 1]), (3, 3)).to_dense()
        tensor([[1., 5., 0.],
                [0., 2., 6.],
                [0., 0., 3.]])
    """
    diagonals = diagonals.unsqueeze(0) if diagonals.ndim == 1 else diagonals
    where = known(offsets, "spdiags()").reshape(-1)
    if diagonals.ndim != 2:
        raise RuntimeError(f"Diagonals must be vector or matrix, but got {diagonals.ndim}D")
    if len(shape) != 2:
        raise RuntimeError(f"Output shape must be 2d, but got {len(shape)}D")
    if len(where) != diagonals.shape[0]:
        raise RuntimeError(
            f"Number of diagonals ({diagonals.shape[0]}) does not match the number of offsets "
            f"({len(where)})"
        )
    if len(set(where.tolist())) != len(where):
        raise RuntimeError("Offset tensor contains duplicate values")
    rows, columns, chosen = [], [], []
    for number, offset in enumerate(where.tolist()):
        column = np.arange(max(offset, 0), min(shape[1], diagonals.shape[1], shape[0] + offset))
        rows.append(column - offset)
        columns.append(column)
        chosen.append(np.full(len(column), number))
    row, column = np.concatenate(rows), np.concatenate(columns)
    place = diagonals.device
    taken = as_tensor(np.stack([np.concatenate(chosen), column]), place)
    elements = operations.picked("SparseCooTensorWithDimsAndTensorsBackward0", diagonals, taken)
    made = coo(as_tensor(np.stack([row, column]), place), elements, tuple(shape))
    return made if layout is None else to_sparse(made, layout=layout)
