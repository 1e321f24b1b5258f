"""Differences, gradients and integrals of sampled functions."""

import jax.numpy as jnp

from kuai.engine.op import Array, Number, composite, op
from kuai.engine.tensor import Tensor
from kuai.ops.accumulation import in_wide, summed
from kuai.ops.array.joining import cat
from kuai.ops.array.shaping import shape_of
from kuai.ops.dimensions import normalize_dim, normalize_dims
from kuai.ops.elementwise import BOOL, FLOATING, floating, kind_of, together


@op(function=False, method=False, name="diff")
def differences(input: Array, n: int, dim: int):
    """Differences of neighbours, taken n times."""
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = normalize_dim(dim, input.ndim)
    for _ in range(min(n, input.shape[dim])):
        after, before = _from(input, 1, dim), _until(input, -1, dim)
        input = jnp.not_equal(after, before) if kind_of(input) == BOOL else after - before
    return input


def _from(array, start, dim):
    return array[(slice(None),) * dim + (slice(start, None),)]


def _until(array, end, dim):
    return array[(slice(None),) * dim + (slice(None, end),)]


@composite
def diff(input, n=1, dim=-1, prepend=None, append=None):
    """x[i + 1] - x[i] along a dimension, n times; for booleans whether they differ.

    Example:
        >>> kuai.diff(kuai.tensor([1, 4, 9]))
        tensor([3, 5])
    """
    for part in (prepend, append):
        if part is not None and part.ndim != input.ndim:
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    parts = [part for part in (prepend, input, append) if part is not None]
    return differences(input if len(parts) == 1 or n == 0 else cat(parts, dim), n, dim)


# Gradients ----------------------------------------------------------------------------------------


@op(function=False, method=False, name="gradient")
def slope(input: Array, coordinates: Array | None, spacing: Number, dim: int, edge_order: int):
    """Second-order differences inside, of order 1 or 2 at the two ends, along one dimension."""
    length = input.shape[dim]
    if coordinates is None:
        steps = jnp.full(length - 1, spacing)
    else:
        steps = jnp.diff(coordinates)
    kind = (
        jnp.promote_types(floating(input).dtype, jnp.float32)
        if kind_of(input) < FLOATING
        else (input.dtype)
    )
    y, h = jnp.moveaxis(input, dim, -1).astype(kind), steps.astype(kind)
    first, last = h[:-1], h[1:]
    if coordinates is None:  # the place itself does not count, and may be infinite
        inside = (y[..., 2:] - y[..., :-2]) / (first + last)
    else:
        inside = (
            -last / (first * (first + last)) * y[..., :-2]
            + (last - first) / (first * last) * y[..., 1:-1]
            + first / (last * (first + last)) * y[..., 2:]
        )
    left, right = _edge(y, h, edge_order), _edge(y[..., ::-1], -h[::-1], edge_order)
    return jnp.moveaxis(jnp.concatenate([left, inside, right], -1), -1, dim)


def _edge(y, h, order):
    """The slope at the first place."""
    if order == 1:
        return (y[..., 1:2] - y[..., :1]) / h[0]
    a, b = h[0], h[1]
    value = (
        -(2 * a + b) / (a * (a + b)) * y[..., :1]
        + (a + b) / (a * b) * y[..., 1:2]
        - a / (b * (a + b)) * y[..., 2:3]
    )
    return value


@composite(method=False)
def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """The slopes of a sampled function along each dimension, by differences of neighbours.

    Args:
        spacing: the distance of neighbours, one for all dimensions or one for each; or for each
            dimension a tensor of coordinates.
        dim: along which dimensions; by default all.
        edge_order: 1 or 2, the order of the differences at both ends.

    Example:
        >>> kuai.gradient(kuai.tensor([1.0, 4.0, 9.0, 16.0]))
        (tensor([3., 4., 6., 7.]),)

    Reference: B. Fornberg, Generation of finite difference formulas on arbitrarily spaced grids,
    Mathematics of Computation 51, 1988.
    """
    ndim = len(shape_of(input))
    if dim is not None and not ndim:
        first = dim if isinstance(dim, int) else dim[0]
        raise IndexError(f"Dimension specified as {first} but tensor has no dimensions")
    spacing = 1 if spacing is None else spacing
    one_spacing = isinstance(spacing, (int, float, complex))
    if dim is None and not one_spacing and len(spacing) < ndim:
        dims = tuple(range(len(spacing)))
    else:
        dims = normalize_dims(dim, ndim)
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    spacings = [spacing] * len(dims) if one_spacing else list(spacing)
    if len(spacings) != len(dims):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim "
            "arguments to have the same length, but got a spacing argument of length "
            f"{len(spacings)} and a dim argument of length {len(dims)}."
        )
    _check_spacings(input, dims, spacings, edge_order)
    return tuple(
        slope(input, each, 1, d, edge_order)
        if isinstance(each, Tensor)
        else slope(input, None, each, d, edge_order)
        for d, each in zip(dims, spacings, strict=True)
    )


