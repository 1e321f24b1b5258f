"""Into other layouts, dtypes and devices, and back; copies and questions."""

from typing import Any

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.formats import layout as Layout, sparse_coo, sparse_csc, sparse_csr, strided
from kuai.ops.array.creation import zeros
from kuai.sparse import operations
from kuai.sparse.compressed import CscTensor, CsrTensor, empty_csr, from_coo, to_coo
from kuai.sparse.coo import CooTensor, coalesced, coo, empty_coo, from_dense, sparse_coo_tensor
from kuai.sparse.tensor import SparseTensor, answers, like, refuse, shown_layout

__all__ = ["as_coo", "as_csr", "to_dense", "to_sparse"]


def as_coo(x: Tensor) -> Any:
    """A tensor of any layout as one of coordinates."""
    if isinstance(x, CooTensor):
        return x
    return to_coo(x) if isinstance(x, CsrTensor) else from_dense(x)


def as_csr(x: Tensor, kind=CsrTensor) -> CsrTensor:
    """A matrix of any layout, compressed."""
    return x if type(x) is kind else from_coo(as_coo(x), kind)


@answers()
def to_dense(x, dtype=None, *, masked_grad=None) -> Tensor:
    """The tensor with all its elements."""
    if dtype is not None:
        raise RuntimeError("dtype argument is not supported by sparse_to_dense")
    x = as_coo(x)
    if not x.sparse_dim():
        return operations.passed("ToDenseBackward0", x._specified.sum(0))
    kind = x._specified
    if kind.dtype.name == "bool":
        return operations.placed("ToDenseBackward0", x._places[0], kind.int(), x._sizes).bool()
    return operations.placed("ToDenseBackward0", x._places[0], kind, x._sizes)


@answers()
def to_sparse(x, sparse_dim=None, *, layout=None, blocksize=None, dense_dim=None) -> Tensor:
    """The tensor in a sparse layout."""
    if not isinstance(sparse_dim, (int, type(None))):  # the layout by position
        sparse_dim, layout = None, sparse_dim
    wanted = sparse_coo if layout is None else layout
    if wanted is strided:
        return to_dense(x) if isinstance(x, SparseTensor) else x
    if blocksize is not None or dense_dim or wanted not in _TO:
        raise NotImplementedError(
            f"to_sparse: the layout {wanted} is not computed with; those with blocks and dense "
            "dimensions are not. torch.sparse_coo, torch.sparse_csr and torch.sparse_csc are"
        )
    if wanted is not sparse_coo:
        if sparse_dim is not None:
            raise RuntimeError("to_sparse: the sparse_dim argument is only for torch.sparse_coo")
        return as_csr(x, _TO[wanted])
    if isinstance(x, SparseTensor):
        if sparse_dim not in (None, x.sparse_dim()):
            raise RuntimeError(
                f"to_sparse: conversion from {shown_layout(x)} to Sparse with sparse_dim argument "
                "!=self.sparse_dim() is not supported"
            )
        return as_coo(x)
    return from_dense(x, sparse_dim)


_TO = {sparse_coo: None, sparse_csr: CsrTensor, sparse_csc: CscTensor}


@answers()
def to_sparse_coo(x):
    """The tensor as one of coordinates."""
    return as_coo(x)


@answers()
def to_sparse_csr(x, dense_dim=None):
    """The matrix with each row's elements together."""
    return to_sparse(x, layout=sparse_csr, dense_dim=dense_dim)


@answers()
def to_sparse_csc(x, dense_dim=None):
    """The matrix with each column's elements together."""
    return to_sparse(x, layout=sparse_csc, dense_dim=dense_dim)


# Dtypes and devices -------------------------------------------------------------------------------


def _converted(x, elements):
    """Other elements, and the places on their device."""
    if elements is x._specified:
        return x
    made = like(x, elements)
    if elements.device != x.device:
        made._places = tuple([places.to(elements.device) for places in x._places])
        made._pair = None
    return made


@answers()
def to(x, *args, **kwargs):
    """The tensor in another dtype, or on another device; a dense one in that of a sparse one."""
    args = [each._specified if isinstance(each, SparseTensor) else each for each in args]
    if not isinstance(x, SparseTensor):
        return x.to(*args, **kwargs)
    kwargs.pop("memory_format", None)
    return _converted(x, x._specified.to(*args, **kwargs))


