"""Arguments of operations, checked against the operation's schema as PyTorch checks them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from kuai.engine.tensor import Tensor

__all__ = ["check_arguments", "declaration"]

_SHOWN = {"SymInt": "int", "SymInt[]": "List[int]", "Scalar": "number"}


def declaration(name: str, schema: str) -> str:
    """An operation as errors write it down.

    Example:
        >>> declaration("my::f", "f(Tensor x, float k=2.0) -> Tensor")
        'my::f(Tensor x, float k=2.) -> Tensor'
    """
    inner = schema[schema.index("(") :]
    return name + re.sub(r"(=-?\d+)\.0\b", r"\1.", inner)


def check_arguments(name: str, schema: str, args: tuple, kwargs: dict) -> None:
    """Raise PyTorch's error for arguments that are none of the operation's.

    Raises:
        RuntimeError: one is missing, not known, or of another type.
    """
    shown = declaration(name, schema)
    parameters = _parameters(schema)
    names = [parameter for _, parameter, _ in parameters]
    if len(args) > len(names):
        raise RuntimeError(
            f"{name}() expected at most {len(names)} argument(s) but received "
            f"{len(args) + len(kwargs)} argument(s). Declaration: {shown}"
        )
    for given in kwargs:
        if given not in names:
            raise RuntimeError(
                f"Unknown keyword argument '{given}' for operator '{name}'. Schema: {shown}"
            )
    for place, (kind, parameter, optional) in enumerate(parameters):
        if place >= len(args) and parameter not in kwargs:
            if not optional:
                raise RuntimeError(
                    f"{name}() is missing value for argument '{parameter}'. Declaration: {shown}"
                )
            continue
        value = args[place] if place < len(args) else kwargs[parameter]
        if not _fits(kind, value):
            raise RuntimeError(_mismatch(name, kind, parameter, place, value, shown))


def _parameters(schema: str) -> list[tuple[str, str, bool]]:
    """Type, name and whether there is a default, of each parameter."""
    inner = schema[schema.index("(") + 1 : schema.rindex("->")].rstrip().removesuffix(")")
    found = []
    for part in re.split(r",(?![^\[(]*[\])])", inner):
        text = part.strip()
        if text and text != "*":
            kind, _, rest = re.sub(r"\([^)]*\)", "", text).partition(" ")
            found.append((kind, rest.partition("=")[0], "=" in rest))
    return found


def _fits(kind: str, value: Any) -> bool:
    if value is None:
        return kind.endswith("?") or kind == "Tensor"
    kind = kind.removesuffix("?")
    if kind.endswith("]"):
        inner = kind.partition("[")[0]
        is_list = isinstance(value, Sequence) and not isinstance(value, str)
        return is_list and all(_fits(inner, each) for each in value)
    single = isinstance(value, Tensor) and kind != "str" and value.numel() == 1
    if kind in ("SymInt", "int", "bool"):
        return single or isinstance(value, int) or hasattr(value, "__index__")
    if kind in ("float", "Scalar"):
        return single or isinstance(value, (int, float, complex)) or hasattr(value, "__float__")
    if kind == "str":
        return isinstance(value, str)
    return kind != "Tensor" or isinstance(value, Tensor)


def _mismatch(name: str, kind: str, parameter: str, place: int, value: Any, shown: str) -> str:
    wanted = _SHOWN.get(kind, kind)
    if kind.endswith("[]") and kind not in _SHOWN:
        wanted = f"List[{kind.removesuffix('[]')}]"
    if kind.endswith("?"):
        wanted = f"Optional[{_SHOWN.get(kind[:-1], kind[:-1])}]"
    found = type(value).__name__
    details = f"Unable to cast Python instance of type {type(value)} to {wanted}"
    if kind == "Tensor":
        details = f"Unable to cast {value!r} to Tensor"
    return (
        f"{name}() Expected a value of type '{wanted}' for argument '{parameter}' but instead "
        f"found type '{found}'.\nPosition: {place}\nValue: {value!r}\nDeclaration: {shown}\n"
        f"Cast error details: {details}"
    )
