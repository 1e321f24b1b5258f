"""`kuai.nn.attention`: how attention is computed, as far as it can be chosen."""

import contextlib
import enum
from collections.abc import Iterator
from typing import Any

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(enum.IntEnum):
    """PyTorch's ways to compute `scaled_dot_product_attention`."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextlib.contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[None]:
    """A context in which PyTorch computes attention in one of several ways; the result is the same.

    Differs from PyTorch: nothing changes, XLA decides how attention is computed.

    Example:
        >>> from kuai.nn.attention import SDPBackend, sdpa_kernel
        >>> x = kuai.ones(1, 1, 2, 2)
        >>> with sdpa_kernel(SDPBackend.MATH):
        ...     F.scaled_dot_product_attention(x, x, x).shape
        torch.Size([1, 1, 2, 2])

    Raises:
        AssertionError: `backends` is neither an `SDPBackend` nor a list of them.
    """
    for backend in backends if isinstance(backends, (list, tuple)) else [backends]:
        if not isinstance(backend, SDPBackend):
            raise AssertionError("Backend must be an instance of SDPBackend or a list of them")
    yield
