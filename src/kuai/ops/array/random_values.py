"""Random tensors: uniform, normal, integers, permutations, and what fills a tensor with them.

Every number comes from a `Generator` (see `engine.randomness`), eagerly and in compiled steps
alike.

Differs from PyTorch: the numbers themselves.
"""

import math
import operator

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine.op import Number, composite, op
from kuai.engine.tensor import devices, dtypes, modes
from kuai.engine.tensor.promotion import scalar_name
from kuai.engine.tensor.randomness import generator_of
from kuai.ops.array.creation import into
from kuai.ops.array.shaping import integers, shape_of
from kuai.ops.drawing import draw_shape
from kuai.ops.known_values import check_sizes


def work_type(kind):
    """The type in which to draw: half precision is rounded afterwards."""
    return jnp.dtype(jnp.float64) if kind == jnp.float64 else jnp.dtype(jnp.float32)


def complex_normal(key, shape, kind):
    """Complex normal numbers with variance 1."""
    real = jnp.float64 if kind == jnp.complex128 else jnp.float32
    parts = jax.random.normal(key, (2, *shape), real) * jnp.asarray(math.sqrt(0.5), real)
    return jax.lax.complex(parts[0], parts[1])


# Draws of a size ----------------------------------------------------------------------------------


@op(function=False, method=False, random=True)
def uniform_of(key, shape: tuple, kind: np.dtype):
    """Uniform numbers in [0, 1)."""
    if jnp.dtype(kind).kind == "c":
        real = jnp.float64 if kind == jnp.complex128 else jnp.float32
        parts = jax.random.uniform(key, (2, *shape), real)
        return jax.lax.complex(parts[0], parts[1])
    drawn = jax.random.uniform(key, shape, work_type(kind))
    if drawn.dtype == kind:
        return drawn
    largest = 1 - jnp.finfo(kind).epsneg  # rounding must not give 1
    return jnp.minimum(drawn, jnp.asarray(largest, drawn.dtype)).astype(kind)


@op(function=False, method=False, random=True)
def normal_of(key, shape: tuple, kind: np.dtype):
    """Standard normal numbers."""
    if jnp.dtype(kind).kind == "c":
        return complex_normal(key, shape, kind)
    return jax.random.normal(key, shape, work_type(kind)).astype(kind)


@op(function=False, method=False, random=True)
def integers_of(key, shape: tuple, kind: np.dtype, low: Number, high: Number):
    """Integers in [low, high)."""
    drawn = jax.random.randint(key, shape, low.astype(jnp.int64), high.astype(jnp.int64), jnp.int64)
    return drawn.astype(kind)


@op(function=False, method=False, random=True)
def permutation_of(key, count: int, kind: np.dtype):
    """The numbers from 0 to count - 1 in random order."""
    return jax.random.permutation(key, jnp.arange(count, dtype=jnp.int64)).astype(kind)


#: What PyTorch's errors call the functions that draw.
_NAMES = {
    "uniform_of": "rand",
    "normal_of": "randn",
    "integers_of": "randint",
    "permutation_of": "randperm",
}


def _drawn(operation, arguments, dtype, device, generator, requires_grad, out):
    kind = dtypes.default_float_jax() if dtype is None else dtypes.to_jax(dtype)
    kind = kind if out is None else out.dtype.jax
    generator = generator or _generator_on(device)

    def draw(shape):
        return operation(shape, kind, *arguments[1:], generator=generator)

    if operation is not permutation_of:
        check_sizes(arguments[0])
    independent = operation is not permutation_of and kind.kind != "c"
    shape = arguments[0]
    made = draw_shape(draw, shape, generator.device) if independent else draw(shape)
    return finish(made, requires_grad, out, _NAMES[operation.__name__])


def _generator_on(device):
    if device is not None:
        return generator_of(devices.device(device))
    capture = modes.state.capture
    return generator_of(devices.get_default_device() if capture is None else capture.device)


def finish(made, requires_grad, out, name):
    """A result as the caller asked for it: requiring a gradient, or in a given tensor."""
    if requires_grad:
        made.requires_grad = True
    return made if out is None else into(out, made, name)


def refuse_integers(name, dtype):
    """PyTorch's error for a dtype that random real numbers do not fit into."""
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise NotImplementedError(f"\"{name}\" not implemented for '{scalar_name(dtype.jax)}'")


