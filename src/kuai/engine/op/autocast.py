"""autocast: inside, operations choose the precision that suits them.

An operation says where it is defined what suits it, in PyTorch's table for CPUs and in that for
GPUs (see `Choices`): matrix products and convolutions the lower precision, sums and losses that
would lose too much float32, and those that join tensors the widest dtype among them. Its floating
point arguments are cast before it runs. The casts are operations of their own, on the tape like any
other, so every gradient has the dtype of what it is the gradient of. Operations that say nothing
are as fast as ever, and the others ask one attribute when autocast is off.
"""

import functools
import warnings

import jax
import jax.numpy as jnp

from kuai.engine.autograd.running import Operation, run
from kuai.engine.op.wrong_calls import refuse_types
from kuai.engine.tensor import Tensor, devices, dtypes, modes
from kuai.engine.tensor.frames import fold
from kuai.engine.tensor.views import outline, where

__all__ = [
    "TABLES",
    "Choices",
    "Refused",
    "autocast",
    "cast_floating",
    "casting",
    "get_autocast_dtype",
    "in_lower_precision",
    "is_autocast_enabled",
    "set_autocast_dtype",
    "set_autocast_enabled",
]

#: Which of PyTorch's two tables counts on a kind of device.
TABLES = {"cpu": "cpu", "cuda": "cuda", "tpu": "cuda"}
_DEFAULTS = {"cpu": dtypes.bfloat16, "cuda": dtypes.float16, "tpu": dtypes.bfloat16}
_HALVES = (dtypes.bfloat16, dtypes.float16)
_cast = Operation("to", "ToCopyBackward0")


_NOT_HALF = (
    "In {0} autocast, but the target dtype is not supported. Disabling autocast.\n"
    "{0} Autocast only supports dtypes of torch.bfloat16, torch.float16 currently."
)
_NO_GPU = "CUDA is not available or torch_xla is imported. Disabling autocast."


