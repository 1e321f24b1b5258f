"""Conversion: to other dtypes and devices, and out of the world of tensors into Python and NumPy.

What needs concrete values (`item`, `numpy`, `if x:`) raises `DataDependentError` inside a
compiled step.
"""

import builtins
import math
from typing import Any

import jax
import numpy as np

from kuai.engine.autograd.function import Function
from kuai.engine.op import Array, composite, op
from kuai.engine.tensor import Tensor, devices, dtypes, formats, from_array, modes, views, wrap
from kuai.engine.tensor.formats import channels_last, channels_last_3d
from kuai.engine.tensor.layouts import is_contiguous as layout_is_contiguous, layout_of
from kuai.engine.tensor.promotion import cast
from kuai.engine.tensor.shared import shares
from kuai.engine.tensor.storage import InferenceStorage, address_of
from kuai.engine.tensor.warning_once import warn_of_imaginary_parts
from kuai.ops import array as arrays
from kuai.ops.array import indexing, strided
from kuai.ops.array.shaping import shape_of
from kuai.ops.dimensions import broadcast_shapes
from kuai.ops.known_values import check_fits

# Dtype and device ---------------------------------------------------------------------------------


@op(function=False, method=False, grad="ToCopyBackward0")
def to_kind(input: Array, kind: np.dtype):
    """The values in another element type."""
    return cast(input, kind)


class ToCopy(Function):
    """A copy on another device; gradients come back to the first one."""

    @staticmethod
    def forward(ctx, tensor, place):
        ctx.place = tensor.device
        array = views.value(tensor)
        return wrap(
            array if modes.state.capture else jax.device_put(array, devices.jax_device(place))
        )

    @staticmethod
    def backward(ctx, grad):
        return moved(grad, ctx.place), None


def moved(tensor, place):
    """The tensor on another device; itself if it is there already."""
    place = devices.device(place)
    here = tensor.device
    same = here.type == place.type and (here.index or 0) == (place.index or 0)
    return tensor if same else ToCopy.apply(tensor, place)


def as_kind(tensor, kind):
    """The tensor in a dtype; itself if it has it already."""
    if tensor.dtype is kind:
        return tensor
    warn_of_imaginary_parts(tensor.dtype.jax, kind.jax, stacklevel=3)
    return to_kind(tensor, kind.jax)


@composite(function=False)
def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """The tensor in another dtype or on another device; itself if nothing changes.

    Example:
        >>> kuai.ones(2).to(kuai.int64)
        tensor([1, 1])
        >>> kuai.ones(2).to("cpu", kuai.float64)
        tensor([1., 1.], dtype=torch.float64)
    """
    dtype, device, flags = targets(args, dtype, device)
    copy = flags[1] if len(flags) > 1 else copy
    made = self if dtype is None else as_kind(self, dtype)
    made = made if device is None else moved(made, device)
    return made.clone() if copy and made is self else made


def targets(args, dtype, device) -> tuple[Any, Any, list[bool]]:
    """The dtype, the device and the flags among the arguments of `to`."""
    flags = []
    for given in args:
        if isinstance(given, dtypes.dtype) or given in (float, int, bool, complex):
            dtype = dtypes.from_jax(dtypes.to_jax(given))
        elif isinstance(given, Tensor):
            dtype, device = given.dtype, given.device
        elif isinstance(given, bool):
            flags.append(given)
        elif isinstance(given, (str, devices.device, int)):
            device = given
        elif given is not None:
            raise TypeError(
                f"to() received an invalid combination of arguments - got ({type(given).__name__})"
            )
    return dtype, device, flags


def _caster(name, kind):
    def convert(self, memory_format: formats.memory_format | None = None):
        return as_kind(self, kind)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"The tensor in dtype `{kind.name}`."
    return composite(export=f"Tensor.{name}")(convert)


for _name, _kind in {
    "float": dtypes.float32,
    "double": dtypes.float64,
    "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16,
    "long": dtypes.int64,
    "int": dtypes.int32,
    "short": dtypes.int16,
    "char": dtypes.int8,
    "byte": dtypes.uint8,
    "bool": dtypes.bool_,
    "cfloat": dtypes.complex64,
    "cdouble": dtypes.complex128,
}.items():
    _caster(_name, _kind)


@composite(function=False)
def cpu(self, memory_format: formats.memory_format | None = None):
    """The tensor in host memory."""
    return moved(self, "cpu")


@composite(function=False)
def cuda(self, device=None, non_blocking=False, memory_format=None):
    """The tensor on a GPU."""
    return moved(self, "cuda:0" if device is None else device)


@composite(function=False)
def pin_memory(self, device=None):
    """The tensor itself; JAX pins the memory it transfers from."""
    return self


@composite(function=False)
def share_memory_(self):
    """Move the memory of the tensor to where other processes can read and write it; the tensor.

    A process of `kuai.multiprocessing` that is given the tensor then has the same values, whoever
    changes them. A tensor on an accelerator stays as it is: a process is given a copy.

    Example:
        >>> x = kuai.zeros(2).share_memory_()
        >>> x.is_shared(), x[0].is_shared(), x.clone().is_shared()
        (True, True, False)
    """
    arrays.sharing.share_memory(self)
    return self


