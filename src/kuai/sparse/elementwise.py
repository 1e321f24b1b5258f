"""Arithmetic, element by element, as far as what is not stored stays zero."""

import numbers
from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.concrete import is_concrete
from kuai.engine.tensor.formats import sparse_csr
from kuai.engine.tensor.promotion import promote_types
from kuai.sparse import operations
from kuai.sparse.compressed import CsrTensor, from_coo
from kuai.sparse.conversion import as_coo, replace
from kuai.sparse.coo import CooTensor, coalesced, coo
from kuai.sparse.places import as_tensor, flat, found_in, known
from kuai.sparse.tensor import SparseTensor, answers, like, refuse

__all__ = ["add", "mul"]

#: Functions of one number that give 0 for 0.
_OF_ONE = """
    abs absolute arcsin arcsinh arctan arctanh asin asinh atan atanh ceil deg2rad erf erfinv expm1
    fix floor frac isinf isnan isneginf isposinf log1p nan_to_num positive rad2deg relu round sgn
    sign signbit sin sinh sqrt square tan tanh trunc conj conj_physical resolve_conj resolve_neg
""".split()
#: Those that are the same for a sum as for its parts.
_LINEAR = "neg negative deg2rad rad2deg positive conj resolve_conj resolve_neg".split()


_LINEAR_IN_PLACE = ("neg", "negative", "positive", "conj", "resolve_conj", "resolve_neg")
_OTHER_NAMES = {"absolute": "abs", "fix": "trunc"}
_OTHER_NAMES |= {f"arc{n}": f"a{n}" for n in ("sin", "sinh", "tan", "tanh")}


def _whole(x):
    """The tensor with all parts of an element added up."""
    return coalesced(x) if isinstance(x, CooTensor) else x


def _register():
    def of_one(name):
        def apply(x, *args, inplace=False, **kwargs):
            if inplace:
                return replace(x, apply(x, *args, **kwargs))
            x = x if name in _LINEAR else _whole(x)
            return like(x, getattr(x._specified, name)(*args, **kwargs))

        return apply

    def changing(function, name=None):
        def change(x, *args, **kwargs):
            if name is not None and isinstance(x, CooTensor) and not x._in_order:
                raise RuntimeError(f"{_OTHER_NAMES.get(name, name)}_ requires coalesced input")
            return replace(x, function(x, *args, **kwargs))

        return change

    for name in dict.fromkeys([*_OF_ONE, *_LINEAR]):
        function = answers(name)(of_one(name))
        answers(f"{name}_")(changing(function, None if name in _LINEAR_IN_PLACE else name))
    for function in (mul, div, add, sub, pow):
        names = _NAMES.get(function.__name__, (function.__name__,))
        answers(*names)(function)
        answers(*[f"{name}_" for name in names])(changing(function))
        answers(f"__i{names[-1]}__")(changing(function))


_NAMES = {
    "mul": ("multiply", "mul"),
    "div": ("divide", "true_divide", "div"),
    "sub": ("subtract", "sub"),
}


def _is_number(value) -> bool:
    return isinstance(value, (numbers.Number, np.generic))


def _is_scalar(value) -> bool:
    if isinstance(value, SparseTensor):
        return False
    return _is_number(value) or isinstance(value, Tensor) and value.ndim == 0


# Products and quotients ---------------------------------------------------------------------------


def mul(input, other):
    """The product with a number or another tensor; it is sparse."""
    if not isinstance(input, SparseTensor):
        if isinstance(input, Tensor) or _is_number(input):
            return mul(other, input)
    if _is_scalar(other):
        return like(input, input._specified * other)
    if not isinstance(other, SparseTensor):
        return _times_dense(input, other)
    if isinstance(input, CsrTensor) or isinstance(other, CsrTensor):
        made = mul(as_coo(input), as_coo(other))
        return from_coo(made) if input.layout is other.layout is sparse_csr else made
    _check_sizes("mul", input, other)
    first, second = coalesced(input), coalesced(other)
    if _same_places(first, second):
        return like(first, first._specified * second._specified)
    here, there = _keys(first), _keys(second)
    at, is_there = found_in(here, there)
    places = np.nonzero(is_there)[0]
    mine, theirs = as_tensor(places, input.device), as_tensor(at[places], input.device)
    made = first._specified.index_select(0, mine) * second._specified.index_select(0, theirs)
    return coo(first._places[0].index_select(1, mine), made, input._sizes, True)


def _times_dense(x: Any, dense) -> Any:
    if isinstance(x, CsrTensor):
        return from_coo(_times_dense(as_coo(x), dense), type(x))
    if dense.numel() == 1 and dense.ndim <= len(x._sizes):
        return like(x, x._specified * dense.reshape(()))
    if tuple(dense.shape) != x._sizes:
        dense = dense.expand(x._sizes)
    return like(x, x._specified * operations.picked("MulBackward0", dense, x._places[0]))


