"""PyTorch's file of what `kuai.cuda.amp` needs."""

from kuai.cuda import is_available

__all__ = ["amp_definitely_not_available"]


def amp_definitely_not_available() -> bool:
    """Whether there is no GPU."""
    return not is_available()
