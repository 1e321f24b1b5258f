"""`kuai._tensor_str`: how tensors are printed, under PyTorch's path."""

import contextlib

from kuai.engine.tensor import printing
from kuai.engine.tensor.concrete import concrete

__all__ = []


class _Options:
    """The options in force; see `kuai.set_printoptions`."""

    def __getattr__(self, name):
        return getattr(printing.get_printoptions(), name)


PRINT_OPTS = _Options()


@contextlib.contextmanager
def printoptions(**options):
    """Print in another way inside of a `with`; the options are those of `set_printoptions`.

    Example:
        >>> with kuai._tensor_str.printoptions(precision=1):
        ...     print(kuai.tensor([0.25, 1.0]))
        tensor([0.2, 1.0])
        >>> kuai.tensor([0.25, 1.0])
        tensor([0.2500, 1.0000])
    """
    before = printing.get_printoptions()
    printing.set_printoptions(**options)
    try:
        yield
    finally:
        printing.put_printoptions(before)


get_printoptions = printing.get_printoptions
set_printoptions = printing.set_printoptions


def _tensor_str(self, indent: int) -> str:
    """The elements, as `repr` shows them.

    Example:
        >>> kuai._tensor_str._tensor_str(kuai.ones(2), 0)
        '[1., 1.]'
    """
    return printing.contents(concrete(self, "a printed tensor"), self.dtype.name, indent)


def _add_suffixes(tensor_str: str, suffixes: list[str], indent: int, force_newline: bool) -> str:
    """The text with what is said after the elements, and the closing bracket."""
    if force_newline and suffixes:
        suffixes = ["\n" + " " * indent + suffixes[0], *suffixes[1:]]
    return printing.with_suffixes(tensor_str, suffixes, indent)


def _str(self, *, tensor_contents: str | None = None) -> str:
    """What `repr` says."""
    return repr(self) if tensor_contents is None else f"tensor({tensor_contents})"


_str_intern = _str
