"""Convolution with channels last, on a CPU by oneDNN: three primitives.

    forward          x (N, *sizes, C), weight (O, C / groups, *kernel)  ->  y (N, *sizes', O)
    input_gradient   y, weight  ->  x
    weight_gradient  x, y  ->  weight

Each is linear in both of its arguments, and the transpose of each with respect to either is one of
the other two. So forward mode, reverse mode and any order of derivative stay among the three.

Invariants: only the lowering for CPUs knows oneDNN. Elsewhere, and in a program that is partitioned
over several devices, where XLA could not look into the kernel, the same sum is XLA's convolution.
Primitives rather than a `custom_vjp` around `jax.ffi.ffi_call`: that would give up forward mode,
and each gradient would need a gradient of its own.
"""

import functools

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from kuai.ops.native import library
from kuai.ops.native.xla_convolution import convolve_on_xla

__all__ = ["FORWARD", "NAMES", "call", "forward", "is_partitioned", "is_possible"]


def is_possible(x) -> bool:
    """Whether oneDNN can compute the convolution of x (N, C, *sizes)."""
    return (
        _is_taken(x.dtype)
        and 3 <= x.ndim <= 5
        and x.size > 0
        and jax.default_backend() == "cpu"
        and library.is_usable()
    )


def _is_taken(dtype):
    return dtype == jnp.float32 or (dtype == jnp.bfloat16 and library.multiplies_bfloat16())


def forward(x, weight, window):
    """Convolve x (N, *sizes, C) with weight (O, C / groups, *kernel)."""
    return _forward.bind(x, weight, window=window)


_xla_forward = functools.partial(convolve_on_xla, layout="N{}C")


def _xla_input_gradient(y, weight, *, window, sizes):
    x = jax.ShapeDtypeStruct((y.shape[0], *sizes, weight.shape[1] * window.groups), y.dtype)
    transpose = jax.linear_transpose(lambda x: _xla_forward(x, weight, window=window), x)
    return transpose(y)[0]


def _xla_weight_gradient(x, y, *, window, kernel):
    shape = (y.shape[-1], x.shape[-1] // window.groups, *kernel)
    weight = jax.ShapeDtypeStruct(shape, x.dtype)
    transpose = jax.linear_transpose(lambda weight: _xla_forward(x, weight, window=window), weight)
    return transpose(y)[0]


# The primitives -----------------------------------------------------------------------------------


def _primitive(name, on_xla):
    """A primitive for `on_xla`, which is its meaning, computed by the kernel of this name."""
    primitive = Primitive(f"kuai_convolution_{name}")
    primitive.def_abstract_eval(
        lambda a, b, **options: _shaped(jax.eval_shape(functools.partial(on_xla, **options), a, b))
    )
    primitive.def_impl(lambda a, b, **options: _compiled(primitive, **options)(a, b))
    anywhere = mlir.lower_fun(on_xla, multiple_results=False)
    mlir.register_lowering(primitive, anywhere)
    mlir.register_lowering(primitive, _lowering(primitive.name, anywhere), platform="cpu")
    return primitive


def _shaped(result):
    return jax.core.ShapedArray(result.shape, result.dtype)


@functools.cache
def _compiled(primitive, **options):
    return jax.jit(functools.partial(primitive.bind, **options))


def _lowering(target, anywhere):
    def lower(context, *operands, window, **shapes):
        empty = any(0 in value.shape for value in (*context.avals_in, *context.avals_out))
        if empty or is_partitioned(context):
            return anywhere(context, *operands, window=window, **shapes)
        return call(target, context, operands, window)

    return lower


def call(target, context, operands, window):
    """What a kernel that moves a window gives, while a program is lowered."""
    low, high = zip(*window.padding, strict=True)
    return jax.ffi.ffi_lowering(target)(
        context,
        *operands,
        stride=np.array(window.stride, np.int64),
        dilation=np.array(window.dilation, np.int64),
        low=np.array(low, np.int64),
        high=np.array(high, np.int64),
        groups=np.int64(window.groups),
    )


def is_partitioned(context) -> bool:
    """Whether what is being lowered will be spread over several devices."""
    axes = context.module_context.axis_context
    return isinstance(axes, mlir.ShardingContext) and (axes.num_devices or 1) > 1


_forward = _primitive("forward", _xla_forward)
_input_gradient = _primitive("input_gradient", _xla_input_gradient)
_weight_gradient = _primitive("weight_gradient", _xla_weight_gradient)

#: Of the primitives.
FORWARD = _forward.name
NAMES = frozenset([each.name for each in (_forward, _input_gradient, _weight_gradient)])


# Their transposes ---------------------------------------------------------------------------------


def _shape_of(undefined):
    return undefined.aval.shape


ad.defbilinear(
    _forward,
    lambda y, x, weight, *, window: _input_gradient.bind(
        y, weight, window=window, sizes=_shape_of(x)[1:-1]
    ),
    lambda y, x, weight, *, window: _weight_gradient.bind(
        x, y, window=window, kernel=_shape_of(weight)[2:]
    ),
)
ad.defbilinear(
    _input_gradient,
    lambda x, y, weight, *, window, sizes: _forward.bind(x, weight, window=window),
    lambda x, y, weight, *, window, sizes: _weight_gradient.bind(
        x, y, window=window, kernel=_shape_of(weight)[2:]
    ),
)
ad.defbilinear(
    _weight_gradient,
    lambda weight, x, y, *, window, kernel: _input_gradient.bind(
        y, weight, window=window, sizes=_shape_of(x)[1:-1]
    ),
    lambda weight, x, y, *, window, kernel: _forward.bind(x, weight, window=window),
)


# Batching -----------------------------------------------------------------------------------------


def _batch_activations(primitive, arrays, dims, *, window, **shapes):
    """`forward` or `input_gradient` over a batch of activations, and perhaps of weights."""
    (x, weight), (x_dim, weight_dim) = arrays, dims
    if weight_dim is None:
        x = jnp.moveaxis(x, x_dim, 0)
        result = primitive.bind(_merged(x), weight, window=window, **shapes)
        return result.reshape(*x.shape[:2], *result.shape[1:]), 0
    count = weight.shape[weight_dim]
    weight = jnp.moveaxis(weight, weight_dim, 0)
    wide = window._replace(groups=window.groups * count)
    result = primitive.bind(_as_groups(x, x_dim, count), _merged(weight), window=wide, **shapes)
    return _from_groups(result, count), result.ndim - 1


def _batch_weight_gradient(arrays, dims, *, window, kernel):
    (size,) = {a.shape[d] for a, d in zip(arrays, dims, strict=True) if d is not None}
    x, y = (_as_groups(array, dim, size) for array, dim in zip(arrays, dims, strict=True))
    wide = window._replace(groups=window.groups * size)
    result = _weight_gradient.bind(x, y, window=wide, kernel=kernel)
    return result.reshape(size, len(result) // size, *result.shape[1:]), 0


def _merged(x):
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def _as_groups(x, dim, count):
    """A batch of (N, *sizes, C) as (N, *sizes, count * C): groups that do not see each other."""
    if dim is None:
        x = jnp.broadcast_to(x[..., None, :], (*x.shape[:-1], count, x.shape[-1]))
    else:
        x = jnp.moveaxis(x, dim, -2)
    return x.reshape(*x.shape[:-2], count * x.shape[-1])


def _from_groups(x, count):
    return x.reshape(*x.shape[:-1], count, x.shape[-1] // count)


for _each in (_forward, _input_gradient):
    batching.primitive_batchers[_each] = functools.partial(_batch_activations, _each)
batching.primitive_batchers[_weight_gradient] = _batch_weight_gradient
