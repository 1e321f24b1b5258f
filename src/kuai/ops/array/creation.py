"""Creation: tensors from Python values, arrays and formulas.

Eagerly the numbers are made by NumPy and put on the device, so that no program is compiled for a
shape. Inside a capture the same NumPy array becomes a constant of the program, or, for a single
repeated value, a broadcast.
"""

import importlib
import math
import numbers

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine.op import composite
from kuai.engine.op.exact_out import check_dtype_of, refuse_gradients
from kuai.engine.op.wrong_calls import refuse_keywords
from kuai.engine.tensor import Tensor, devices, dtypes, from_array, modes, views, wrap
from kuai.engine.tensor.formats import strided
from kuai.engine.tensor.overriding import is_of_the_real_torch
from kuai.engine.tensor.promotion import in_eight_bits
from kuai.engine.tensor.size import Size
from kuai.engine.tensor.tensor import with_gradient
from kuai.engine.tensor.warning_once import warn_of_imaginary_parts
from kuai.ops import outdated
from kuai.ops.array.nested import array_of
from kuai.ops.array.recorded_creation import is_recorded, repeated
from kuai.ops.array.shaping import integers, shape_of
from kuai.ops.known_values import check_fits, check_long, check_sizes, check_written

# From values --------------------------------------------------------------------------------------


def kind_of(dtype, default):
    """The NumPy type for the `dtype=` argument of a function that makes tensors."""
    if dtype is None:
        return default
    known = isinstance(dtype, dtypes.dtype) or dtype in (float, int, bool, complex)
    if not known and not is_of_the_real_torch(type(dtype)):  # of these `to_jax` says more
        raise TypeError(f"argument 'dtype' must be torch.dtype, not {type(dtype).__name__}")
    return dtypes.to_jax(dtype)


def cast_array(array, kind):
    """A NumPy array in another type; complex to real drops the imaginary part."""
    if array.dtype == kind:
        return array
    if array.dtype.kind == "c" and kind.kind not in "cb":
        warn_of_imaginary_parts(array.dtype, kind, stacklevel=4)
        array = array.real
    with np.errstate(over="ignore", invalid="ignore"):
        return in_eight_bits(array, kind, np).astype(kind)


@composite(method=False)
def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor with a copy of the values in (nested) lists, an array or another tensor.

    Example:
        >>> kuai.tensor([[1, 2], [3, 4]])
        tensor([[1, 2],
                [3, 4]])
        >>> kuai.tensor([1.0, 2.0], requires_grad=True)
        tensor([1., 2.], requires_grad=True)
    """
    if isinstance(data, Tensor):
        outdated.tell("torch.tensor")
        return _copied(data, dtype, device, requires_grad)
    if isinstance(data, jax.Array):
        array = data if dtype is None else data.astype(dtypes.to_jax(dtype))
        return from_array(array, device, requires_grad)
    array = array_of(data, dtype)
    dtypes.from_jax(array.dtype)
    if array is data:
        array = array.copy()
    kind = kind_of(dtype, array.dtype)
    if array.dtype != kind and not isinstance(data, np.ndarray):
        _check_numbers(array, kind)
    if type(data) in (bool, int, float) and is_recorded(kind, device):
        return _filled((), data, kind, device, requires_grad)
    if type(data) in (list, tuple) and is_recorded(kind, device):
        made = wrap(devices.literal(cast_array(array, kind), devices.jax_device(device)))
        return with_gradient(made, requires_grad) if requires_grad else made
    return from_array(cast_array(array, kind), device, requires_grad)


def _copied(data, dtype, device, requires_grad):
    made = data.detach().clone().to(device=device or data.device, dtype=dtype or data.dtype)
    return with_gradient(made, requires_grad) if requires_grad else made


def _check_numbers(array, kind):
    """PyTorch's errors for Python numbers that do not fit into the dtype asked for."""
    if array.dtype.kind == "c" and kind.kind not in "cb":
        whole = kind.kind in "iu"
        raise TypeError(
            "'complex' object cannot be interpreted as an integer"
            if whole
            else "must be real number, not complex"
        )
    if kind.kind in "iu" and array.size and array.dtype.kind in "iuf":
        for number in (array.min().item(), array.max().item()):
            check_fits(number, kind, kind.name)