def div(input, other, *, rounding_mode=None):
    """The quotient by a number."""
    if not isinstance(input, SparseTensor):
        refuse(other, "reciprocal" if _is_scalar(input) else "div")
    if not _is_scalar(other):
        raise RuntimeError(
            "Sparse division requires a scalar or zero-dim dense tensor divisor (got shape "
            f"{list(other.shape)} for divisor)"
        )
    x = _whole(input) if rounding_mode else input
    keywords = {"rounding_mode": rounding_mode} if rounding_mode else {}
    return like(x, x._specified.div(other, **keywords))


@answers()
def floor_divide(input, other):
    """The quotient by a number, rounded down."""
    if not isinstance(input, SparseTensor) or not _is_scalar(other):
        refuse(other if isinstance(other, SparseTensor) else input, "floor_divide")
    x = _whole(input)
    return like(x, x._specified.floor_divide(other))


def pow(input, exponent):
    """A power of each element."""
    if not isinstance(input, SparseTensor) or not _is_number(exponent):
        refuse(exponent if isinstance(exponent, SparseTensor) else input, "pow")
    if exponent == 0:
        raise RuntimeError(
            "pow: cannot raise to zeroth power on sparse tensor; it would make the result tensor "
            "dense"
        )
    x = _whole(input)
    return like(x, x._specified.pow(exponent))


# Sums ---------------------------------------------------------------------------------------------


def add(input, other, *, alpha=1):
    """The sum of two sparse tensors, which is sparse, or of a dense one and a sparse one."""
    if not isinstance(input, SparseTensor):
        if not isinstance(input, Tensor):
            input = _refuse_number(input, other)
        return _onto_dense(input, other, alpha)
    if not isinstance(other, SparseTensor):
        raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    if isinstance(input, CsrTensor) or isinstance(other, CsrTensor):
        made = add(as_coo(input), as_coo(other), alpha=alpha)
        return from_coo(made, type(input)) if input.layout == other.layout else made
    _check_sizes("add", input, other)
    if input.sparse_dim() != other.sparse_dim():
        raise RuntimeError(
            "add: expected 'self' and 'other' to have same number of sparse dimensions, but got "
            f"{input.sparse_dim()} and {other.sparse_dim()}"
        )
    second = other._specified if _is_one(alpha) else other._specified * alpha
    if _same_places(input, other):
        return like(input, input._specified + second)
    kind = promote_types(input.dtype, second.dtype)
    elements = operations.joined("AddBackward0", input._specified.to(kind), second.to(kind))
    places = operations.joined_columns(input._places[0], other._places[0])
    made = coo(places, elements, input._sizes)
    return coalesced(made) if is_concrete(places) else made


def sub(input, other, *, alpha=1):
    """The difference of two sparse tensors, or of a dense one and a sparse one."""
    return add(input, other, alpha=-alpha)


@answers()
def rsub(input, other, *, alpha=1):
    """The difference the other way round."""
    return add(other, input, alpha=-alpha)


def _is_one(alpha) -> bool:
    return _is_number(alpha) and alpha == 1


def _refuse_number(number, x):
    raise RuntimeError(_OTHER_SIZES.format("add", [], list(x.shape)))


_OTHER_SIZES = (
    "{}: expected 'self' and 'other' to have same size, but self has size {} while other has size "
    "{} (FYI: dense-sparse addition does not currently support broadcasting)"
)


def _onto_dense(dense, x, alpha):
    if tuple(dense.shape) != tuple(x.shape):
        raise RuntimeError(_OTHER_SIZES.format("add", list(dense.shape), list(x.shape)))
    x = as_coo(x)
    return operations.added("AddBackward0", dense, x._places[0], x._specified, alpha)


def _check_sizes(name, first, second):
    if first._sizes != second._sizes:
        raise RuntimeError(
            f"{name}: expected 'self' and 'other' to have same sizes, but {list(first.shape)} != "
            f"{list(second.shape)}"
        )


def _same_places(first, second) -> bool:
    return first._places[0] is second._places[0] or (
        first._places[0]._storage is second._places[0]._storage
        and first._places[0]._steps is None
        and second._places[0]._steps is None
    )


def _keys(x):
    indices = known(x._places[0], "a product of sparse tensors")
    return flat(indices, x._sizes[: x.sparse_dim()])


_register()


def _onto(name):
    """In place: what is dense stays so, and what is sparse is replaced."""
    plain = {"add_": add, "sub_": sub, "mul_": mul}[name]

    def change(x, other, **keywords):
        made = plain(x, other, **keywords)
        if isinstance(x, SparseTensor):
            return replace(x, made)
        return x.copy_(made.to_dense() if isinstance(made, SparseTensor) else made)

    return change


for _name in ("add_", "sub_", "mul_"):
    answers(_name, f"__i{_name[:-1]}__")(_onto(_name))


@answers()
def real(input):
    """The real parts."""
    return like(input, input._specified.real)


@answers()
def imag(input):
    """The imaginary parts."""
    return like(input, input._specified.imag)
