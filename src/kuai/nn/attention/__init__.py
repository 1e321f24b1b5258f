"""What belongs to attention: a choice of kernels, causal masks, attention with functions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from kuai.nn.attention import bias as bias, flex_attention as flex_attention
from kuai.ops.nn.attention_choices import SDPBackend, chosen

__all__ = ["SDPBackend", "bias", "flex_attention", "sdpa_kernel"]


@contextlib.contextmanager
def sdpa_kernel(
    backends: list[SDPBackend] | SDPBackend, set_priority: bool = False
) -> Iterator[dict]:
    """Allow only some of PyTorch's kernels for `scaled_dot_product_attention`.

    XLA makes one kernel for the device, whichever are allowed; without any, attention is an error.

    Args:
        set_priority: accepted as in PyTorch.

    Example:
        >>> from kuai.nn.attention import SDPBackend, sdpa_kernel
        >>> q = kuai.ones(1, 2, 3, 4)
        >>> with sdpa_kernel(SDPBackend.MATH):
        ...     kuai.nn.functional.scaled_dot_product_attention(q, q, q).shape
        torch.Size([1, 2, 3, 4])
    """
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    given = [backends] if isinstance(backends, SDPBackend) else backends
    chosen.append([b for b in dict.fromkeys(given) if b is not SDPBackend.ERROR])
    try:
        yield {}
    finally:
        chosen.pop()
