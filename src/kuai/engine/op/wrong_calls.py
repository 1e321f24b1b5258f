"""What is raised where a call does not fit a signature: PyTorch's texts, the signature below."""

import importlib
import inspect
from collections.abc import Callable

from kuai.engine.op.registry import REGISTRY
from kuai.engine.tensor.frames import tell

__all__ = [
    "explain",
    "fault_of",
    "refuse_keywords",
    "refuse_no_sizes",
    "refuse_plain_type",
    "refuse_types",
    "wrong_call",
    "wrong_plain_type",
]

_P = inspect.Parameter
_BY_POSITION = (_P.POSITIONAL_ONLY, _P.POSITIONAL_OR_KEYWORD)


def wrong_call(name: str, signature: inspect.Signature, args: tuple, kwargs: dict) -> TypeError:
    """The error for a call that a signature does not accept.

    Example:
        >>> wrong_call("f", inspect.signature(lambda a: a), (1,), {"c": 2})
        TypeError("f() got an unexpected keyword argument 'c'")
        >>> wrong_call("f", inspect.signature(lambda a, b: a), (), {})
        TypeError('f() missing 2 required positional argument: "a", "b"')
    """
    error = TypeError(f"{name}() {fault_of(list(signature.parameters.values()), args, kwargs)}")
    error.add_note(f"the signature is {name}({_shown(signature)})")
    return error


def explain(error: TypeError, public: Callable, args: tuple, kwargs: dict) -> None:
    """Let Python's own error for a call say what `wrong_call` says.

    Functions of `nn.functional` that are no methods are written in Python in PyTorch, too, and keep
    Python's text.
    """
    name = REGISTRY.name_of(public)
    told = wrong_call(name, inspect.signature(public), args, kwargs)
    if name in REGISTRY.functions or name in REGISTRY.methods:
        error.args = told.args
    error.add_note(*told.__notes__)
    tell(error)


def fault_of(parameters: list[inspect.Parameter], args: tuple, kwargs: dict) -> str:
    """What of a call does not fit a function's parameters."""
    by_position = [p for p in parameters if p.kind in _BY_POSITION]
    if len(args) > len(by_position) and _P.VAR_POSITIONAL not in [p.kind for p in parameters]:
        return _too_many(by_position, len(args))
    taken = {p.name for p in by_position[: len(args)]}
    if twice := [name for name in kwargs if name in taken]:
        return f"got multiple values for argument '{twice[0]}'"
    given_each = (*_BY_POSITION, _P.KEYWORD_ONLY)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind in given_each]
    if missing := [f'"{name}"' for name in needed if name not in taken and name not in kwargs]:
        plural = "s" if len(missing) == 1 else ""  # as PyTorch has it
        return f"missing {len(missing)} required positional argument{plural}: {', '.join(missing)}"
    known = {p.name for p in parameters}
    unknown = next((name for name in kwargs if name not in known), "")
    return f"got an unexpected keyword argument '{unknown}'"


def _too_many(by_position: list[inspect.Parameter], given: int) -> str:
    most, least = len(by_position), sum(p.default is p.empty for p in by_position)
    if most != least:
        return f"takes from {least} to {most} positional arguments but {given} were given"
    plural, were = ("" if most == 1 else "s"), ("was" if given == 1 else "were")
    return f"takes {most} positional argument{plural} but {given} {were} given"


def _shown(signature: inspect.Signature) -> str:
    """The parameters without what Kuai alone says about them."""
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=signature.empty))[1:-1]


def refuse_no_sizes(name: str, parameter: str) -> None:
    """Raise the error for a call like `x.expand()`."""
    raise TypeError(f'{name}() missing 1 required positional arguments: "{parameter}"')


def refuse_keywords(function: Callable, keywords: dict, *known: str) -> None:
    """Raise an error for the first of a function's other keywords that is not known."""
    for name in keywords:
        if name not in known:
            raise TypeError(f"{function.__name__}() got an unexpected keyword argument '{name}'")


#: Errors that speak of shapes and values: the types have been right.
_OF_VALUES = (RuntimeError, IndexError, NotImplementedError)


def refuse_types(error: Exception, public: Callable, args: tuple, kwargs: dict) -> None:
    """Let the error of a user's call be PyTorch's, if types of its arguments are wrong."""
    is_for_truth = str(error).startswith("Boolean value of Tensor")  # given for a bool or an int
    if is_for_truth or not isinstance(error, _OF_VALUES):
        # a file that nobody needs who makes no mistakes
        types = importlib.import_module("kuai.engine.op.argument_types")
        types.refuse(error, public, args, kwargs)


def wrong_plain_type(public: Callable, names: tuple, args: tuple, kwargs: dict) -> str:
    """What is said of a number or the like given for an argument of another type."""
    types = importlib.import_module("kuai.engine.op.plain_types")  # as above
    return types.wrong_plain_type(public, names, args, kwargs)


def refuse_plain_type(text: str) -> None:
    """Raise the error, if it was a user who called."""
    if importlib.import_module("kuai.engine.op.plain_types").is_users_call():
        raise TypeError(text)
