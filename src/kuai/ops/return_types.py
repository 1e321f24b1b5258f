"""Named tuples of operations with several results, printed as PyTorch prints them."""

import collections
from typing import Any

__all__ = ["return_type"]


def _represent(self) -> str:
    fields = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
    return f"torch.return_types.{type(self).__name__}(\n{fields})"


def return_type(name: str, *fields: str, **others: Any) -> type:
    """A named tuple class whose repr is PyTorch's.

    Args:
        fields: the names of results that are tensors.
        others: the names and types of those that follow and are none.

    Example:
        >>> return_type("max", "values", "indices")(3, 1)
        torch.return_types.max(
        values=3,
        indices=1)
    """
    made: Any = collections.namedtuple(name, [*fields, *others], module=__name__)
    made.__annotations__ = others
    made.__repr__ = _represent
    made.__doc__ = f"The results of `{name}`: {', '.join(made._fields)}."
    globals()[name] = made  # where pickle looks for it
    return made
