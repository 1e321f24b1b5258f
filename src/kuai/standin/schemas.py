"""Schemas of operations: what a function takes and gives, as PyTorch writes it down."""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from typing import Any

from kuai.engine.tensor import Tensor
from kuai.engine.tensor.devices import device
from kuai.engine.tensor.dtypes import dtype

__all__ = ["infer_schema"]

_NAMES = {
    Tensor: "Tensor", int: "SymInt", float: "float", bool: "bool", str: "str",
    dtype: "ScalarType", device: "Device",
}  # fmt: skip
_SEQUENCES = (list, collections.abc.Sequence)
_RETURNED = ("Tensor", "Tensor[]", "SymInt", "float", "bool", "Scalar")


def infer_schema(prototype_function, /, *, mutates_args, op_name: str | None = None) -> str:
    """The schema of a function with annotations.

    Args:
        mutates_args: the names of the arguments that it changes, or `"unknown"`.
        op_name: what stands before the bracket.

    Raises:
        ValueError: an annotation is missing, or is of a kind that schemas do not have.

    Example:
        >>> def scale(x: kuai.Tensor, by: float = 2.0) -> kuai.Tensor: ...
        >>> kuai.library.infer_schema(scale, mutates_args=())
        '(Tensor x, float by=2.0) -> Tensor'
    """
    signature = inspect.signature(prototype_function)
    theirs = getattr(prototype_function, "__globals__", {})
    names = {"Tensor": Tensor, "typing": typing, **theirs}
    hints = typing.get_type_hints(prototype_function, names)

    def fail(what: str):
        text = str(signature)
        for kind in (Tensor, dtype, device):
            text = text.replace(f"{kind.__module__}.{kind.__name__}", f"torch.{kind.__name__}")
        raise ValueError(f"infer_schema(func): {what} Got func with signature {text})")

    parts: list[str] = []
    for number, parameter in enumerate(signature.parameters.values()):
        _check_kind(parameter, hints, fail)
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        kind = hints[parameter.name]
        changed = mutates_args == "unknown" or parameter.name in mutates_args
        parts.append(_parameter(parameter, kind, number if changed else None, fail))
    _check_names(mutates_args, signature, fail)
    if "return" not in hints:
        fail("No return type annotation was provided. Please add one.")
    return f"{op_name or ''}({', '.join(parts)}) -> {_result(hints['return'], fail)}"


def _check_kind(parameter, hints, fail) -> None:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        fail("We do not support positional-only args, varargs, or varkwargs.")
    if parameter.name not in hints:
        fail(f"Parameter {parameter.name} must have a type annotation.")


def _check_names(mutates_args, signature, fail) -> None:
    unknown = set() if mutates_args == "unknown" else set(mutates_args) - set(signature.parameters)
    if unknown:
        fail(
            f"{unknown} in mutates_args were not found in the custom op's signature. mutates_args "
            "should contain the names of all args that the custom op mutates, or just the string "
            "'unknown' if you don't know."
        )


def _parameter(parameter, kind, number: int | None, fail) -> str:
    name = _kind_name(kind)
    if name is None:
        fail(f"Parameter {parameter.name} has unsupported type {kind}.")
    if number is not None and str(name).startswith("Tensor"):
        name = f"Tensor(a{number}!){str(name)[len('Tensor') :]}"
    if parameter.default is parameter.empty:
        return f"{name} {parameter.name}"
    return f"{name} {parameter.name}={_default(parameter, fail)}"


def _default(parameter, fail) -> str:
    value = parameter.default
    if value is None or isinstance(value, (int, float, bool)):
        return str(value)
    if isinstance(value, (str, device)):
        return f'"{value}"'
    if isinstance(value, dtype):
        return str(value).removeprefix("torch.")
    return fail(
        f"Parameter {parameter.name} has an unsupported default value type {type(value)}. Please "
        "file an issue on GitHub so we can prioritize this."
    )


def _kind_name(kind: Any) -> str | None:
    """What a schema calls a type, None if it cannot."""
    if kind in _NAMES:
        return _NAMES[kind]
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _union_name(inner)
    if origin in _SEQUENCES and len(inner) == 1:
        name = _kind_name(inner[0])
        return None if name is None or name.endswith("[]") else f"{name}[]"
    return None


def _union_name(inner: tuple) -> str | None:
    known = set(inner) - {type(None)}
    optional = "?" if type(None) in inner else ""
    if known == {int, float, bool}:
        return f"Scalar{optional}"
    name = _kind_name(known.pop()) if len(known) == 1 else None
    return None if name is None else name + optional


def _result(kind: Any, fail) -> str:
    if kind in (None, type(None)):
        return "()"
    inner = typing.get_args(kind) if typing.get_origin(kind) is tuple else (kind,)
    names = [_kind_name(part) for part in inner]
    for part, name in zip(inner, names, strict=True):
        if name not in _RETURNED:
            fail(f"Return has unsupported type {part}.")
    single = len(inner) == 1 and kind is inner[0]
    return str(names[0]) if single else f"({', '.join(map(str, names))})"
