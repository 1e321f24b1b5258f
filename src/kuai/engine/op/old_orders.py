"""Arguments in the order of PyTorch's first versions: `x.addcmul_(0.5, a, b)`, `x.add_(-lr, g)`.

The number that multiplies stood before the tensors that it multiplies. PyTorch still takes calls
like that, with a warning, and optimizers on PyPI still make them. Here they are looked at when a
call has more arguments than the operation has places for.
"""

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.warning_once import warn_once

__all__ = ["reordered"]

#: What numbers between tensors are called, the first one first.
_NUMBERS = {
    "add": ("alpha",),
    "sub": ("alpha",),
    "addcdiv": ("value",),
    "addcmul": ("value",),
    **dict.fromkeys(("addbmm", "addmm", "addmv", "addr", "baddbmm"), ("beta", "alpha")),
}


def reordered(name: str, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
    """The arguments in today's order; None if they are not in the old one.

    Example:
        >>> reordered("cat", (1, 2), {}) is None
        True
    """
    called = _NUMBERS.get(name)
    if called is None:
        return None
    tensors = tuple([each for each in args if isinstance(each, Tensor)])
    numbers = [each for each in args if not isinstance(each, Tensor)]
    wanted = 2 if called == ("alpha",) else 3
    plain = all([isinstance(each, (int, float, complex)) for each in numbers])
    if called == ("alpha",) and len(tensors) == 1 and len(args) == 3 and plain:
        _warn(name)  # what is multiplied is a number, too: x.add(2, 3)
        return (args[0], args[2]), {**kwargs, "alpha": args[1]}
    is_old = len(tensors) == wanted and 0 < len(numbers) <= len(called) and plain
    if not is_old or not isinstance(args[-1], Tensor) or kwargs.keys() & set(called):
        return None
    _warn(name)
    return tensors, {**kwargs, **dict(zip(called, numbers, strict=False))}


def _warn(name):
    numbers = ", ".join(f"{each}=" for each in _NUMBERS[name])
    warn_once(
        f"This overload of {name} is deprecated:\n\tnumbers before tensors\nConsider using one of "
        f"the following signatures instead:\n\t{name}(*tensors, {numbers})",
        stacklevel=5,
        place="numbers before tensors",
    )
