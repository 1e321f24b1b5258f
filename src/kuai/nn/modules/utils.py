"""PyTorch's import path for helpers around modules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

from kuai.engine.late import elsewhere

__all__ = ["consume_prefix_in_state_dict_if_present"]


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple]:
    """What makes a tuple of `n` values of one; what can be iterated over is taken as it is.

    Example:
        >>> kuai.nn.modules.utils._ntuple(3)(5)
        (5, 5, 5)
    """

    def parse(x: Any) -> tuple:
        return tuple(x) if isinstance(x, Iterable) else tuple(repeat(x, n))

    parse.__name__ = name
    return parse


_single = _ntuple(1, "_single")
_pair = _ntuple(2, "_pair")
_triple = _ntuple(3, "_triple")
_quadruple = _ntuple(4, "_quadruple")


def _reverse_repeat_tuple(t: Iterable, n: int) -> tuple:
    """The values from the last to the first, each `n` times: a layer's padding as `pad` wants it.

    Example:
        >>> kuai.nn.modules.utils._reverse_repeat_tuple((1, 2), 2)
        (2, 2, 1, 1)
    """
    return tuple(value for value in reversed(tuple(t)) for _ in range(n))


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Take `prefix` off the names of a state dict, in place.

    Example:
        >>> state = {"module.weight": 1}
        >>> kuai.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
        >>> state
        {'weight': 1}
    """
    for name in list(state_dict):
        if name.startswith(prefix):
            state_dict[name.removeprefix(prefix)] = state_dict.pop(name)
    metadata = getattr(state_dict, "_metadata", None) or {}
    for path in list(metadata):
        # A wrapper's own path is "", what it wraps "module": that becomes the root.
        if path and (path == prefix.replace(".", "") or path.startswith(prefix)):
            metadata[path[len(prefix) :]] = metadata.pop(path)


__getattr__ = elsewhere(__name__, "kuai.nn.copied_code", ["_list_with_default"])
