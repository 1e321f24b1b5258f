"""`kuai._foreach_…`: one operation on each tensor of a list.

PyTorch launches one kernel for a list. Here each tensor has its call, and a compiled step joins
them.
"""

from kuai.engine.op import REGISTRY
from kuai.engine.tensor import Tensor

__all__ = ["foreach"]

_PREFIX = "_foreach_"


def foreach(name: str):
    """The function `kuai._foreach_<operation>`; the tensors themselves change for `…_`.

    It gives a tuple, as PyTorch's does, or for `…_` what it was given.

    Example:
        >>> kuai._foreach_add([kuai.ones(1), kuai.zeros(1)], 2)
        (tensor([3.]), tensor([2.]))

    Raises:
        AttributeError: there is no such operation.
    """
    operation = name.removeprefix(_PREFIX)
    changes = operation.endswith("_")
    each = _operation(operation)

    def function(self, *args, **kwargs):
        lists = (self, *args, *kwargs.values())
        count = _count([given for given in lists if isinstance(given, (list, tuple))], name)
        rows = zip(*(_spread(argument, count) for argument in (self, *args)), strict=True)
        columns = {k: _spread(v, count) for k, v in kwargs.items()}
        named = [{k: column[i] for k, column in columns.items()} for i in range(count)]
        made = tuple(each(*row, **words) for row, words in zip(rows, named, strict=True))
        return self if changes else made

    function.__name__ = function.__qualname__ = name
    return function


def _operation(name):
    if name == "norm":
        return lambda tensor, ord=2, dtype=None: REGISTRY.modules["linalg"]["vector_norm"](
            tensor, ord, dtype=dtype
        )
    if name == "powsum":
        return lambda tensor, ord=2, dtype=None: (tensor.abs() ** ord).sum(dtype=dtype)
    if name == "pow":
        return REGISTRY.functions["pow"]  # a number may stand before the list
    names = {"maximum": "clamp_min", "minimum": "clamp_max"}
    plain = name.rstrip("_")
    if plain in names:
        return _bounded(getattr(Tensor, name.replace(plain, names[plain])))
    if plain in ("addcmul", "addcdiv"):
        return _with_value(getattr(Tensor, name))
    found = getattr(Tensor, name, None)
    if found is None or name.startswith("_"):
        raise AttributeError(f"module 'kuai' has no attribute '{_PREFIX}{name}'")
    return found


def _bounded(function):
    return lambda tensor, other: function(tensor, other)


def _with_value(function):
    return lambda tensor, one, other, value=1: function(tensor, one, other, value=value)


def _count(lists, name) -> int:
    if not lists:
        raise TypeError(f"{name}() needs a list of tensors")
    count = len(lists[0])
    if not count:
        raise RuntimeError("Tensor list must have at least one tensor.")
    for other in lists[1:]:
        if len(other) != count:
            raise RuntimeError(
                f"Tensor lists must have the same number of tensors, got {count} and {len(other)}"
            )
    return count


def _spread(argument, count):
    """An argument for each tensor: the same for all, or one of a list."""
    return argument if isinstance(argument, (list, tuple)) else [argument] * count
