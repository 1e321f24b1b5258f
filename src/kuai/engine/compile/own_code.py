"""Code of Kuai's own classes: what the layers above describe holds for it, and for nothing else.

A layer's `forward` or an optimizer's `step` can be replaced in the class by anybody, and stays
replaced. So can what such code calls by its name, such as `nn.functional.linear` or a method of
tensors. So what is described is looked at first: it must be Kuai's, and is watched.
"""

import functools
import sys
import types
from typing import Any

from kuai.engine.compile.knowledge import Refused
from kuai.engine.tensor import Tensor

__all__ = ["is_own", "watch_classes", "watch_method_of_tensors", "watch_names", "watch_own"]

# what makes and shows an object, and is not run by what is described
_NEVER_RUN = frozenset(["__init__", "__init_subclass__", "__repr__", "__doc__", "extra_repr"])
_CODE = (staticmethod, property)
# what is written in C, and what is no code: nobody can have put something of his own there
_OF_PYTHON = (types.WrapperDescriptorType, types.GetSetDescriptorType, types.NoneType)
_OF_PYTHON += (bool, int, str)
_LIBRARIES = (sys.stdlib_module_names | {"kuai", "jax", "jaxlib", "numpy"}) - {"unittest"}
_MEMOISED = type(functools.lru_cache(len))


def is_own(function) -> bool:
    """Whether the code of a function, or of a property, was written in Kuai."""
    if type(function) is property:
        function = function.fget
    if type(function) is types.FunctionType:
        return str(function.__globals__.get("__name__", "")).startswith("kuai.")
    return False


def watch_own(prover, kind, names) -> None:
    """Watch some methods of one of Kuai's classes, or of a class that inherits from one.

    Raises:
        Refused: somebody has replaced one of them.
    """
    for name in names:
        prover.watch.attribute(kind, name)
        if not is_own(getattr(kind, name)):
            raise Refused(f"{name} of {kind.__name__}, which somebody has replaced")


def watch_method_of_tensors(watch, name) -> None:
    """Watch a method or property of tensors.

    Raises:
        Refused: somebody has replaced it.
    """
    watch.attribute(Tensor, name)
    found = getattr(Tensor, name, None)
    if not is_own(found) and type(found) not in _OF_PYTHON:
        raise Refused(f"{name} of a tensor, which somebody has replaced")


def watch_classes(prover, kinds) -> None:
    """Watch all that stands in some classes, of which the code has to be Kuai's own.

    Raises:
        Refused: somebody has replaced a method.
    """
    for kind in kinds:
        prover.watch.code(kind)
        for name, thing in vars(kind).items():
            is_code = callable(thing) or type(thing) in _CODE
            # classes, and class methods that make instances, are not run by an instance's methods
            if is_code and name not in _NEVER_RUN and not isinstance(thing, (classmethod, type)):
                if not is_own(getattr(kind, name)):
                    raise Refused(f"{name} of {kind.__name__}, which somebody has replaced")


def watch_names(prover, kind, name) -> None:
    """Watch what a method finds by its name in the modules of Kuai that programs see, and in
    tensors; and what other methods of the class do that it calls, and functions of its module.

    Raises:
        Refused: somebody has replaced it.
    """
    seen, stack = set(), [getattr(kind, name)]
    while stack:
        function = _function_of(stack.pop())
        if not is_own(function) or function.__code__ in seen or _is_below(function):
            continue
        seen.add(function.__code__)
        names, there = _names_in(function.__code__), function.__globals__
        stack += [vars(c)[n] for n in names for c in kind.__mro__ if n in vars(c)]
        stack += _watch_entries(prover.watch, there, names)
        for module in [there[n] for n in names if type(there.get(n)) is types.ModuleType]:
            if module.__name__.startswith("kuai."):
                _watch_entries(prover.watch, vars(module), names)
        for name in names:
            if name[0] != "_" and hasattr(Tensor, name):
                watch_method_of_tensors(prover.watch, name)


def _function_of(thing) -> Any:
    """The function of a property or of a static method, or what was given."""
    return thing.fget if type(thing) is property else getattr(thing, "__func__", thing)


def _is_below(function) -> bool:
    """Whether a function is of the rooms that no program sees."""
    return function.__globals__["__name__"].split(".")[1] in ("engine", "ops")


def _watch_entries(watch, mapping, names) -> list:
    """Watch what a module has under some of the names; it is returned."""
    names = [name for name in names if name in mapping]
    watch.entries(mapping, names)
    for name in names:
        if callable(mapping[name]) and not _is_of_a_library(mapping[name]):
            raise Refused(f"{name} of {mapping['__name__']}, which somebody has replaced")
    return [mapping[name] for name in names]


def _is_of_a_library(thing) -> bool:
    """Whether something that is called was written in Kuai, or in what Kuai is made of."""
    if isinstance(thing, types.FunctionType):
        name = thing.__globals__.get("__name__", "")
    elif type(thing) is functools.partial:
        return _is_of_a_library(thing.func)
    elif type(thing) is _MEMOISED:
        return _is_of_a_library(thing.__wrapped__)
    else:
        name = (thing if isinstance(thing, type) else type(thing)).__module__
    return name.partition(".")[0] in _LIBRARIES


@functools.lru_cache(maxsize=1024)
def _names_in(code) -> frozenset:
    """The names that some code, or code inside of it, finds outside of itself."""
    inner = [each for each in code.co_consts if isinstance(each, types.CodeType)]
    return frozenset(code.co_names).union(*map(_names_in, inner))
