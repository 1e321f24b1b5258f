"""Devices: PyTorch's names (`'cpu'`, `'cuda:1'`, `'tpu:0'`) for JAX's devices.

The default device is the CPU, as in PyTorch, also where JAX would choose an accelerator; nothing is
moved unless asked for. When several host devices are forced, `'cpu:1'` names the second one.
"""

import functools
import math
import re
import weakref
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from kuai.engine.tensor import forks, modes
from kuai.engine.tensor.placeholder import ArrayType, Placeholder

__all__ = [
    "CPU",
    "device",
    "device_count",
    "filled",
    "is_constant",
    "is_default",
    "is_literal",
    "device_of",
    "get_default_device",
    "jax_device",
    "literal",
    "numbered",
    "placement",
    "set_default_device",
    "wait_for",
]

_PLATFORMS = {
    "cuda": ("cuda", "rocm", "gpu"),
    "cpu": ("cpu",),
    "tpu": ("tpu",),
    "xla": ("tpu",),
    "meta": ("cpu",),  # where PyTorch keeps no values, Kuai keeps them in host memory
}
_SMALL = 1024
#: PyTorch's kinds.
_KINDS = (
    "cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, "
    "mps, meta, hpu, mtia, privateuseone"
)


class device:
    """A place where tensors live: `device('cpu')`, `device('cuda', 1)`, `device('tpu:0')`.

    Also a context manager that makes it the default device.

    Example:
        >>> kuai.device('cuda:1')
        device(type='cuda', index=1)
    """

    __slots__ = ("_previous", "index", "type")

    def __init__(self, type, index: int | None = None):
        if isinstance(type, device):
            type, index = type.type, type.index
        elif isinstance(type, int):
            type, index = "cuda", type
        else:
            type, index = _parse(type, index)
        object.__setattr__(self, "type", type)
        object.__setattr__(self, "index", index)
        object.__setattr__(self, "_previous", [])

    def __setattr__(self, name, value):
        raise AttributeError(f"attribute '{name}' of 'torch.device' objects is not writable")

    def __eq__(self, other):
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self):
        return hash((self.type, self.index))

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self):
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __reduce__(self):
        return (device, (self.type, self.index))

    def __enter__(self):
        self._previous.append(_default[0])
        set_default_device(self)
        return self

    def __exit__(self, *_):
        _default[0] = self._previous.pop()


def _unknown(kind):
    """The error for a kind of device that has a name, and that XLA does not have."""
    if kind == "xpu":
        return AssertionError("Torch not compiled with XPU enabled")
    return RuntimeError(
        f"PyTorch is not linked with support for {kind} devices; Kuai computes on "
        f"{', '.join(each for each in _PLATFORMS if each != 'meta')}"
    )


def _parse(text, index):
    if not isinstance(text, str):
        wanted = "device(): argument 'type' must be str, not"
        if type(text).__module__ == "torch":
            raise TypeError(f"{wanted} PyTorch's own device; write {str(text)!r}")
        raise TypeError(f"{wanted} {type(text).__name__}")
    if not isinstance(index, (int, type(None))) or isinstance(index, bool):
        shown = type(index).__name__
        raise TypeError(f"device(): argument 'index' (position 2) must be int, not {shown}")
    match = re.fullmatch(r"([a-z]+)(?::(\d+))?", text)
    if not match:
        raise RuntimeError(f"Invalid device string: '{text}'")
    kind, number = match.groups()
    if kind not in _PLATFORMS and kind not in _KINDS.split(", "):
        raise RuntimeError(
            f"Expected one of {_KINDS} device type at start of device string: {text}"
        )
    if number is not None and index is not None:
        raise RuntimeError(
            f"type (string) must not include an index because index was passed explicitly: {text}"
        )
    return kind, int(number) if number is not None else index


_default = [device("cpu")]


@functools.cache
def _devices(kind: str) -> tuple:
    for platform in _PLATFORMS.get(kind, ()):
        try:
            found = tuple(jax.local_devices(backend=platform))
        except RuntimeError:  # JAX has no such backend here
            continue
        forks.keep_arrays(platform)
        if kind == "cuda":
            _multiply_precisely()
        return found
    return ()


def _multiply_precisely() -> None:
    """What PyTorch does unless it is told otherwise; XLA would use TensorFloat32 on a GPU."""
    config: Any = jax.config
    if config.jax_default_matmul_precision is None:
        jax.config.update("jax_default_matmul_precision", "highest")


def device_count(kind: str = "cuda") -> int:
    """How many devices of a kind this process can use."""
    return len(_devices(kind))


def jax_device(where=None):
    """JAX's device for a name, a `device`, an index, or the default.

    Raises:
        AssertionError: there is no device of that kind here.
        RuntimeError: there are fewer devices of that kind.
    """
    return _resolve(_default[0] if where is None else device(where))


@functools.lru_cache(maxsize=256)
def _resolve(where: device):
    if where.type not in _PLATFORMS:
        raise _unknown(where.type)
    found = _devices(where.type)
    if not found:
        name = {"cuda": "CUDA"}.get(where.type, where.type.upper())
        raise AssertionError(f"Torch not compiled with {name} enabled")
    index = where.index or 0
    if index >= len(found):
        raise RuntimeError(
            f"{where.type} error: invalid device ordinal: asked for {where}, and there are "
            f"{len(found)}"
        )
    return found[index]


def numbered(where) -> device:
    """A device as tensors that lie there name it: "cuda" is "cuda:0", and "cpu:0" is "cpu"."""
    named = device(where)
    if named.type == "cpu":
        return device("cpu", named.index or None)
    return device(named.type, named.index or 0)


def is_default(found) -> bool:
    """Whether JAX runs programs without inputs on a device."""
    config: Any = jax.config  # its options are added late; a `with` may have set this one
    return config.jax_default_device is None and found is jax.local_devices()[0]


@functools.lru_cache(maxsize=256)
def _named(found) -> device:
    kind = {"gpu": "cuda", "rocm": "cuda"}.get(found.platform, found.platform)
    index = _devices(kind).index(found) if found in _devices(kind) else found.id
    return numbered(device(kind, index))


def device_of(array) -> device:
    """The device an array lies on; for a traced one, that of the program being captured."""
    if isinstance(array, jax.core.Tracer):
        return modes.state.capture.device if modes.state.capture is not None else _default[0]
    if type(array) is Placeholder:
        return _named(next(iter(array.sharding.device_set)))
    if isinstance(array, jax.Array):
        return _named(next(iter(array.devices())))
    if isinstance(array, ArrayType):
        if array.sharding is None:
            raise TypeError("where an array lies is asked of the array, not of its type")
        return _named(array.device)
    return CPU


def placement(array):
    """Where an array lies, as JAX says it; None for a traced one."""
    if modes.state.capture is not None or isinstance(array, jax.core.Tracer):
        return None
    return getattr(array, "sharding", None)


def filled(shape, kind, number, where):
    """An array of one number at a `placement`; a small one is made once and kept."""
    if where is None:
        return jnp.full(shape, number, kind)
    make = _filled if math.prod(shape) <= _SMALL else _filled.__wrapped__
    return make(shape, kind, number, where)


@functools.lru_cache(maxsize=256)
def _filled(shape, kind, number, where):
    made = jax.device_put(np.full(shape, number, kind), where)
    key = id(made)
    _constants[key] = weakref.ref(made, lambda _: _constants.pop(key, None))
    return made


_constants: dict = {}


def is_constant(array) -> bool:
    """Whether an array is one of those that `filled` keeps, which always hold the same number."""
    reference = _constants.get(id(array))
    return reference is not None and reference() is array


def literal(array, where):
    """A NumPy array that recorded code spells out, on a device: it is known as such."""
    made = jax.device_put(array, where)
    key = id(made)
    _literals[key] = weakref.ref(made, lambda _: _literals.pop(key, None))
    return made


_literals: dict = {}


def is_literal(array) -> bool:
    """Whether an array is one that `literal` has made."""
    reference = _literals.get(id(array))
    return reference is not None and reference() is array


_device = device  # the class, where a parameter has its name


def get_default_device() -> device:
    """The device on which tensors are made when none is named."""
    return _default[0]


def set_default_device(device) -> None:
    """Set the device on which tensors are made when none is named; `None` means the CPU."""
    _default[0] = _device("cpu" if device is None else device)


def wait_for(where=None) -> None:
    """Wait until everything that was asked of a device has been done; what is recorded is run."""
    recorder = modes.state.recorder
    if recorder is not None and modes.state.capture is None:
        recorder.flush("waiting for a device")
    jax.device_put(0, jax_device(where)).block_until_ready()


CPU = device("cpu")
