"""`kuai.backends.mkldnn`: oneDNN, which convolutions on a CPU use; the name is PyTorch's."""

from kuai.engine.tensor.acceleration import accelerated
from kuai.ops.native import library

__all__ = ["flags", "is_available"]


def is_available() -> bool:
    """Whether convolutions on a CPU are computed by oneDNN.

    It takes a C++ compiler when Kuai is installed; `KUAI_ONEDNN=0` in the environment switches it
    off.

    Example:
        >>> kuai.backends.mkldnn.is_available() in (True, False)
        True
    """
    return library.is_available()


def flags(
    enabled: bool = False,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
):
    """A context in which oneDNN is used, or is not, in this thread.

    Example:
        >>> with kuai.backends.mkldnn.flags(enabled=False):
        ...     y = kuai.conv2d(kuai.ones(1, 1, 3, 3), kuai.ones(1, 1, 2, 2))

    Differs from PyTorch: the other three change nothing, because results are the same from run to
    run on one machine, and are never computed in fewer bits.
    """
    return accelerated(enabled)