@composite(function=False)
def is_shared(self) -> bool:
    """Whether other processes that have the tensor see what is written into it."""
    return shares(self._storage)


@composite(function=False)
def is_pinned(self, device=None) -> bool:
    """Whether the values lie in pinned memory: no, JAX pins the memory it transfers from."""
    return False


@composite
def is_inference(input) -> bool:
    """Whether it was made in inference mode; it may be used for training all the same.

    Example:
        >>> with kuai.inference_mode():
        ...     x = kuai.ones(2)
        >>> x.is_inference(), x.clone().is_inference()
        (True, False)
    """
    return isinstance(input._storage, InferenceStorage)


@composite(function=False)
def record_stream(self, s) -> None:
    """Does nothing: XLA knows how long the work of a device needs a tensor."""


@composite(function=False)
def module_load(self, other, assign=False) -> Tensor:
    """What `load_state_dict` puts in the place of this tensor: values of `other`.

    Example:
        >>> kuai.zeros(2).module_load(kuai.ones(2))
        tensor([1., 1.])
    """
    return other.detach() if assign else self.copy_(other).detach()


_TYPE_NAMES = {
    "float32": "FloatTensor",
    "float64": "DoubleTensor",
    "float16": "HalfTensor",
    "bfloat16": "BFloat16Tensor",
    "int64": "LongTensor",
    "int32": "IntTensor",
    "int16": "ShortTensor",
    "int8": "CharTensor",
    "uint8": "ByteTensor",
    "bool": "BoolTensor",
    "complex64": "ComplexFloatTensor",
    "complex128": "ComplexDoubleTensor",
}
_BY_TYPE_NAME = {name: kind for kind, name in _TYPE_NAMES.items()}


@composite(function=False)
def type(self, dtype=None, non_blocking=False):
    """The name of the tensor's type, or the tensor in another one.

    Example:
        >>> kuai.ones(1).type()
        'torch.FloatTensor'
        >>> kuai.ones(1).type(kuai.int64)
        tensor([1])
    """
    if dtype is None:
        place = "" if self.device.type == "cpu" else f"{self.device.type}."
        return f"torch.{place}{_TYPE_NAMES.get(self.dtype.name, self.dtype.name)}"
    if isinstance(dtype, str):
        device = "cuda" if dtype.startswith("torch.cuda.") else None
        return to(self, device=device, dtype=_by_type_name(dtype))
    if not isinstance(dtype, dtypes.dtype):
        if not isinstance(dtype, builtins.type):
            raise TypeError("dtype must be a type, str, or dtype object")
        if not hasattr(dtype, "dtype"):
            raise ValueError(f"invalid type: '{dtype.__name__}'")
        dtype = dtype.dtype  # a class such as FloatTensor
    return as_kind(self, dtype)


def _by_type_name(name):
    package, _, kind = name.rpartition(".")
    found = _BY_TYPE_NAME.get(kind)
    if found is None or package not in ("torch", "torch.cuda", "torch.sparse"):
        raise ValueError(f"invalid type: '{name}'")
    return getattr(dtypes, found.replace("bool", "bool_"))


@composite(function=False)
def type_as(self, other):
    """The tensor in the dtype and on the device of another."""
    return to(self, other)


# Graph and storage --------------------------------------------------------------------------------


@composite
def detach(input):
    """A tensor on the same storage that no gradient flows through.

    Example:
        >>> x = kuai.ones(1, requires_grad=True)
        >>> (x * 2).detach().requires_grad
        False
    """
    return Tensor._share(input)


_NO_DETACHING = (
    "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel "
    "(DDP) for training, and gradient_as_bucket_view is set as True, gradients are views of DDP "
    "buckets, and hence detach_() cannot be called on these gradients. To fix this error, please "
    "refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution."
)


@composite
def detach_(self):
    """Take this tensor out of the graph; it becomes a leaf."""
    if self._base is not None:
        raise RuntimeError(_NO_DETACHING)
    self._node, self._output, self._requires_grad = None, 0, False
    return self


@composite(function=False)
def requires_grad_(self, requires_grad: bool = True):
    """Set whether `backward()` computes a gradient for this leaf, and return it.

    Example:
        >>> kuai.ones(1).requires_grad_()
        tensor([1.], requires_grad=True)
    """
    if requires_grad and not (self.dtype.is_floating_point or self.dtype.is_complex):
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    self.requires_grad = requires_grad
    return self


@composite(function=False)
def contiguous(self, memory_format=None):
    """The tensor itself if it counts as contiguous, else a copy."""
    return self if layout_is_contiguous(self) else self.clone()


