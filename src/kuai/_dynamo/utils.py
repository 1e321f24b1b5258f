"""`kuai._dynamo.utils`: small queries."""

__all__ = ["is_compile_supported"]


def is_compile_supported(device_type) -> bool:
    """Whether functions can be compiled for a kind of device: for all of them.

    Example:
        >>> kuai._dynamo.utils.is_compile_supported("cpu")
        True
    """
    return True