def _register_conversions():
    def convert(name):
        def converted(x, *args, **kwargs):
            kwargs.pop("memory_format", None)
            return _converted(x, getattr(x._specified, name)(*args, **kwargs))

        return converted

    for name in (
        "bfloat16", "bool", "byte", "cdouble", "cfloat", "char", "cpu", "cuda", "double", "float",
        "half", "int", "long", "short", "clone", "detach", "pin_memory",
    ):  # fmt: skip
        answers(name)(convert(name))

    def ask(name):
        return lambda x, *args, **kwargs: getattr(x._specified, name)(*args, **kwargs)

    for name in (
        "element_size", "get_device", "is_complex", "is_conj", "is_floating_point", "is_inference",
        "is_neg", "is_pinned", "is_signed",
    ):  # fmt: skip
        answers(name)(ask(name))


_register_conversions()


@answers()
def type_as(x, other):
    """The tensor in the dtype of another one."""
    if not isinstance(x, SparseTensor):
        return x.to(other.dtype)
    return _converted(x, x._specified.type(other.dtype))


@answers("type")
def type_of(x, dtype=None, non_blocking=False, **kwargs):
    """The name of the type, or the tensor in another one."""
    if dtype is None:
        return x._specified.type().replace("torch.", "torch.sparse.", 1).replace("cuda.sparse", "")
    if isinstance(dtype, str):
        dtype = dtype.replace("sparse.", "")
    return _converted(x, x._specified.type(dtype))


@answers()
def requires_grad_(x, requires_grad=True):
    """Say whether it requires a gradient."""
    x.requires_grad = requires_grad
    return x


@answers()
def detach_(x):
    """Cut the history off."""
    x._specified.detach_()
    return x


@answers()
def share_memory_(x):
    """The tensor itself."""
    return x


# Questions ----------------------------------------------------------------------------------------


@answers()
def size(x, dim=None):
    """All sizes, or one."""
    return x.shape if dim is None else x.shape[dim]


@answers()
def dim(x):
    """The number of dimensions."""
    return len(x._sizes)


@answers()
def numel(x):
    """The number of all elements, also of those that are not stored."""
    return x.shape.numel()


@answers()
def stride(x, dim=None):
    """Zeros: elements lie at no place that follows from their indices."""
    return (0,) * len(x._sizes) if dim is None else 0


@answers()
def is_contiguous(x, memory_format=None):
    """Whether it counts as contiguous: no."""
    return False


@answers()
def is_same_size(x, other):
    """Whether two tensors have the same size."""
    return tuple(x.shape) == tuple(other.shape)


@answers()
def contiguous(x, memory_format=None):
    """PyTorch's error."""
    raise RuntimeError("unsupported memory format option Contiguous")


@answers()
def numpy(x, *, force=False):
    """PyTorch's error."""
    raise TypeError(
        f"can't convert {shown_layout(x)} layout tensor to numpy. Use Tensor.to_dense() first."
    )


@answers("tolist", "data_ptr", "apply_", "map_")
def pointer(x, *args):
    """PyTorch's error."""
    raise RuntimeError("Cannot access data pointer of Tensor that doesn't have storage")


@answers("reshape", "flatten", "ravel", "einsum")
def reshape(x, *args, **kwargs):
    """PyTorch's error."""
    raise RuntimeError("reshape is not implemented for sparse tensors")


@answers("expand", "broadcast_to", "expand_as")
def expand(x, *args, **kwargs):
    """PyTorch's error."""
    raise RuntimeError("expand is unsupported for Sparse tensors")


@answers()
def item(x):
    """The value of a tensor with one element."""
    if numel(x) != 1:
        raise RuntimeError(f"a Tensor with {numel(x)} elements cannot be converted to Scalar")
    return to_dense(x).item()


# Tensors without elements -------------------------------------------------------------------------


def _empty(x, sizes, dtype, device, layout, requires_grad):
    kind, place = dtype or x.dtype, device or x.device
    wanted = x.layout if layout is None else layout
    if wanted is strided:
        return zeros(sizes, dtype=kind, device=place, requires_grad=requires_grad)
    if wanted is sparse_coo and isinstance(x, CooTensor) and len(sizes) == x.ndim:
        made = empty_coo(sizes, x.sparse_dim(), kind, place)
        return made.requires_grad_() if requires_grad else made
    return without_elements("zeros", sizes, wanted, kind, place, requires_grad)


@answers("zeros_like", "empty_like")
def zeros_like(
    x, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False,
    memory_format=None,
):  # fmt: skip
    """A tensor of the same size without elements."""
    return _empty(x, tuple(x._sizes), dtype, device, layout, requires_grad)


