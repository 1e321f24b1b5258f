"""Sequences: ranges, evenly spaced numbers, identity matrices; constructors named after a type."""

import math
import warnings
from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.export import is_symbolic_dim

from kuai.engine.op import REGISTRY, composite
from kuai.engine.op.exact_out import check_dtype_of
from kuai.engine.tensor import Tensor, devices, dtypes, from_array, is_tensor
from kuai.engine.tensor.promotion import c_name, scalar_name
from kuai.engine.tensor.size import whole as whole_number
from kuai.engine.tensor.tensor import with_gradient
from kuai.ops import outdated
from kuai.ops.array.creation import cast_array, empty, into, kind_of, tensor
from kuai.ops.array.recorded_creation import counted, identity, is_recorded
from kuai.ops.array.shaping import shape_of
from kuai.ops.known_values import check_fits, check_long

# Formulas -----------------------------------------------------------------------------------------


def _number(given) -> Any:
    return given.item() if isinstance(given, (Tensor, np.generic)) else given


def _real(number) -> Any:
    """A number of which a range can be made."""
    check_long(number)
    if isinstance(number, complex):
        check_fits(number, np.dtype(np.float64))
        return number.real
    return number


def _check_range(start, end, step, dtype=None):
    """PyTorch's errors for ranges without an end."""
    if any(is_symbolic_dim(number) for number in (start, end, step)):
        return
    if dtype is dtypes.int64 and step and int(step) == 0:
        raise ValueError("step must be nonzero")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {_shown(start)} -> {_shown(end)}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    for number in (start, end, step):
        if isinstance(number, int):
            check_fits(number, np.dtype(np.int64))
    if (end - start) / step >= 2**63:
        raise RuntimeError("invalid size, possible overflow?")


def _shown(number):
    """A number as C++ prints it."""
    return f"{number:g}" if isinstance(number, float) else str(number)


