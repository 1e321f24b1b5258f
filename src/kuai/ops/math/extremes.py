"""The largest, the smallest and where they are."""

import math

import jax
import jax.numpy as jnp

from kuai.engine.op import Array, composite, op
from kuai.engine.op.exact_out import MATCHING, SAME
from kuai.engine.tensor import Tensor
from kuai.ops.accumulation import in_wide, widened
from kuai.ops.dimensions import normalize_dim, normalize_dims
from kuai.ops.elementwise import BOOL, COMPLEX, FLOATING, call, kind_of, refuse
from kuai.ops.known_values import INTEGERS
from kuai.ops.math.limits import maximum, minimum
from kuai.ops.math.norms import extreme_of
from kuai.ops.return_types import return_type

MaxResult = return_type("max", "values", "indices")
MinResult = return_type("min", "values", "indices")
AminmaxResult = return_type("aminmax", "min", "max")


def check_not_empty(name: str, input, dims) -> None:
    """Raise PyTorch's error for a reduction that has nothing to choose from."""
    if dims is None:
        if math.prod(input.shape) == 0:
            raise _no_elements(name)
        return
    axes = normalize_dims(dims, input.ndim)
    given = (dims,) if isinstance(dims, int) else dims
    given = given if name in ("amax", "amin") else axes  # the others count from the front
    for axis, dim in zip(axes, given or axes, strict=False):
        if input.shape[axis] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")


def _no_elements(name: str) -> Exception:
    kind = IndexError if name.startswith("arg") else RuntimeError
    return kind(
        f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
        "Specify the reduction dim with the 'dim' argument."
        if kind is RuntimeError
        else f"{name}(): Expected reduction dim to be specified for input.numel() == 0."
    )


def take_at(input, indices, axis):
    """The elements at one index per row along an axis; the gradient goes to those alone.

    A mask instead of a gather: its derivative is a product, not a scatter.
    """
    places = jax.lax.broadcasted_iota(indices.dtype, input.shape, axis)
    chosen = jnp.where(places == indices, input, jnp.zeros((), input.dtype))
    if input.dtype == jnp.bool_:
        return jnp.any(chosen, axis, keepdims=True)
    return jnp.sum(chosen, axis, dtype=input.dtype, keepdims=True)


def shared_by_equals(choose, input):
    """One of all elements, chosen by value; equal ones share the gradient, as PyTorch's do."""

    @jax.custom_jvp
    def chosen(input):
        return choose(input)

    @chosen.defjvp
    def _(primals, tangents):
        value = choose(*primals)
        equal = (primals[0] == value) | (jnp.isnan(primals[0]) & jnp.isnan(value))
        share = equal / jnp.maximum(jnp.sum(equal), 1)
        return value, jnp.sum(tangents[0] * share).astype(value.dtype)

    return chosen(input)


def _position(find, input, dim, keepdim, name):
    check_not_empty(name, input, dim)
    if input.ndim == 0:
        normalize_dim(0 if dim is None else dim, 0)
        return jnp.zeros((), jnp.int64)
    axis = None if dim is None else normalize_dim(dim, input.ndim)
    return find(input, axis, keepdims=keepdim).astype(jnp.int64)


def _with_indices(find, input, dim, keepdim, name):
    if kind_of(input) == COMPLEX:
        raise RuntimeError(f"{name}(): does not support complex input")
    if input.ndim == 0:
        return input, _position(find, input, dim, False, name)
    axis = normalize_dim(dim, input.ndim)
    indices = _position(find, input, dim, True, name)
    values = take_at(input, indices, axis)
    if keepdim:
        return values, indices
    return jnp.squeeze(values, axis), jnp.squeeze(indices, axis)


# Over all elements, along one dimension, of two tensors -------------------------------------------


@op(function=False, method=False, name="max", grad="MaxBackward1")
def max_all(input: Array):
    """The largest of all elements; equal ones share the gradient."""
    refuse("max_all", input, COMPLEX)
    check_not_empty("max", input, None)
    return shared_by_equals(jnp.max, input) if kind_of(input) == FLOATING else jnp.max(input)


@op(function=False, method=False, name="min", grad="MinBackward1")
def min_all(input: Array):
    """The smallest of all elements; equal ones share the gradient."""
    refuse("min_all", input, COMPLEX)
    check_not_empty("min", input, None)
    return shared_by_equals(jnp.min, input) if kind_of(input) == FLOATING else jnp.min(input)


@op(function=False, method=False, name="max", grad="MaxBackward0", result=MaxResult, exact_out=SAME)
def max_along(input: Array, dim: int, keepdim: bool):
    """The largest along a dimension, and where it is first."""
    return _with_indices(jnp.argmax, input, dim, keepdim, "max")


@op(function=False, method=False, name="min", grad="MinBackward0", result=MinResult, exact_out=SAME)
def min_along(input: Array, dim: int, keepdim: bool):
    """The smallest along a dimension, and where it is first."""
    return _with_indices(jnp.argmin, input, dim, keepdim, "min")


