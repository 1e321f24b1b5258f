"""Sums over sparse tensors, norms, and softmax among the elements that are stored."""

import numpy as np

from kuai.engine.tensor import Tensor
from kuai.sparse import operations
from kuai.sparse.compressed import CsrTensor
from kuai.sparse.conversion import as_coo
from kuai.sparse.coo import CooTensor, coalesced, coo
from kuai.sparse.places import as_tensor, flat, known, unique
from kuai.sparse.tensor import SparseTensor, answers, like, refuse

__all__ = ["log_softmax", "softmax", "sparse_sum"]


def _dims(dim, count):
    row = range(count) if dim is None else (dim if isinstance(dim, (tuple, list)) else [dim])
    made = []
    for each in row:
        if not -count <= each < count:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but "
                f"got {each})"
            )
        made.append(each % count)
    if len(set(made)) != len(made):
        raise RuntimeError(f"dim {made[0]} appears multiple times in the list of dims")
    return made


def sparse_sum(input, dim=None, dtype=None) -> Tensor:
    """The sum over some dimensions: sparse, if any dimension with places is left.

    Args:
        dim: one dimension or several; by default all.
        dtype: of the result.

    Example:
        >>> x = kuai.tensor([[0.0, 2.0], [3.0, 4.0]]).to_sparse()
        >>> kuai.sparse.sum(x, 0).to_dense()
        tensor([3., 6.])
    """
    if not isinstance(input, SparseTensor):
        raise RuntimeError("sparse.sum: the input has to be sparse; a dense one has its sum()")
    return total(input, dim, dtype=dtype)


@answers("sum")
def total(input, dim=None, keepdim=False, *, dtype=None):
    """The sum of all elements, or over some dimensions."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return input._specified.sum(dtype=dtype)
    x = coalesced(as_coo(input))
    dims, count = _dims(dim, len(x._sizes)), x.sparse_dim()
    elements = x._specified.to(dtype) if dtype is not None else x._specified
    if dtype is None and not (elements.is_floating_point() or elements.is_complex()):
        elements = elements.long()
    dense = [d - count + 1 for d in dims if d >= count]
    if dense:
        elements = elements.sum(dense, keepdim=keepdim)
    left = [d for d in range(count) if d not in dims]
    if not left:
        made = elements.sum(0)
        return made.reshape([1] * count + list(made.shape)) if keepdim else made
    kept = [1 if d in dims else n for d, n in enumerate(x._sizes) if d not in dims or keepdim]
    if len(left) == count:
        return coo(x._places[0], elements, kept, x._in_order)
    if keepdim:
        places = operations.without_rows(x._places[0], tuple([d for d in dims if d < count]))
    else:
        places = operations.chosen_rows(x._places[0], tuple(left))
    return coalesced(coo(places, elements, kept))


@answers("norm", "norm_of")
def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """The norm of all elements."""
    if dim is not None or keepdim or out is not None:
        refuse(input, "norm.ScalarOpt_dim")
    x = coalesced(input) if isinstance(input, CooTensor) else input
    return x._specified.norm(p, dtype=dtype) if dtype else x._specified.norm(p)


@answers("any")
def any_of(input, *args, **keywords):
    """Whether any element is not zero."""
    if args or keywords:
        refuse(input, "any.dim")
    x = coalesced(input) if isinstance(input, CooTensor) else input
    return x._specified.any()


@answers()
def is_nonzero(input):
    """Whether the only element is not zero."""
    return bool(input)


# Softmax ------------------------------------------------------------------------------------------


def _softmax(input, dim, dtype, is_log, name):
    if isinstance(input, CsrTensor) or not isinstance(input, SparseTensor):
        raise NotImplementedError(
            f"sparse.{name} is computed for tensors of the layout torch.sparse_coo; to_sparse() "
            "makes one"
        )
    if dim is None:
        raise TypeError(f'{name}() missing 1 required positional arguments: "dim"')
    x = coalesced(input)
    (dim,) = _dims(dim, len(x._sizes))
    elements = x._specified if dtype is None else x._specified.to(dtype)
    if not elements.is_floating_point():
        kind = x.dtype
        raise RuntimeError(f"\"softmax\" not implemented for '{kind.name.capitalize()}'")
    count = x.sparse_dim()
    if dim >= count:
        function = Tensor.log_softmax if is_log else Tensor.softmax
        return like(x, function(elements, dim - count + 1), True)
    indices = known(x._places[0], f"sparse.{name}()")
    others = [d for d in range(count) if d != dim]
    numbers = flat(indices[others], [x._sizes[d] for d in others])
    made, which = unique(numbers)
    grad = f"Sparse{'Log' if is_log else ''}SoftmaxBackward0"
    which = as_tensor(which.astype(np.int64), x.device)
    return like(x, operations.normalized(grad, elements, which, len(made), is_log), True)


def softmax(input, dim, *, dtype=None) -> Tensor:
    """Softmax along a dimension among the elements that are stored; the others stay zero.

    Example:
        >>> x = kuai.sparse_coo_tensor([[0, 0, 1], [0, 2, 1]], [1.0, 1.0, 5.0], (2, 3))
        >>> kuai.sparse.softmax(x, 1).to_dense()
        tensor([[0.5000, 0.0000, 0.5000],
                [0.0000, 1.0000, 0.0000]])
    """
    return _softmax(input, dim, dtype, False, "softmax")


def log_softmax(input, dim, *, dtype=None) -> Tensor:
    """The logarithm of `softmax`.

    Example:
        >>> x = kuai.sparse_coo_tensor([[0, 0], [0, 2]], [1.0, 1.0], (1, 3))
        >>> kuai.sparse.log_softmax(x, 1).coalesce().values()
        tensor([-0.6931, -0.6931])
    """
    return _softmax(input, dim, dtype, True, "log_softmax")
