"""What registering a hook returns, be it one of a tensor, a node, a module or an optimizer."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from typing import Any

__all__ = ["RemovableHandle", "hang"]


class RemovableHandle:
    """What registering a hook returns: ``remove()`` takes the hook away; also a context manager.

    Args:
        hooks_dict: the dictionary holding the hook under ``handle.id``.
        extra_dict: one dictionary, or a list of them, with options under the same key.
    """

    next_id: int = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        extras = extra_dict if isinstance(extra_dict, list) else [extra_dict]
        self.extra_dict_ref = tuple(weakref.ref(extra) for extra in extras if extra is not None)

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = reference()
            if hooks is not None and self.id in hooks:
                del hooks[self.id]

    def __getstate__(self):
        extras = tuple(reference() for reference in self.extra_dict_ref)
        return (self.hooks_dict_ref(), self.id, extras)

    def __setstate__(self, state) -> None:
        hooks, self.id, extras = state
        self.hooks_dict_ref = weakref.ref(OrderedDict() if hooks is None else hooks)
        self.extra_dict_ref = tuple(weakref.ref(extra) for extra in extras if extra is not None)
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        self.remove()


def hang(hooks: Any, hook: Any) -> RemovableHandle:
    """Put a hook among others."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle
