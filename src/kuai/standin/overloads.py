"""Which of PyTorch's overloads a call of an operation is: `add.Tensor`, `sum.dim_IntList`.

PyTorch's compiled functions choose an overload by the types of the arguments, and tell its name to
a dispatch mode. Here one function does what all overloads do; the name is found from the call.
"""

import inspect
from collections.abc import Callable
from typing import Any

from kuai.engine.tensor import Tensor

__all__ = ["normal_arguments", "overload_of"]

#: Operations with one overload that is not called `default`.
_ONLY = {
    "transpose": "int", "transpose_": "default", "select": "int", "slice": "Tensor",
    "index": "Tensor", "unbind": "int", "empty": "memory_format", "where": "self",
    "std": "correction", "var": "correction", "bernoulli_": "float", "split": "Tensor",
    "var_mean": "correction", "std_mean": "correction", "cross": "default",
}  # fmt: skip
#: Numbers arrive as tensors there, so both are called `Tensor`.
_ALWAYS_TENSOR = {"add", "sub", "mul", "div", "true_divide", "multiply", "subtract", "divide"}
_TENSOR_OR_SCALAR = {
    "eq", "ne", "lt", "le", "gt", "ge", "remainder", "fmod", "bitwise_and", "bitwise_or",
    "bitwise_xor", "rsub", "fill", "lerp", "masked_fill", "bitwise_left_shift",
    "bitwise_right_shift",
}  # fmt: skip
#: With a dimension they are another overload, called so.
_WITH_DIMENSION = {
    "sum": "dim_IntList", "mean": "dim", "max": "dim", "min": "dim", "any": "dim", "all": "dim",
    "prod": "dim_int", "median": "dim", "nanmedian": "dim", "squeeze": "dim",
}  # fmt: skip
_NAMED_ONE_DIMENSION = {"any", "all", "squeeze"}


def overload_of(name: str, args: tuple, kwargs: dict) -> str:
    """The overload that a call of `aten.<name>` is.

    Example:
        >>> overload_of("add", (kuai.ones(2), 1), {}), overload_of("gt", (kuai.ones(2), 1), {})
        ('Tensor', 'Scalar')
    """
    plain = name[:-1] if name.endswith("_") and not name.endswith("__") else name
    if plain in _ALWAYS_TENSOR:
        return "Tensor_mode" if kwargs.get("rounding_mode") else "Tensor"
    if plain in _TENSOR_OR_SCALAR:
        return _by_last(plain, args)
    if plain == "pow":
        return _of_power(args)
    if plain in _WITH_DIMENSION and len(args) > 1 and not isinstance(args[1], Tensor):
        several = plain in _NAMED_ONE_DIMENSION and isinstance(args[1], (tuple, list))
        return "dims" if several else _WITH_DIMENSION[plain]
    if plain == "scatter":
        return "src" if len(args) > 3 and isinstance(args[3], Tensor) else "value"
    if plain == "clamp":
        return "Tensor" if any(isinstance(each, Tensor) for each in args[1:]) else "default"
    if name == "arange":
        return ("default", "start", "start_step")[min(len(args), 3) - 1]
    if name == "randint":
        return "low" if len(args) > 2 else "default"
    return _ONLY.get(name, "default")


def _by_last(name: str, args: tuple) -> str:
    """Whether the argument that may be a number is one: the second, of some the third."""
    place = 2 if name in ("lerp", "masked_fill") else 1
    return "Tensor" if len(args) > place and isinstance(args[place], Tensor) else "Scalar"


def _of_power(args: tuple) -> str:
    base, exponent = (isinstance(each, Tensor) for each in args[:2])
    return "Scalar" if not base else "Tensor_Tensor" if exponent else "Tensor_Scalar"


def normal_arguments(function: Callable, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Arguments as PyTorch passes them on: by place where they may be, defaults left out."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return args, kwargs
    bound.apply_defaults()
    placed: list[tuple] = []
    named: dict = {}
    for parameter in bound.signature.parameters.values():
        value, default = bound.arguments[parameter.name], parameter.default
        if parameter.kind is parameter.VAR_POSITIONAL:
            placed += [(each, parameter.empty) for each in value]
        elif parameter.kind is parameter.VAR_KEYWORD:
            named.update(value)
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            placed.append((value, default))
        elif not _same(value, default):
            named[parameter.name] = value
    while placed and _same(*placed[-1]):
        placed.pop()
    return tuple([_listed(value) for value, _ in placed]), named


def _same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and value == default)


def _listed(value: Any) -> Any:
    """Several numbers are a list there."""
    return list(value) if type(value) is tuple else value