@answers("new_zeros", "new_empty")
def new_zeros(
    x, *size, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """A tensor of another size without elements."""
    sizes = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    return _empty(x, sizes, dtype, device, layout, requires_grad)


@answers(only="coo")
def new(x, *args, device=None):
    """A tensor of the same dtype, of places and elements or of a size."""
    if args and isinstance(args[0], Tensor):
        return sparse_coo_tensor(*args, device=device or x.device)
    return new_zeros(x, *(args or (0,)), device=device)


@answers()
def new_tensor(x, data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A dense tensor of some data."""
    made = x._specified.new_tensor(data, dtype=dtype, device=device)
    return made.requires_grad_() if requires_grad else made


def without_elements(name, sizes, layout, dtype, device, requires_grad):
    """What `zeros` and the like give for another layout than that of dense tensors."""
    if not isinstance(layout, Layout):
        raise TypeError(f"argument 'layout' must be torch.layout, not {type(layout).__name__}")
    if not name.startswith(("zeros", "empty")):
        raise RuntimeError("full(...) is not implemented for sparse layout")
    makers = {sparse_coo: empty_coo, sparse_csr: empty_csr}
    if layout not in makers:
        raise NotImplementedError(f"{name}: no tensors of the layout {layout} are made")
    made = makers[layout](tuple(sizes), dtype=dtype, device=device)
    return made.requires_grad_() if requires_grad else made


# In place -----------------------------------------------------------------------------------------


@answers(only="coo")
def zero_(x):
    """Forget all elements."""
    made = empty_coo(x._sizes, x.sparse_dim(), x.dtype, x.device)
    return replace(x, made)


def replace(x, made):
    """Have a tensor stand for what was computed of it."""
    if x.requires_grad and x.is_leaf and made._specified.requires_grad:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )
    kept = x.requires_grad and not made._specified.requires_grad
    x._places, x._sizes, x._pair = made._places, made._sizes, made._pair
    x._in_order, x._shown_grad = made._in_order, None
    x._specified = made._specified.requires_grad_() if kept else made._specified
    return x


@answers()
def copy_(x, other, non_blocking=False):
    """Take over the elements of another tensor of the same layout and size."""
    if not isinstance(other, SparseTensor) or not isinstance(x, SparseTensor):
        raise RuntimeError(
            "copy_() between dense and sparse Tensors is not implemented! Found self type = "
            f"{x.type()} and src type = {other.type()}"
        )
    if x.kind != other.kind or tuple(x.shape) != tuple(other.shape):
        raise RuntimeError(
            f"copy_: a tensor of layout {other.layout} and size {list(other.shape)} cannot be "
            f"copied to one of layout {x.layout} and size {list(x.shape)}"
        )
    made = _converted(other, other._specified.to(device=x.device, dtype=x.dtype))
    made = like(made, made._specified.clone())
    made._places = tuple([places.clone() for places in made._places])
    return replace(x, made)


@answers(only="coo")
def sparse_resize_(x, size, sparse_dim, dense_dim):
    """Other sizes for the same places."""
    if sparse_dim != x.sparse_dim() or dense_dim != x.dense_dim():
        refuse(x, "sparse_resize_")
    if x._nnz() and any(new < old for new, old in zip(size, x._sizes, strict=True)):
        raise RuntimeError(
            "shrinking the size of sparse dimensions on a non-empty sparse tensor is not supported."
        )
    made = coo(x._places[0], Tensor._share(x._specified), tuple(size), x._in_order)
    return replace(x, made)


@answers(only="coo")
def resize_as_sparse_(x, other):
    """The sizes of another tensor."""
    return sparse_resize_(x, tuple(other.shape), other.sparse_dim(), other.dense_dim())


@answers(only="coo")
def sparse_mask(x, mask):
    """The elements at the places of another tensor; zero where there are none."""
    if not isinstance(mask, CooTensor):
        raise NotImplementedError(
            f"Could not run 'aten::_nnz' with arguments from the 'CPU' backend: the mask has the "
            f"layout {mask.layout}, and has to have torch.sparse_coo"
        )
    if tuple(x.shape) != mask._sizes:
        raise RuntimeError(
            f"sparse_mask(): operands have incompatible sizes; self has size {list(x.shape)} but "
            f"mask has size {list(mask.shape)}"
        )
    dense = to_dense(x) if isinstance(x, SparseTensor) else x
    return like(mask, operations.picked("SparseMaskBackward0", dense, mask._places[0]))


@answers(only="coo")
def coalesce(x):
    """Every place once, in order."""
    return coalesced(x)