def _choose(operations, input, dim, keepdim, other, out):
    of_all, along, of_two = operations
    if isinstance(dim, Tensor):
        dim, other = None, dim
    if other is not None:
        return call(of_two, out, input, other)
    if dim is None:
        return call(of_all, out, input)
    return call(along, out, input, dim, keepdim)


@composite
def max(input, dim=None, keepdim=False, *, other=None, out=None):
    """The largest element; along a dimension, with its index; or the larger of two tensors.

    Example:
        >>> x = kuai.tensor([[1.0, 5.0], [7.0, 2.0]])
        >>> x.max()
        tensor(7.)
        >>> x.max(dim=1)
        torch.return_types.max(
        values=tensor([5., 7.]),
        indices=tensor([1, 0]))
        >>> kuai.max(x, kuai.tensor(3.0))
        tensor([[3., 5.],
                [7., 3.]])
    """
    return _choose((max_all, max_along, maximum), input, dim, keepdim, other, out)


@composite
def min(input, dim=None, keepdim=False, *, other=None, out=None):
    """The smallest element; along a dimension, with its index; or the smaller of two tensors.

    Example:
        >>> x = kuai.tensor([[1.0, 5.0], [7.0, 2.0]])
        >>> x.min(), x.min(dim=0).indices
        (tensor(1.), tensor([0, 1]))
    """
    return _choose((min_all, min_along, minimum), input, dim, keepdim, other, out)


# Values alone -------------------------------------------------------------------------------------


@op(exact_out=MATCHING)
def amax(input: Array, dim: int | tuple[int, ...] = (), keepdim: bool = False):
    """The largest over some dimensions; equal ones share the gradient.

    Example:
        >>> kuai.amax(kuai.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=(0, 1))
        tensor(7.)
    """
    return _amount(jnp.max, "amax", input, dim, keepdim)


@op(exact_out=MATCHING)
def amin(input: Array, dim: int | tuple[int, ...] = (), keepdim: bool = False):
    """The smallest over some dimensions; equal ones share the gradient.

    Example:
        >>> kuai.amin(kuai.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
        tensor([1., 2.])
    """
    return _amount(jnp.min, "amin", input, dim, keepdim)


def _amount(find, name, input, dim, keepdim):
    check_not_empty(name, input, None if dim in ((), None) else dim)
    if input.size:
        refuse({"amax": "max_values_cpu", "amin": "min_values_cpu"}[name], input, COMPLEX)
    axis = normalize_dims(dim, input.ndim)
    return in_wide(lambda wide: _of_values(find, wide, axis, keepdim), input)


def _of_values(find, input, axis, keepdim):
    """The extreme of some dimensions. NaN is the extreme where there is any, and all NaN share the
    gradient."""
    if kind_of(input) != FLOATING:
        return find(input, axis, keepdims=keepdim)
    return extreme_of(find, input, axis, keepdim)


@op(result=AminmaxResult, exact_out=SAME)
def aminmax(input: Array, *, dim: int | None = None, keepdim: bool = False):
    """The smallest and the largest, `(min, max)`.

    Example:
        >>> kuai.aminmax(kuai.tensor([3.0, 1.0, 2.0]))
        torch.return_types.aminmax(
        min=tensor(1.),
        max=tensor(3.))
    """
    refuse("aminmax_cpu", input, COMPLEX)
    if dim is None and not input.size:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no "
            "identity."
        )
    where = None if dim is None else normalize_dim(dim, input.ndim)
    if where is not None and input.ndim and not input.shape[where]:
        raise IndexError(f"aminmax: Expected reduction dim {where} to have non-zero size.")
    axis = normalize_dims(dim, input.ndim)
    wide = widened(input)  # equal ones are counted for the gradient
    found = (_of_values(find, wide, axis, keepdim) for find in (jnp.min, jnp.max))
    return tuple(each.astype(input.dtype) for each in found)


# Positions alone ----------------------------------------------------------------------------------


@op(exact_out=SAME)
def argmax(input: Array, dim: int | None = None, keepdim: bool = False):
    """The index of the first largest element, in the flattened tensor or along a dimension.

    Example:
        >>> kuai.argmax(kuai.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
        tensor([1, 0])
    """
    return _index(jnp.argmax, input, dim, keepdim, "argmax")


@op(exact_out=SAME)
def argmin(input: Array, dim: int | None = None, keepdim: bool = False):
    """The index of the first smallest element, in the flattened tensor or along a dimension.

    Example:
        >>> kuai.argmin(kuai.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
        tensor([0, 1])
    """
    return _index(jnp.argmin, input, dim, keepdim, "argmin")


def _index(find, input, dim, keepdim, name):
    if not (dim is None or isinstance(dim, INTEGERS)):
        raise TypeError(f"{name}(): argument 'dim' must be int, not {type(dim).__name__}")
    for kind, text in ((BOOL, "bool"), (COMPLEX, "complex")):
        if kind_of(input) == kind:
            raise RuntimeError(f"{name}(): does not support {text} input")
    return _position(find, input, dim, keepdim, name)
