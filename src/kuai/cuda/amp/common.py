"""Whether automatic precision has GPUs to run on."""

from kuai.engine.tensor import devices

__all__ = ["amp_definitely_not_available"]


def amp_definitely_not_available() -> bool:
    """Whether there is no GPU.

    Example:
        >>> kuai.cuda.amp.common.amp_definitely_not_available() != kuai.cuda.is_available()
        True
    """
    return devices.device_count("cuda") == 0
