"""`__torch_function__`: types that say for themselves what an operation on them is.

PyTorch asks every argument of every operation. Nearly no program has such a type, so here an
operation asks only where `ACTIVE` says that there is one: a subclass of Tensor has been made, a
mode is on, or a foreign type was seen in a call that could do nothing with it. Until then it costs
a look at an empty list.

The order is PyTorch's: modes, the innermost first; then subclasses before their bases, and from
left to right; who answers `NotImplemented` passes the question on.
"""

import importlib
from typing import Any

from kuai.engine.tensor import modes

__all__ = [
    "ACTIVE",
    "NOBODY",
    "PLAIN",
    "UNANSWERED",
    "ask",
    "disabled",
    "discover",
    "dispatch",
    "is_of_the_real_torch",
    "named",
    "overrides",
    "relevant",
    "told_of_backward",
]

#: Why operations ask: names of classes and modes. It is looked at for being empty.
ACTIVE: list[str] = []
#: What `ask` gives where the operation is to run as usual.
NOBODY: Any = object()
#: What `modes.state.overriding_off` may be besides 0: arguments are not asked; nor are modes.
ARGUMENTS, EVERYTHING = 1, 2
#: How the text begins that says so where nobody has an answer.
UNANSWERED = "Multiple dispatch failed"
#: Types that have been looked at, and do not override.
PLAIN: set[type] = {int, float, bool, complex, str, tuple, list, type(None)}


def disabled(func, types, args=(), kwargs=None):
    """The `__torch_function__` of a class that does not override: run the operation."""
    return func(*args, **(kwargs or {}))


def overrides(kind: type) -> bool:
    """Whether a type has a `__torch_function__` of its own."""
    if kind in PLAIN:
        return False
    method = getattr(kind, "__torch_function__", None)
    if dispatches(kind):
        return True
    if method is not None and method is not disabled and not is_of_the_real_torch(kind):
        return True
    PLAIN.add(kind)
    return False


def dispatches(kind: type) -> bool:
    """Whether a type has a `__torch_dispatch__`: it is told of operations below functions."""
    method = getattr(kind, "__torch_dispatch__", None)
    return method is not None and method is not disabled and not is_of_the_real_torch(kind)


def is_of_the_real_torch(kind: type) -> bool:
    """Whether a type is PyTorch's own, or made of one: it knows nothing of Kuai's operations."""
    return any(base.__module__.partition(".")[0] == "torch" for base in kind.__mro__)


def named(kind: type) -> str:
    """What an error calls a type; one of PyTorch's own with the way to Kuai's."""
    if is_of_the_real_torch(kind):
        return f"PyTorch's own {kind.__name__} (kuai.from_torch makes Kuai's of it)"
    place, _, _ = kind.__module__.partition(".")
    if place == __name__.partition(".")[0]:
        return _NAMES.get(kind.__name__, kind.__name__)
    return f"numpy.{kind.__name__}" if kind.__module__ == "numpy" else kind.__name__


#: What PyTorch's errors call types that are written in C++ there, and have their path in the name.
_NAMES = {
    name: f"torch.{name}"
    for name in ("dtype", "device", "Size", "layout", "memory_format", "finfo", "iinfo")
} | {"Generator": "torch._C.Generator", "UntypedStorage": "torch.storage.UntypedStorage"}


def relevant(arguments) -> list:
    """The arguments whose types override, in the order in which they are asked."""
    found: list[Any] = []
    for argument in arguments:
        kind = type(argument)
        if kind is tuple or kind is list:
            for item in argument:
                _insert(found, item)
        else:
            _insert(found, argument)
    return found


def _insert(found, argument):
    kind = type(argument)
    if kind in PLAIN or not overrides(kind) or any(type(other) is kind for other in found):
        return
    place = next((i for i, o in enumerate(found) if issubclass(kind, type(o))), len(found))
    found.insert(place, argument)


def passes_over() -> bool:
    """Whether this is the one question that is answered with no; the next one is not."""
    passed, modes.state.passed_over = modes.state.passed_over, False
    return passed


def ask(public, args, kwargs):
    """What the modes and arguments of a call say its result is; NOBODY if none overrides."""
    state = modes.state
    if passes_over():
        return NOBODY
    if state.function_modes and state.overriding_off < EVERYTHING:
        return _ask_mode(public, args, kwargs)
    if state.overriding_off:
        return NOBODY
    found = relevant((*args, *kwargs.values()) if kwargs else args)
    return dispatch(public, found, args, kwargs) if found else NOBODY


def discover(public, args, kwargs):
    """The same for a call that failed: from now on operations ask, if the reason is such a type."""
    if modes.state.overriding_off:
        return NOBODY
    found = relevant((*args, *kwargs.values()))
    if not found:
        return NOBODY
    ACTIVE.extend(type(argument).__qualname__ for argument in found)
    return dispatch(public, found, args, kwargs)


def _ask_mode(public, args, kwargs):
    state = modes.state
    *outer, mode = before = state.function_modes
    state.function_modes = tuple(outer)
    types = tuple(map(type, relevant((*args, *kwargs.values()))))
    try:
        result = mode.__torch_function__(public, types, args, kwargs)
    finally:
        state.function_modes = before
    if result is NotImplemented:
        raise _nobody(public, [mode])
    return result


def dispatch(public, found, args, kwargs):
    """Ask each of the arguments that override; the first answer counts."""
    if (as_told := getattr(public, "as_told", None)) is not None:
        args = as_told(args)
    types = tuple(map(type, found))
    for argument in found:
        asked = _below if dispatches(type(argument)) else argument.__torch_function__
        result = asked(public, types, tuple(args), kwargs)
        if result is not NotImplemented:
            return result
    raise _nobody(public, found)


def _below(public, types, args, kwargs):
    """Ask the `__torch_dispatch__` of the first argument's type that has one."""
    return importlib.import_module("kuai.utils._python_dispatch").ask_class(public, args, kwargs)


def told_of_backward():
    """Who answers for the steps of a backward pass: a dispatch mode that is on; None if none is."""
    if not modes.state.function_modes:
        return None
    return importlib.import_module("kuai.utils._python_dispatch").answers_backward()


def _listed(kinds):
    return f"subclass {kinds[0]}" if len(kinds) == 1 else f"subclasses {kinds}"


def _nobody(public, asked):
    name = getattr(public, "__name__", repr(public))
    kinds = [type(argument) for argument in asked]
    return TypeError(
        f"{UNANSWERED} for 'torch.{name}'; all __torch_function__ handlers returned "
        f"NotImplemented:\n\n  - tensor {_listed(kinds)}\n\nFor more information, try re-running "
        "with TORCH_LOGS=not_implemented"
    )