@composite(method=False)
def scalar_tensor(
    s, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """A 0-d tensor of a number, in the default dtype.

    Example:
        >>> kuai.scalar_tensor(3)
        tensor(3.)
    """
    return full(
        (), s, dtype=dtype or dtypes.get_default_dtype(), device=device, requires_grad=requires_grad
    )


# One value ----------------------------------------------------------------------------------------


def _filled(shape, value, kind, device, requires_grad):
    check_sizes(shape)
    if modes.state.capture is not None:
        return from_array(jnp.full(shape, value, kind), None, requires_grad)
    if is_recorded(kind, device):
        made = repeated(value.item() if isinstance(value, np.generic) else value, shape, kind)
        return with_gradient(made, requires_grad) if requires_grad else made
    if kind.kind == "u" and value < 0:
        value = np.asarray(value).astype(kind)  # it wraps around
    with np.errstate(over="ignore"):  # a single number may become infinite
        array = np.full(shape, value, kind)
    return from_array(array, device, requires_grad)


_DENSE = None, strided


def _sparse(name, sizes, layout, kind, device, requires_grad):
    make = importlib.import_module("kuai.sparse.conversion").without_elements
    return make(name, sizes, layout, dtypes.from_jax(kind), device, requires_grad)


def _sizes(size, keywords):
    return integers(size) if size else integers((keywords["size"],))


def _constant(name, value, text):
    def make(
        *size,
        out=None,
        dtype=None,
        layout=None,
        device=None,
        requires_grad=False,
        pin_memory=False,
        memory_format=None,
        **keywords,
    ):
        refuse_keywords(make, keywords, "size", "names")
        if "names" in keywords:
            raise TypeError(f"{name}() received an invalid combination of arguments")
        check_dtype_of(out, dtype)
        kind = kind_of(dtype, dtypes.default_float_jax())
        sizes = _sizes(size, keywords)
        if name == "zeros" and any(type(size) is int and size < 0 for size in sizes):
            raise RuntimeError("zeros: Dimension size must be non-negative.")
        if layout not in _DENSE:
            return _sparse(name, sizes, layout, kind, device, requires_grad)
        made = _filled(sizes, value, kind, device, requires_grad)
        return made if out is None else into(out, made, name)

    shown = f"tensor([{value}., {value}.])"
    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"{text}\n\n    Example:\n        >>> kuai.{name}(2)\n        {shown}\n    "
    return composite(export=name)(make)


def into(out, made, name):
    """The result of the function of a name, written into the tensor given as `out=`."""
    refuse_gradients(f"aten::{name}", out)
    if out.shape != made.shape:
        out.resize_(made.shape)
    return out.copy_(made)


zeros = _constant("zeros", 0, "A tensor of the given size, filled with 0.")
ones = _constant("ones", 1, "A tensor of the given size, filled with 1.")
empty = _constant(
    "empty", 0, "A tensor of the given size; the values are not to be relied on (here: 0)."
)


@composite(method=False)
def full(
    size,
    fill_value,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """A tensor of the given size, filled with one value.

    Example:
        >>> kuai.full((2,), 7)
        tensor([7, 7])
    """
    check_dtype_of(out, dtype)
    _check_full(size, fill_value)
    if isinstance(fill_value, Tensor):
        kind = kind_of(dtype, fill_value.dtype.jax)
        made = from_array(
            jnp.full(tuple(size), views.value(fill_value), kind), device, requires_grad
        )
        return made if out is None else into(out, made, "full")
    check_long(fill_value)
    is_whole = isinstance(fill_value, int) and not isinstance(fill_value, bool)
    kind = kind_of(dtype, np.dtype(np.int64) if is_whole else array_of(fill_value).dtype)
    check = check_written if math.prod(integers((size,))) == 1 else check_fits
    check(fill_value, kind)
    made = _filled(
        integers((size,)),
        fill_value,
        kind,
        device,
        requires_grad,
    )
    return made if out is None else into(out, made, "full")


def _check_full(size, fill_value):
    """PyTorch's errors for arguments of `full` that are of other types."""
    if not isinstance(size, (tuple, list)):
        found = type(size).__name__
        raise TypeError(f"full(): argument 'size' (position 1) must be tuple of ints, not {found}")
    is_one = isinstance(fill_value, (numbers.Number, np.generic))
    if not is_one and (not isinstance(fill_value, Tensor) or fill_value.ndim):
        found = "Tensor" if isinstance(fill_value, Tensor) else type(fill_value).__name__
        raise TypeError(f"full(): argument 'fill_value' (position 2) must be Number, not {found}")


@composite(method=False)
def empty_strided(
    size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """As `empty`; Kuai's tensors have no strides of their own, so `stride` is not used."""
    return empty(size, dtype=dtype, device=device, requires_grad=requires_grad)


def _like(name, value, text):
    def make(
        input,
        *,
        dtype=None,
        layout=None,
        device=None,
        requires_grad=False,
        memory_format=None,
        pin_memory=False,
    ):
        array = views.outline(input)
        where = input.device if device is None else device
        kind = kind_of(dtype, array.dtype)
        if layout not in _DENSE:
            return _sparse(name, array.shape, layout, kind, where, requires_grad)
        return _filled(array.shape, value, kind, where, requires_grad)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = (
        f"{text}\n\n    Example:\n        >>> kuai.{name}(kuai.tensor([5.0, 6.0])).shape\n"
        "        torch.Size([2])\n    "
    )
    return composite(export=name)(make)


zeros_like = _like("zeros_like", 0, "Zeros in the size, dtype and device of another tensor.")
ones_like = _like("ones_like", 1, "Ones in the size, dtype and device of another tensor.")
empty_like = _like("empty_like", 0, "As `empty`, in the size, dtype and device of another tensor.")


@composite(method=False)
def full_like(
    input,
    fill_value,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=None,
    pin_memory=False,
):
    """One value in the size, dtype and device of another tensor.

    Example:
        >>> kuai.full_like(kuai.ones(2), 7)
        tensor([7., 7.])
    """
    where = input.device if device is None else device
    return full(
        shape_of(input),
        fill_value,
        dtype=dtype or input.dtype,
        device=where,
        requires_grad=requires_grad,
    )


def _refuse_negative(sizes):
    for size in sizes if isinstance(sizes, (tuple, list)) else ():
        if type(size) is int and size < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {size}: {list(sizes)}"
            )


def _new(name, maker):
    def make(
        self,
        *size,
        dtype=None,
        device=None,
        requires_grad=False,
        layout=None,
        pin_memory=False,
        **keywords,
    ):
        where = self.device if device is None else device
        kind = dtype or self.dtype
        refuse_keywords(make, keywords, "size", "fill_value")
        if "size" in keywords:
            size = (keywords["size"], *size)
        _refuse_negative(size[0] if size and not isinstance(size[0], int) else size)
        if name == "new_full":
            if len(size) == 1 and "fill_value" not in keywords:
                raise TypeError('new_full() missing 1 required positional arguments: "fill_value"')
            shape, fill = size[0], size[1] if len(size) > 1 else keywords["fill_value"]
            return full(shape, fill, dtype=kind, device=where, requires_grad=requires_grad)
        return maker(*size, dtype=kind, device=where, requires_grad=requires_grad)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"`{name.removeprefix('new_')}` in this tensor's dtype and on its device."
    return composite(export=f"Tensor.{name}")(make)


new_zeros = _new("new_zeros", zeros)
new_ones = _new("new_ones", ones)
new_empty = _new("new_empty", empty)
new_full = _new("new_full", full)


@composite(export="Tensor.new")
def new(self, *args, device=None):
    """A tensor of this one's dtype, as PyTorch's first versions made them.

    Args:
        args: sizes, for a tensor without values; or data; or a tensor, which is shared.

    Example:
        >>> x = kuai.ones(2, dtype=kuai.int64)
        >>> x.new().shape, x.new(3, 2).shape, x.new([5, 6])
        (torch.Size([0]), torch.Size([3, 2]), tensor([5, 6]))
    """
    where = self.device if device is None else device
    if len(args) == 1 and isinstance(args[0], Tensor):
        return args[0].detach().view(args[0].shape)
    if len(args) == 1 and not isinstance(args[0], (int, Size)):
        return new_tensor(self, args[0], device=where)
    return empty(*(args or (0,)), dtype=self.dtype, device=where)


@composite(function=False)
def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A tensor with a copy of `data`, in this tensor's dtype and on its device.

    Example:
        >>> kuai.ones(1).new_tensor([1, 2])
        tensor([1., 2.])
    """
    where = self.device if device is None else device
    if isinstance(data, Tensor):
        outdated.tell("tensor.new_tensor")
        return _copied(data, dtype or self.dtype, where, requires_grad)
    return tensor(data, dtype=dtype or self.dtype, device=where, requires_grad=requires_grad)
