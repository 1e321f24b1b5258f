"""Named tuples of operations with several results, printed as PyTorch prints them."""

import collections

__all__ = ["return_type"]


def _represent(self) -> str:
    fields = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
    return f"torch.return_types.{type(self).__name__}(\n{fields})"


def return_type(name: str, *fields: str) -> type:
    """A named tuple class whose repr is PyTorch's.

    Example:
        >>> return_type("max", "values", "indices")(3, 1)
        torch.return_types.max(
        values=3,
        indices=1)
    """
    made = collections.namedtuple(name, fields, module=__name__)
    made.__repr__ = _represent
    made.__doc__ = f"The results of `{name}`: {', '.join(fields)}."
    globals()[name] = made  # where pickle looks for it
    return made
