"""`kuai.utils.hooks`: what is given for a registered hook, to remove it again."""

from kuai.engine.autograd.handles import RemovableHandle
from kuai.nn.base.backward_hooks import BackwardHook
from kuai.ops.array.to_python import warn_if_has_hooks

__all__ = ["BackwardHook", "RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]


def unserializable_hook(f):
    """The function, marked as one that is not written to files."""
    f.__torch_unserializable__ = True
    return f