class autocast:
    """Run operations in a lower precision where that is safe; a context manager and a decorator.

    Args:
        device_type: "cpu", "cuda" or "tpu"; only tensors there are concerned.
        dtype: the lower precision; default: bfloat16, on a GPU float16.
        enabled: False switches autocast off inside.

    Example:
        >>> with kuai.autocast("cpu", dtype=kuai.bfloat16):
        ...     y = kuai.ones(2, 2) @ kuai.ones(2, 2)
        >>> y.dtype
        torch.bfloat16
    """

    def __init__(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = devices.device(device_type).type
        self.fast_dtype = get_autocast_dtype(self.device) if dtype is None else dtype
        self._enabled = bool(enabled)
        if self._enabled and self.device == "cuda" and not devices.device_count("cuda"):
            warnings.warn(_NO_GPU, stacklevel=2)
            self._enabled = False
        if self._enabled and self.device != "cuda" and self.fast_dtype not in _HALVES:
            warnings.warn(_NOT_HALF.format(self.device.upper()), stacklevel=2)
            self._enabled = False
        self._previous = []

    def __enter__(self):
        state = modes.state
        self._previous.append(state.autocast)
        kept = [pair for pair in state.autocast or () if pair[0] != self.device]
        if self._enabled:
            kept.append((self.device, self.fast_dtype))
        state.autocast = tuple(sorted(kept, key=lambda pair: pair[0])) or None
        return self

    def __exit__(self, *_):
        modes.state.autocast = self._previous.pop()

    def __call__(self, function):
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with self:
                return function(*args, **kwargs)

        return wrapped


def is_autocast_enabled(device_type=None) -> bool:
    """Whether autocast is on for a kind of device (default: "cuda").

    Example:
        >>> with kuai.autocast("cpu"):
        ...     kuai.is_autocast_enabled("cpu")
        True
    """
    return any(pair[0] == (device_type or "cuda") for pair in modes.state.autocast or ())


def get_autocast_dtype(device_type) -> dtypes.dtype:
    """The lower precision that autocast uses on a kind of device.

    Example:
        >>> kuai.get_autocast_dtype("cpu")
        torch.bfloat16
    """
    for kind, dtype in modes.state.autocast or ():
        if kind == device_type:
            return dtype
    if device_type not in _DEFAULTS:
        raise RuntimeError(f"autocast does not know the device type {device_type!r}")
    return _DEFAULTS[device_type]


def set_autocast_enabled(device_type, enabled=None) -> None:
    """Switch autocast on or off for good; without a device for GPUs.

    Example:
        >>> kuai.set_autocast_enabled("cpu", True)
        >>> (kuai.ones(1, 1) @ kuai.ones(1, 1)).dtype
        torch.bfloat16
        >>> kuai.set_autocast_enabled("cpu", False)
    """
    device_type, enabled = ("cuda", device_type) if enabled is None else (device_type, enabled)
    fast = get_autocast_dtype(device_type)
    autocast(device_type, dtype=fast, enabled=enabled).__enter__()


def set_autocast_dtype(device_type, dtype) -> None:
    """Choose the lower precision that autocast uses on a kind of device."""
    _DEFAULTS[device_type] = dtype
    if is_autocast_enabled(device_type):
        autocast(device_type, dtype=dtype).__enter__()


# The operation's side -----------------------------------------------------------------------------


class Refused(str):
    """A choice: an error of this text, for what is not safe in a lower precision."""


class Choices:
    """What an operation said about autocast: for each of PyTorch's tables a choice.

    "lower"    the dtype that autocast was given       "float32"   float32
    "widest"   float32 where an argument is float32    "first"     the dtype of the first tensor
    Refused    an error                                None        nothing is cast

    A choice may be a function of the call's arguments that gives one of these. One choice alone is
    for both tables.
    """

    def __init__(self, said):
        self.by_table = said if isinstance(said, dict) else dict.fromkeys(("cpu", "cuda"), said)
        for table, choice in self.by_table.items():
            is_known = callable(choice) or isinstance(choice, Refused) or choice in _DTYPES
            if table not in ("cpu", "cuda") or not is_known:
                raise ValueError(f"autocast={said!r}: there is no such table or choice")

    def dtype(self, active, args, kwargs):
        """The dtype that the arguments of a call are cast to, or None."""
        tensors = list(_tensors_in((*args, *kwargs.values())))
        kind = where(_with_storage(tensors[0])).type if tensors else "cpu"
        if kind not in active:
            return None
        choice = self.by_table.get(TABLES[kind])
        choice = choice(*args, **kwargs) if callable(choice) else choice
        if isinstance(choice, Refused):
            raise RuntimeError(choice)
        wanted = None if choice is None else _DTYPES[choice](active[kind], tensors)
        return None if wanted is None else dtypes.to_jax(wanted)


def _with_storage(tensor):
    return tensor if tensor._specified is None else tensor._specified


def _widest(lower, tensors):
    return dtypes.float32 if any(tensor.dtype is dtypes.float32 for tensor in tensors) else None


_DTYPES = {
    "lower": lambda lower, tensors: lower,
    "float32": lambda lower, tensors: dtypes.float32,
    "widest": _widest,
    "first": lambda lower, tensors: tensors[0].dtype,
}


def _tensors_in(arguments):
    for argument in arguments:
        if isinstance(argument, Tensor):
            yield argument
        elif _is_list(argument):
            yield from (item for item in argument if isinstance(item, Tensor))


def casting(function, choices: Choices):
    """The function, given arguments in the precision that was chosen while autocast is on.

    Inside, autocast is off: what it is made of follows its choice. With `out=` the dtype is given,
    and nothing is cast, as in PyTorch.
    """

    def cast_first(*args, **kwargs):
        try:
            active = modes.state.autocast
            if active is None or kwargs.get("out") is not None:
                return function(*args, **kwargs)
            return _in_chosen_precision(function, choices, active, args, kwargs)
        except Exception as error:
            refuse_types(error, cast_first, args, kwargs)
            fold(error)
            raise

    return cast_first


def _in_chosen_precision(function, choices, active, args, kwargs):
    wanted = choices.dtype(dict(active), args, kwargs)
    if wanted is None:
        return function(*args, **kwargs)
    args = [_in_precision(a, wanted) for a in args]
    kwargs = {key: _in_precision(a, wanted) for key, a in kwargs.items()}
    modes.state.autocast = None
    try:
        return function(*args, **kwargs)
    finally:
        modes.state.autocast = active


def _is_list(argument):
    return isinstance(argument, (list, tuple))


def _is_eligible(tensor):
    return tensor.dtype.is_floating_point and tensor.dtype is not dtypes.float64


def _in_precision(argument, wanted):
    if _is_list(argument) and any(isinstance(item, Tensor) for item in argument):
        return type(argument)([_in_precision(item, wanted) for item in argument])
    if not isinstance(argument, Tensor) or not _is_eligible(argument):
        return argument
    if argument._specified is not None:
        return argument.to(dtypes.from_jax(wanted))
    if outline(argument).dtype == wanted:
        return argument
    return run(_cast, wanted, lambda: lambda array: jnp.asarray(array, wanted), [argument])


def in_lower_precision(tensor, tables=("cpu", "cuda")):
    """A result whose last step is a matrix product in PyTorch: autocast gives it its dtype.

    Args:
        tables: those by which it is so.
    """
    kind = where(_with_storage(tensor)).type
    lower = dict(modes.state.autocast or ()).get(kind)
    if lower is None or TABLES[kind] not in tables or not _is_eligible(tensor):
        return tensor
    return _in_precision(tensor, dtypes.to_jax(lower))


def cast_floating(nested, dtype, device_type=None):
    """Nested arguments with their floating point tensors in another dtype.

    Args:
        device_type: the kind of device whose tensors are meant, if not all are.
    """
    wanted = dtypes.to_jax(dtype)

    def cast(leaf):
        elsewhere = device_type is not None and isinstance(leaf, Tensor)
        if elsewhere and leaf.device.type != device_type:
            return leaf
        return _in_precision(leaf, wanted)

    return jax.tree.map(
        cast,
        nested,
        is_leaf=lambda leaf: isinstance(leaf, Tensor) or leaf is None,
    )
