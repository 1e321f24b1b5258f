"""Names of PyTorch's that can be imported, and say at use why they do nothing and what does."""

from typing import Any

from kuai.errors import UnavailableError

__all__ = ["refused", "refused_class"]


def refused(name: str, reason: str, instead: str) -> Any:
    """A function that raises an `UnavailableError`.

    Example:
        >>> refused("torch.f", "there is no f", "Use g.")()
        Traceback (most recent call last):
        kuai.errors.UnavailableError: torch.f does not exist in Kuai: there is no f. Use g.
    """

    def function(*args, **kwargs):
        raise UnavailableError(name, reason, instead)

    function.__name__ = function.__qualname__ = name.rpartition(".")[2]
    function.__doc__ = f"Raises an error: {reason}."
    return function


def refused_class(name: str, reason: str, instead: str, base: type = object) -> Any:
    """A class for annotations, `isinstance` and subclasses, of which nothing can be made."""

    def __init__(self, *args, **kwargs):
        raise UnavailableError(name, reason, instead)

    short = name.rpartition(".")[2]
    made: Any = type(
        short, (base,), {"__init__": __init__, "__doc__": f"Cannot be made: {reason}."}
    )
    made.__abstractmethods__ = frozenset()  # the error is the one above
    return made