@composite(method=False)
def arange(
    *bounds,
    start=0,
    end=None,
    step=1,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """The numbers from `start` (default 0) up to but without `end`, `step` apart.

    Example:
        >>> kuai.arange(3), kuai.arange(1, 2, 0.5)
        (tensor([0, 1, 2]), tensor([1.0000, 1.5000]))
    """
    if bounds and end is not None:
        start, step = (*bounds, step)[:2]
    elif len(bounds) == 1:
        end = bounds[0]
    elif bounds:
        start, end, step = (*bounds, step)[:3]
    start, end, step = map(_real, map(_number, (start, end, step)))
    check_dtype_of(out, dtype)
    if dtype is None and out is not None:
        dtype = out.dtype
    _check_range(start, end, step, dtype)
    whole = all(isinstance(n, int) or is_symbolic_dim(n) for n in (start, end, step))
    kind = kind_of(dtype, np.dtype(np.int64) if whole else dtypes.default_float_jax())
    _refuse_kinds("arange_cpu", kind, "bc")
    if kind == np.int64 and not whole:
        start, end, step, whole = int(start), int(end), int(step), True
    count: Any = -((start - end) // step) if whole else math.ceil((end - start) / step)
    if whole and not is_symbolic_dim(count) and is_recorded(kind, device):
        made = counted(start, step, int(count), kind)
        made = with_gradient(made, requires_grad) if requires_grad else made
        return made if out is None else _into_row(out, made)
    work = np.int64 if whole or kind.kind in "iu" else np.float64
    module: Any = jnp if is_symbolic_dim(count) else np
    steps = module.arange(count, dtype=work)
    array = (work(start) + steps * work(step)).astype(kind)
    made = from_array(array, device, requires_grad)
    return made if out is None else _into_row(out, made)


@composite(method=False)
def range(
    start,
    end=None,
    step=1,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """The numbers from `start` to `end`, both included; `arange` is preferred.

    Example:
        >>> kuai.range(1, 3)
        tensor([1., 2., 3.])
    """
    outdated.tell("range")
    if end is None:
        start, end = 0, start
    kind = kind_of(dtype, dtypes.default_float_jax())
    count = math.floor((end - start) / step) + 1
    return from_array((start + np.arange(count) * step).astype(kind), device, requires_grad)


#: What PyTorch's errors call the complex dtypes.
_C_COMPLEX = {"complex64": "c10::complex<float>", "complex128": "c10::complex<double>"}


def _into_row(out, made):
    """The numbers in the tensor given as `out=`, which keeps its shape if it has as many."""
    count = made.numel()
    if out.numel() == count:
        return into(out, made.view(shape_of(out)), "arange")
    if out.numel():
        warnings.warn(
            f"The number of elements in the out tensor of shape {list(shape_of(out))} is "
            f"{out.numel()} which does not match the computed number of elements {count}. Note "
            "that this may occur as a result of rounding error. The out tensor will be resized "
            f"to a tensor of shape ({count},).",
            stacklevel=4,
        )
    return into(out, made, "arange")


def _ends(name, start, end, steps):
    """The two ends as numbers, and PyTorch's errors for what is none."""
    steps = _number(steps)
    if not isinstance(steps, int) or isinstance(steps, bool):
        kinds = ", ".join(type(given).__name__ for given in (start, end, steps))
        raise TypeError(f"{name}() received an invalid combination of arguments - got ({kinds})")
    given = {"start": start, "end": end}
    wrong = {n: v.ndim for n, v in given.items() if isinstance(v, Tensor) and v.ndim}
    if wrong:
        found = " and ".join(f"{name} with {ndim} dimension(s)" for name, ndim in wrong.items())
        raise RuntimeError(
            f"{name} only supports 0-dimensional start and end tensors, but got {found}."
        )
    check_long(start, end)
    return _number(start), _number(end)


def _refuse_kinds(name, kind, kinds):
    """PyTorch's error for a dtype that a sequence cannot have."""
    if kind.kind in kinds:
        raise NotImplementedError(f"\"{name}\" not implemented for '{scalar_name(kind)}'")


def _kind_of_spaced(name, start, end, dtype, out):
    """The dtype of evenly spaced numbers: complex if one end is."""
    if out is not None and dtype is not None and out.dtype is not dtype:
        names = (scalar_name(kind.jax) for kind in (dtype, out.dtype))
        raise RuntimeError("dtype {} does not match dtype of out parameter ({})".format(*names))
    dtype = dtype if out is None else out.dtype
    if not any(isinstance(value, complex) for value in (start, end)):
        return kind_of(dtype, dtypes.default_float_jax())
    default = dtypes.get_default_dtype().to_complex()
    if dtype is not None and not dtype.is_complex:
        raise RuntimeError(
            f"torch.{name}(): inferred dtype {_C_COMPLEX[default.jax.name]} can't be safely cast "
            f"to passed dtype {scalar_name(dtype.jax)}"
        )
    return kind_of(dtype, default.jax)


def evenly(start, end, steps, kind):
    """Evenly spaced numbers, counted from the nearer end and in the precision of PyTorch.

    Whole numbers have whole ends, numbers of 16 bits are rounded after each operation.
    """
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    if isinstance(start, complex) or isinstance(end, complex):
        return np.linspace(start, end, steps)
    if kind.kind in "iu":
        start, end = (float(_whole(each, kind)) for each in (start, end))
    places, work = np.arange(steps), _WORK.get(kind.name, np.float64)
    if kind.itemsize == 2 and kind.kind not in "iu":
        work, places = kind.type, places.astype(kind)
    start, end = work(start), work(end)
    step = (end - start) / work(max(steps - 1, 1))
    if steps == 1:
        return np.array([start])
    if work is np.float32:  # the product is not rounded before the sum: a fused multiply-add
        start, end, step = map(np.float64, (start, end, step))
    upward, downward = start + step * places, end - step * (places[::-1])
    return np.where(np.arange(steps) < steps // 2, upward, downward)


#: What is computed in another precision than float64.
_WORK = {"float32": np.float32}


def _whole(number, kind):
    """A number as one of an integer dtype: cut off, and an error where it does not fit."""
    check_fits(number, kind)
    return np.int64(int(number)).astype(kind)


@composite(method=False)
def linspace(
    start,
    end,
    steps,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """`steps` evenly spaced numbers from `start` to `end`, both included.

    Example:
        >>> kuai.linspace(0, 1, 3)
        tensor([0.0000, 0.5000, 1.0000])
    """
    start, end = _ends("linspace", start, end, steps)
    kind = _kind_of_spaced("linspace", start, end, dtype, out)
    _refuse_kinds("linspace_cpu", kind, "b")
    numbers = evenly(start, end, steps, kind)
    made = from_array(cast_array(numbers, kind), device, requires_grad)
    return made if out is None else into(out, made, "linspace")


@composite(method=False)
def logspace(
    start,
    end,
    steps,
    base=10.0,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """`base` to the power of `steps` evenly spaced numbers from `start` to `end`.

    Example:
        >>> kuai.logspace(0, 2, 3)
        tensor([  1.,  10., 100.])
    """
    start, end = _ends("logspace", start, end, steps)
    kind = _kind_of_spaced("logspace", start, end, dtype, out)
    _refuse_kinds("logspace_cpu", kind, "b")
    if kind.itemsize == 2 and kind.kind not in "iu":  # only the ends are rounded
        start, end = (float(np.asarray(each, kind)) for each in (start, end))
    work = kind if kind.kind in "iu" else np.dtype(np.float64)
    numbers = np.power(float(base), evenly(start, end, steps, work))
    made = from_array(cast_array(numbers, kind), device, requires_grad)
    return made if out is None else into(out, made, "logspace")


@composite(method=False)
def eye(
    n,
    m=None,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """The identity matrix, or ones on the diagonal of an `n` by `m` matrix.

    Example:
        >>> kuai.eye(2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    for name, size in (("n", n), ("m", m)):
        if size is not None and size < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    check_dtype_of(out, dtype)
    kind = kind_of(dtype, dtypes.default_float_jax())
    if is_recorded(kind, device):
        made = identity(whole_number(n), None if m is None else whole_number(m), kind)
        made = with_gradient(made, requires_grad) if requires_grad else made
    else:
        made = from_array(np.eye(n, m, dtype=kind), device, requires_grad)
    return made if out is None else into(out, made, "eye")


def _triangle(name, places):
    def make(
        row,
        col,
        offset=0,
        *,
        dtype=None,
        device=None,
        layout=None,
        requires_grad=False,
        pin_memory=False,
    ):
        for label, size in (("row", row), ("col", col)):
            if size < 0:
                raise RuntimeError(f"{label} must be non-negative, got{size}")
        kind = kind_of(dtype, np.dtype(np.int64))
        if kind.kind not in "iu":
            raise NotImplementedError(f"\"{name}\" not implemented for '{scalar_name(kind)}'")
        indices = np.stack(places(row, offset, col))
        return from_array(indices.astype(kind), device, requires_grad)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"Rows and columns of the {name[:4]} part of a `row` by `col` matrix."
    return composite(export=name)(make)


tril_indices = _triangle("tril_indices", np.tril_indices)
triu_indices = _triangle("triu_indices", np.triu_indices)


@composite(method=False)
def numel(input) -> int:
    """The number of elements.

    Example:
        >>> kuai.numel(kuai.zeros(2, 3))
        6
    """
    return math.prod(shape_of(input))


REGISTRY.export(is_tensor, "is_tensor")  # a class that stands for a tensor is not asked


# Constructors named after a type ------------------------------------------------------------------


class _TypedMeta(type):
    """Makes `isinstance(x, FloatTensor)` ask for the dtype."""

    dtype: dtypes.dtype
    place: str

    def __instancecheck__(cls, instance):
        is_one = isinstance(instance, Tensor) and instance.dtype is cls.dtype
        return is_one and (cls.place == "cpu" or instance.device.type == cls.place)


def typed(name: str, kind: dtypes.dtype, place: str = "cpu") -> Any:
    """The class that makes tensors of a dtype on a kind of device, by an older name."""

    def make(cls, *args, device=None, size=None):
        if place != "cpu":
            device = _device_of_type(name, place)
        if size is not None:
            return empty(size, dtype=kind, device=device)
        if len(args) == 1 and isinstance(args[0], Tensor):
            if args[0].dtype is not kind:
                raise TypeError(f"expected {_options_of(kind)} (got {_options_of(args[0].dtype)})")
            return args[0].detach().to(device)  # the same memory, if it can be
        if len(args) == 1 and (args[0] is None or isinstance(args[0], (bool, float, complex))):
            raise TypeError(f"new(): data must be a sequence (got {type(args[0]).__name__})")
        if len(args) == 1 and isinstance(args[0], Iterable) and not isinstance(args[0], tuple):
            return tensor(args[0], dtype=kind, device=device)
        if len(args) == 1 and isinstance(args[0], tuple) and type(args[0]) is tuple:
            return tensor(list(args[0]), dtype=kind, device=device)
        return empty(*args or (0,), dtype=kind, device=device)

    text = f"`{name}(values)` or `{name}(*size)`: a tensor of dtype {kind!r}."
    attributes = {"__new__": make, "dtype": kind, "place": place, "__doc__": text}
    return _TypedMeta(name, (), {**attributes, "__module__": __name__})


def _options_of(kind: dtypes.dtype) -> str:
    return (
        f"TensorOptions(dtype={c_name(kind)}, device=cpu, layout=Strided, requires_grad=false "
        "(default), pinned_memory=false (default), memory_format=(nullopt))"
    )


def _device_of_type(name: str, place: str) -> str:
    if not devices.device_count(place):
        raise TypeError(
            f"type torch.{place}.{name} not available. Torch not compiled with CUDA enabled."
        )
    return place


#: The dtypes of the classes' names.
TYPES = {
    "FloatTensor": dtypes.float32,
    "DoubleTensor": dtypes.float64,
    "HalfTensor": dtypes.float16,
    "BFloat16Tensor": dtypes.bfloat16,
    "LongTensor": dtypes.int64,
    "IntTensor": dtypes.int32,
    "ShortTensor": dtypes.int16,
    "CharTensor": dtypes.int8,
    "ByteTensor": dtypes.uint8,
    "BoolTensor": dtypes.bool_,
}
TYPED = {name: typed(name, kind) for name, kind in TYPES.items()}
