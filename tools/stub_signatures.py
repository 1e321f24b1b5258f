"""Functions and methods as a stub file writes them."""

import inspect
import typing
from collections.abc import Callable
from typing import Any

from kuai.engine.op import REGISTRY
from kuai.engine.tensor import Tensor
from tools.stub_overloads import REST, Cases
from tools.stub_types import Types

_PLAIN = (type(None), bool, int, float, str)
P = inspect.Parameter
_SCOPES = (REGISTRY.functions, REGISTRY.functional, REGISTRY.methods, *REGISTRY.modules.values())
_OPERATIONS = {id(public) for scope in _SCOPES for public in scope.values()}
_FUNCTIONS = {
    id(public)
    for scope in (REGISTRY.functions, *REGISTRY.modules.values())
    for name, public in scope.items()
    if not name.endswith("_")
}


def function(name: str, public: Callable, types: Types, cases: Cases | None = None) -> list[str]:
    """The lines of a function: one, or its cases."""
    return _lines(name, public, types, cases or [REST], is_method=False)


def method(
    name: str,
    public: Callable,
    types: Types,
    cases: Cases | None = None,
    result: str | None = None,
) -> list[str]:
    """The lines of a method of `Tensor`; `result` where its function does not say."""
    lines = _lines(name, public, types, cases or [REST], is_method=True, result=result)
    return [f"    {line}" for line in lines]


def summary(thing: Any) -> str:
    """The first line of a docstring, as the body of a stub."""
    first = (inspect.getdoc(thing) or "").partition("\n")[0].replace("\\", "\\\\")
    return f'"""{first}"""' if first and '"' not in first else "..."


def _lines(name, public, types, cases, is_method, result=None):
    parameters = _known(public, is_method)
    first = "self" if is_method else f"{next((p.name for p in parameters), '')}: Any"
    found = []
    for text, gives in cases:
        if (text, gives) != REST:
            found.append((", ".join(part for part in (first, text) if part), gives))
            continue
        gives = "Any" if len(cases) > 1 else result or _result(public, types)
        ways = [parameters] if len(cases) > 1 else _ways(public, parameters)
        found += [(_written(public, way, types, is_method), gives) for way in ways]
    overload = ["@overload"] if len(found) > 1 else []
    lines = [[*overload, f"def {name}({t}) -> {g}: {summary(public)}"] for t, g in found]
    return [line for part in lines for line in part]


def _known(public, is_method):
    """The parameters, with `out` and `generator` where an operation takes them unsaid."""
    found = list(inspect.signature(public).parameters.values())
    operation = getattr(public, "operation", None)
    unsaid = ["generator"] if getattr(operation, "random", False) else []
    if not is_method and id(public) in _FUNCTIONS:
        unsaid.append("out")
    added = [P(n, P.KEYWORD_ONLY, default=None) for n in unsaid if n not in [p.name for p in found]]
    return [*found, *added]


def _ways(public, parameters):
    """A call with `*dims`, and one with `dims=`, which every operation understands."""
    starred = [p for p in parameters if p.kind is P.VAR_POSITIONAL and p.name != "args"]
    if not starred or id(public) not in _OPERATIONS or len(parameters) == 1:
        return [parameters]
    by_name = [p.replace(kind=P.POSITIONAL_OR_KEYWORD) if p in starred else p for p in parameters]
    return [parameters, by_name]


def _written(public, parameters, types, is_method):
    hints = _hints(public)
    parts, starred = [], False
    for number, parameter in enumerate(parameters):
        if is_method and number == 0:
            parts.append("self")
            continue
        if parameter.kind is P.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        starred = starred or parameter.kind is P.VAR_POSITIONAL
        parts.append(_parameter(parameter, hints, types))
    return ", ".join(parts)


def _parameter(parameter, hints, types):
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
    text = stars.get(parameter.kind, "") + parameter.name
    kind = types.parameter(hints.get(parameter.name, Any))
    if parameter.default is None and kind != "Any" and "None" not in kind:
        kind += " | None"
    text += f": {kind}"
    if parameter.default is parameter.empty:
        return text
    plain = type(parameter.default) in _PLAIN and parameter.default == parameter.default
    return f"{text} = {parameter.default!r}" if plain and _is_short(parameter) else f"{text} = ..."


def _is_short(parameter):
    return repr(parameter.default) not in ("inf", "-inf") and len(repr(parameter.default)) < 30


def _hints(public):
    public = inspect.unwrap(public)
    try:
        return typing.get_type_hints(getattr(public, "pure", public))
    except NameError:  # a name that only a type checker imports
        return {}


def _result(public, types):
    """What a function gives: what it says, and where an operation says nothing, a tensor."""
    operation = getattr(public, "operation", None)
    if operation is not None and operation.result is not None:
        return types.result(operation.result)
    hints = _hints(public)
    if "return" in hints:
        return types.result(hints["return"])
    return types.result(Tensor if id(public) in _OPERATIONS else Any)