def _check_spacings(input, dims, spacings, edge_order):
    if input.dtype.jax == jnp.uint8:
        raise RuntimeError("torch.gradient does not support uint8 input.")
    if input.dtype.jax == jnp.bool_:
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator instead."
        )
    for d in dims:
        if shape_of(input)[d] < edge_order + 1:
            raise RuntimeError(
                "torch.gradient expected each dimension size to be at least edge_order+1"
            )
    for each in spacings:
        if isinstance(each, Tensor) and each.ndim != 1:
            raise RuntimeError(
                "torch.gradient expected each element of spacing to have one dimension, but got an "
                f"element with {each.ndim} dimensions!"
            )
        if isinstance(each, Tensor) and each.device != input.device:
            raise RuntimeError(
                "torch.gradient expected each tensor to be on the same device, but got devices "
                f"{each.device} and {input.device}!"
            )


# Integrals ----------------------------------------------------------------------------------------


@op(function=False, method=False, name="trapezoid", autocast={"cuda": "float32"})
def areas(y: Array, x: Array | None, dx: Number | None, dim: int, whole: bool):
    """The areas between neighbours, their sum or their running sums."""
    for name, each in (("y", y), ("x", x)):
        if each is not None and kind_of(each) == BOOL:
            raise RuntimeError(
                f"trapezoid: received a bool input for `{name}`, but bool is not supported"
            )
    if not y.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = normalize_dim(dim, y.ndim)
    heights = _from(y, 1, dim) + _until(y, -1, dim)
    if x is None:
        product, half = together(heights, dx)
        pieces = floating(product * half) / 2
    else:
        pieces = _over(x, y, heights, dim)
    if not whole:
        return in_wide(lambda wide: jnp.cumsum(wide, axis=dim, dtype=wide.dtype), pieces)
    return summed(pieces, dim)


def _over(x, y, heights, dim):
    if x.ndim == 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError("trapezoid: There must be one `x` value for each sample point")
        steps = jnp.diff(x).reshape(-1, *(1,) * (y.ndim - dim - 1))
    else:
        spread = x.reshape((1,) * (y.ndim - x.ndim) + x.shape)
        if spread.shape[dim] != y.shape[dim]:
            raise RuntimeError("trapezoid: There must be one `x` value for each sample point")
        steps = jnp.diff(spread, axis=dim)
    product, other = together(heights, steps)
    return floating(product * other) / 2


def _spacing(name, x, dx):
    if x is not None and dx is not None:
        raise TypeError(f"{name}() received an invalid combination of arguments")
    return 1 if x is None and dx is None else dx


@composite(aliases=("trapz",), method=False)
def trapezoid(y, x=None, *, dx=None, dim=-1):
    """The integral by the trapezoidal rule: Σ (x[i+1] - x[i]) (y[i] + y[i+1]) / 2.

    Args:
        x: the places of the samples; without them they are `dx` apart.

    Example:
        >>> kuai.trapezoid(kuai.tensor([1.0, 5.0, 10.0]))
        tensor(10.5000)
    """
    return areas(y, x, _spacing("trapezoid", x, dx), dim, True)


@composite(method=False)
def cumulative_trapezoid(y, x=None, *, dx=None, dim=-1):
    """The running integrals along a dimension by the trapezoidal rule.

    Example:
        >>> kuai.cumulative_trapezoid(kuai.tensor([1.0, 5.0, 10.0]))
        tensor([ 3.0000, 10.5000])
    """
    if not len(y.shape):
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    return areas(y, x, _spacing("cumulative_trapezoid", x, dx), dim, False)
