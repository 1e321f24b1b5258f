"""PyTorch's import path for helpers around modules."""

from __future__ import annotations

from typing import Any

__all__ = ["consume_prefix_in_state_dict_if_present"]


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
