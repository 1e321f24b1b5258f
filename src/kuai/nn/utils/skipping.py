"""Making modules without caring for their first values."""

from __future__ import annotations

import inspect
from typing import Any

from kuai.nn.base.module import Module

__all__ = ["skip_init"]


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """A module whose first values do not matter, as they will be loaded.

    In PyTorch they are whatever the memory holds; here they are the usual ones, which JAX draws as
    fast as it fills memory.

    Example:
        >>> kuai.nn.utils.skip_init(kuai.nn.Linear, 5, 1)
        Linear(in_features=5, out_features=1, bias=True)
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    return module_cls(*args, **kwargs)
