"""`kuai.backends.cpu`: what the processor can do."""

__all__ = ["get_cpu_capability"]


def get_cpu_capability() -> str:
    """`DEFAULT`: XLA finds out itself which instructions to use.

    Example:
        >>> kuai.backends.cpu.get_cpu_capability()
        'DEFAULT'
    """
    return "DEFAULT"
