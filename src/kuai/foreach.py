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

    Example:
        >>> kuai._foreach_add([kuai.ones(1), kuai.zeros(1)], 2)
        [tensor([3.]), tensor([2.])]

    Raises:
        AttributeError: there is no such operation.
    """
    operation = name.removeprefix(_PREFIX)
    changes = operation.endswith("_")
    each = _operation(operation)
    returns_given = operation == "copy_"  # the only one of those that change tensors

    def function(self, *args, **kwargs):
        count = len(self)
        rows = (
            zip(*(_spread(argument, count) for argument in args), strict=True)
            if args
            else [()] * count
        )
        made = [each(tensor, *row, **kwargs) for tensor, row in zip(self, rows, strict=True)]
        return self if returns_given else None if changes else made

    function.__name__ = function.__qualname__ = name
    return function


def _operation(name):
    if name == "norm":
        return lambda tensor, ord=2, dtype=None: REGISTRY.modules["linalg"]["vector_norm"](
            tensor, ord, dtype=dtype
        )
    names = {"maximum": "clamp_min", "minimum": "clamp_max"}
    plain = name.rstrip("_")
    if plain in names:
        return _bounded(getattr(Tensor, name.replace(plain, names[plain])))
    found = getattr(Tensor, name, None)
    if found is None or name.startswith("_"):
        raise AttributeError(f"module 'kuai' has no attribute '{_PREFIX}{name}'")
    return found


def _bounded(function):
    return lambda tensor, other: function(tensor, other)


def _spread(argument, count):
    """An argument for each tensor: the same for all, or one of a list."""
    return argument if isinstance(argument, (list, tuple)) else [argument] * count
