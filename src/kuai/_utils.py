"""`kuai._utils`: the helpers of PyTorch's that packages have come to use."""

import sys
import traceback
from typing import Any

import kuai
from kuai.engine.tensor import Tensor, devices

__all__: list[str] = []


class KeyErrorMessage(str):
    """A text that KeyError shows as it is, line by line."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class ExceptionWrapper:
    """An exception with its traceback as text, for tracebacks do not travel between processes."""

    def __init__(self, exc_info: Any = None, where: str = "in background"):
        kind, error, trace = exc_info or sys.exc_info()
        assert kind is not None, "there is no exception"
        self.exc_type: Any = kind
        self.where = where
        self.exc_msg = "".join(traceback.format_exception(kind, error, trace))

    def reraise(self) -> None:
        """Raise an exception of the same kind, with the other traceback in its text."""
        text: Any = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            text = KeyErrorMessage(text)
        try:
            error = self.exc_type(text)
        except Exception:  # noqa: BLE001 - it wants other arguments than a text
            raise RuntimeError(text) from None
        raise error


def _flatten_dense_tensors(tensors: Any) -> Tensor:
    """All elements of tensors of one dtype in one row."""
    return kuai.cat([each.contiguous().view(-1) for each in tensors], 0)


def _unflatten_dense_tensors(flat: Tensor, tensors: Any) -> tuple[Tensor, ...]:
    """A row of elements in the shapes of tensors."""
    parts = flat.split([each.numel() for each in tensors])
    return tuple(part.view_as(each) for part, each in zip(parts, tensors, strict=True))


def _element_size(dtype: Any) -> int:
    """How many bytes an element takes."""
    return dtype.itemsize


def _get_available_device_type() -> str | None:
    """The kind of the accelerator, or None."""
    return "cuda" if devices.device_count("cuda") else None


def _get_device_module(device_type: str) -> Any:
    """What `kuai.<device type>` is."""
    return kuai.get_device_module(device_type)


def _get_device_index(device: Any, optional: bool = False, allow_cpu: bool = False) -> int:
    """The number of a device.

    Raises:
        ValueError: it has none.
    """
    found = kuai.device(device) if isinstance(device, str) else device
    if isinstance(found, devices.device):
        if found.type == "cpu":
            if not allow_cpu:
                raise ValueError(f"Expected a non cpu device, but got: {device}")
            return -1
        found = found.index
    if found is None and optional:
        return 0
    if found is None:
        raise ValueError(
            f"Expected a torch.device with a specified index or an integer, but got:{device}"
        )
    return found
