"""`kuai.utils.hooks`: what is given for a registered hook, to remove it again."""

from kuai.nn.base.hooks import RemovableHandle

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]


def unserializable_hook(f):
    """The function, marked as one that is not written to files."""
    f.__torch_unserializable__ = True
    return f


def warn_if_has_hooks(tensor) -> None:
    """Does nothing: hooks are never written to files."""