@composite(method=False)
def rand(
    *sizes,
    size=(),
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """Random numbers, uniform in [0, 1).

    Example:
        >>> kuai.rand(2, 3).shape
        torch.Size([2, 3])
    """
    refuse_integers("check_uniform_bounds", dtype if out is None else out.dtype)
    return _drawn(
        uniform_of, (integers(sizes or (size,)),), dtype, device, generator, requires_grad, out
    )


@composite(method=False)
def randn(
    *sizes,
    size=(),
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """Random numbers from the standard normal distribution.

    Example:
        >>> kuai.randn(2, 3).shape
        torch.Size([2, 3])
    """
    refuse_integers("normal_kernel_cpu", dtype if out is None else out.dtype)
    return _drawn(
        normal_of, (integers(sizes or (size,)),), dtype, device, generator, requires_grad, out
    )


#: The largest whole number up to which a floating dtype has all of them.
EXACT = {"float16": 2**11, "bfloat16": 2**8, "float32": 2**24, "float64": 2**53}
_C_NAMES = {"uint8": "unsigned char", "int8": "signed char", "int16": "short", "int32": "int"}
_C_NAMES |= {"float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float"}


def check_bounds(low, high, dtype):
    """PyTorch's errors for random integers that a dtype cannot hold.

    Example:
        >>> check_bounds(0, 300, kuai.uint8)
        Traceback (most recent call last):
        RuntimeError: to - 1 is out of bounds for unsigned char
    """
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    if dtype.is_complex:
        raise RuntimeError(
            "check_random_bounds handles only integral, floating-point and boolean types"
        )
    if dtype.name == "bool":
        limits = (0, 1)
    else:
        info = dtypes.finfo(dtype) if dtype.is_floating_point else dtypes.iinfo(dtype)
        limits = (info.min, info.max)
    for name, number in (("from", low), ("to - 1", high - 1)):
        if not limits[0] <= number <= limits[1]:
            kind = _C_NAMES.get(dtype.name, dtype.name)
            raise RuntimeError(f"{name} is out of bounds for {kind}")


@composite(method=False)
def randint(
    low=0,
    high=None,
    size=None,
    *,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """Random integers, uniform in [low, high); `randint(high, size)` starts at 0.

    Example:
        >>> x = kuai.randint(3, 5, (10,))
        >>> bool(((x >= 3) & (x < 5)).all())
        True
    """
    if not isinstance(size if size is not None else high, (tuple, list)):
        raise TypeError("randint() received an invalid combination of arguments")
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    for number in (low, high):
        if isinstance(number, float):
            raise TypeError("randint(): argument 'high' (position 1) must be int, not float")
    check_bounds(low, high, dtype or dtypes.int64)
    arguments = (integers((size,)), int(low), int(high))
    return _drawn(
        integers_of, arguments, dtype or dtypes.int64, device, generator, requires_grad, out
    )


@composite(method=False)
def randperm(
    n,
    *,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """The numbers from 0 to n - 1 in random order.

    Example:
        >>> kuai.randperm(4).sort().values
        tensor([0, 1, 2, 3])
    """
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    return _drawn(
        permutation_of,
        (operator.index(n),),
        dtype or dtypes.int64,
        device,
        generator,
        requires_grad,
        out,
    )


def _like(name, maker):
    def make(
        input,
        *,
        dtype=None,
        layout=None,
        device=None,
        requires_grad=False,
        memory_format=None,
        generator=None,
        pin_memory=False,
    ):
        return maker(
            shape_of(input),
            dtype=dtype or input.dtype,
            device=input.device if device is None else device,
            requires_grad=requires_grad,
            generator=generator,
        )

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"`{maker.__name__}` in the size, dtype and device of another tensor."
    return composite(export=name)(make)


rand_like = _like("rand_like", rand)
randn_like = _like("randn_like", randn)


@composite(method=False)
def randint_like(
    input,
    low=None,
    high=None,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=None,
    generator=None,
    pin_memory=False,
):
    """`randint` in the size, dtype and device of another tensor; `low` alone is what `high` says.

    Example:
        >>> x = kuai.randint_like(kuai.zeros(10), 3, 5)
        >>> bool(((x >= 3) & (x < 5)).all())
        True
    """
    low, high = (0, low) if high is None else (low or 0, high)
    return randint(
        low,
        high,
        shape_of(input),
        dtype=dtype or input.dtype,
        device=input.device if device is None else device,
        requires_grad=requires_grad,
        generator=generator,
    )
