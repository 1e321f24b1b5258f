"""`kuai.utils._triton`: whether PyTorch's compiler could use Triton: it is not there."""

__all__ = ["has_triton", "has_triton_package"]


def has_triton() -> bool:
    """False.

    Example:
        >>> from kuai.utils._triton import has_triton
        >>> has_triton()
        False
    """
    return False


has_triton_package = has_triton
