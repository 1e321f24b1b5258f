"""Tensors of data that is there already: NumPy's arrays, buffers, other libraries' tensors."""

import jax
import jax.numpy as jnp
import numpy as np

from kuai.engine.op import composite
from kuai.engine.tensor import Tensor, devices, dtypes, from_array
from kuai.engine.tensor.overriding import named
from kuai.ops.array.capsules import Offer
from kuai.ops.array.creation import tensor
from kuai.ops.array.numpy_arrays import on_memory


@composite(method=False)
def as_tensor(data, dtype=None, device=None):
    """`data` itself if it is already such a tensor, else a tensor with its values.

    The tensor of a NumPy array has the array's memory, if it needs no other dtype or device.

    Example:
        >>> x = kuai.ones(2)
        >>> kuai.as_tensor(x) is x
        True
    """
    if isinstance(data, Tensor):
        return data.to(device=device or data.device, dtype=dtype or data.dtype)
    if isinstance(data, np.ndarray):
        kind = data.dtype if dtype is None else dtypes.to_jax(dtype)
        place = devices.get_default_device() if device is None else devices.device(device)
        if kind == data.dtype and place.type == "cpu":
            return on_memory(data)
    return tensor(data, dtype=dtype, device=device)


@composite(method=False)
def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=None):
    """A tensor of anything that holds numbers; `copy=True` never gives `obj` itself.

    Example:
        >>> kuai.asarray([1, 2])
        tensor([1, 2])
    """
    if isinstance(obj, (bytes, bytearray, memoryview)):
        obj = np.frombuffer(obj, dtypes.to_jax(dtype or dtypes.get_default_dtype()))
    made = as_tensor(obj, dtype=dtype, device=device)
    if copy and (made is obj or not made._storage.is_array):
        made = made.clone()
    if requires_grad is False and made.requires_grad:
        return made.detach()
    return made.requires_grad_() if requires_grad else made


@composite(method=False)
def from_numpy(ndarray):
    """A tensor that has the memory of a NumPy array: each sees the other's changes.

    Example:
        >>> import numpy
        >>> array = numpy.arange(3)
        >>> x = kuai.from_numpy(array)
        >>> array[0] = 7
        >>> x += 1
        >>> x, array.tolist()
        (tensor([8, 2, 3]), [8, 2, 3])

    Raises:
        TypeError: it is no NumPy array, or has no numbers.
        ValueError: it has negative strides, or bytes in another order than this machine's.

    Differs from PyTorch: an array that cannot be written to is copied.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {named(type(ndarray))})")
    return on_memory(ndarray)


@composite(method=False)
def from_dlpack(ext_tensor, *, device=None, copy=None):
    """A tensor of whatever offers the DLPack protocol (PyTorch, NumPy, CuPy, JAX, ...), or of the
    capsule that `utils.dlpack.to_dlpack` gives.

    Example:
        >>> import numpy
        >>> kuai.from_dlpack(numpy.ones(2))
        tensor([1., 1.], dtype=torch.float64)

    Args:
        copy: with True the values are copied; with None they are where they have to be, with False
            that is an error. Without a copy both see one memory, until Kuai writes.
    """
    if isinstance(ext_tensor, np.ndarray) and not copy and device is None:
        return on_memory(ext_tensor)
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = Offer(ext_tensor)
    try:
        array = jnp.from_dlpack(ext_tensor, copy=False if copy is False else None)
    except jax.errors.JaxRuntimeError:  # strides that XLA has not
        if copy is False:
            raise
        array = jnp.asarray(np.from_dlpack(ext_tensor))
    made = from_array(jnp.array(array, copy=True) if copy else array)
    return made if device is None else made.to(device)
