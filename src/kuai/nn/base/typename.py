"""How an error message names an object's type."""

from __future__ import annotations

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.overriding import is_of_the_real_torch


def typename(value: object) -> str:
    """The type of ``value`` as PyTorch's messages write it.

    Example:
        >>> typename(3)
        'int'
    """
    if isinstance(value, Tensor):
        return value.type()
    kind = value if isinstance(value, type) else type(value)
    if kind.__module__ in ("builtins", "__builtin__"):
        return kind.__qualname__
    full = f"{kind.__module__}.{kind.__qualname__}"
    return f"{full} (kuai.from_torch makes Kuai's of it)" if is_of_the_real_torch(kind) else full