@composite(function=False)
def to_dense(self, dtype=None, *, masked_grad=None):
    """The tensor with all its elements: itself, of another type if asked, as none is sparse.

    Example:
        >>> kuai.ones(2).to_dense()
        tensor([1., 1.])
    """
    return self if dtype is None else self.to(dtype)


#: How many dimensions a tensor has to have to lie in a memory format.
_DIMS_OF_FORMATS: dict[Any, int] = {channels_last: 4, channels_last_3d: 5}


@composite(function=False)
def is_contiguous(self, memory_format: formats.memory_format | None = None) -> bool:
    """Whether PyTorch would call the tensor contiguous.

    Example:
        >>> kuai.zeros(2, 3).t().is_contiguous()
        False
    """
    ndim = _DIMS_OF_FORMATS.get(memory_format)
    if ndim is not None and len(shape_of(self)) != ndim:
        return False
    return layout_is_contiguous(self)


@composite(function=False)
def storage_offset(self) -> int:
    """How many elements of the storage come before this view."""
    return layout_of(self).offset


@composite(function=False)
def data_ptr(self) -> int:
    """The address of the first element; 0 for a tensor without elements.

    Tensors starting at the same place of the same storage have the same. An in-place change may
    give the storage another address, and the old one holds the old values as long as the tape does.
    """
    if not self.numel():
        return 0
    return address_of(self._storage) + layout_of(self).offset * self.element_size()


@composite(function=False)
def element_size(self) -> int:
    """The number of bytes of one element."""
    return self.dtype.itemsize


@composite(function=False, aliases=("ndimension",))
def dim(self) -> int:
    """The number of dimensions."""
    return len(shape_of(self))


@composite(function=False, aliases=("nelement",))
def numel(self) -> int:
    """The number of elements."""
    return math.prod(shape_of(self))


@composite
def is_floating_point(input) -> bool:
    """Whether the dtype is a floating one."""
    return input.dtype.is_floating_point


@composite
def is_complex(input) -> bool:
    """Whether the dtype is a complex one."""
    return input.dtype.is_complex


@composite
def is_signed(input) -> bool:
    """Whether the dtype has negative numbers."""
    return input.dtype.is_signed


@composite
def get_device(input) -> int:
    """The number of the GPU the tensor lies on; -1 for host memory."""
    return -1 if input.device.type == "cpu" else input.device.index or 0


@composite
def is_same_size(input, other) -> bool:
    """Whether two tensors have the same shape."""
    return shape_of(input) == shape_of(other)


# Writing ------------------------------------------------------------------------------------------


@composite(function=False)
def copy_(self, src, non_blocking=False):
    """Write the values of another tensor, broadcast and cast, into this one.

    Example:
        >>> kuai.zeros(2).copy_(kuai.tensor(3))
        tensor([3., 3.])
    """
    if not isinstance(src, Tensor):
        src = from_array(np.asarray(src))
    shape = broadcast_shapes(shape_of(self), shape_of(src))
    if shape != shape_of(self):
        raise RuntimeError(
            f"output with shape {list(shape_of(self))} doesn't match the broadcast shape "
            f"{list(shape)}"
        )
    return indexing.fill(self, moved(src, self.device))


@composite
def fill_(self, value):
    """Write one value everywhere.

    Example:
        >>> kuai.zeros(2).fill_(3)
        tensor([3., 3.])
    """
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            "fill_ only supports 0-dimension value tensor but got tensor with "
            f"{value.ndim} dimensions."
        )
    if math.prod(shape_of(self)) != 1:
        check_fits(value, self.dtype.jax)
    indexing.fill(_each_once(self), value)
    return self


def _each_once(tensor):
    """A window on the elements of an expanded tensor, in which each is there once."""
    if tensor._steps is None:
        return tensor
    shape, strides, offset = layout_of(tensor)
    if all(strides) or 0 in shape:
        return tensor
    once = tuple(n if stride else 1 for n, stride in zip(shape, strides, strict=True))
    return tensor if once == shape else strided.as_strided(tensor, once, strides, offset)


@composite(method=False)
def fill(input, value):
    """One value everywhere, in the shape and dtype of the input.

    Example:
        >>> kuai.fill(kuai.zeros(2), 3)
        tensor([3., 3.])
    """
    return fill_(input.clone(), value)


@composite
def zero_(self):
    """Write zero everywhere.

    Example:
        >>> kuai.ones(2).zero_()
        tensor([0., 0.])
    """
    indexing.fill(_each_once(self), 0)
    return self


@composite(function=False)
def fill_diagonal_(self, fill_value, wrap=False):
    """Write one value on the main diagonal.

    Example:
        >>> kuai.zeros(2, 2).fill_diagonal_(1)
        tensor([[1., 0.],
                [0., 1.]])
    """
    shape = shape_of(self)
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    places = [np.arange(min(shape)) for _ in shape]
    if wrap and len(shape) == 2:  # a tall matrix: the diagonal begins anew below
        flat = np.arange(0, shape[0] * shape[1], shape[1] + 1)
        places = list(np.divmod(flat, shape[1]))
    self[tuple(places)] = fill_value
    return self
