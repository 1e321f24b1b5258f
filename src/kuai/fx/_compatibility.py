"""`kuai.fx._compatibility`: a mark by which PyTorch says what may change."""

__all__ = ["compatibility"]


def compatibility(is_backward_compatible: bool):
    """A decorator that gives back the function."""
    return lambda fn: fn
