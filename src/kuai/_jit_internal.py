"""`kuai._jit_internal`: PyTorch's file of what its compiler for scripts reads in code."""

import typing
from collections.abc import Callable
from typing import Any, Dict, Final, List, Optional, Tuple, Union  # noqa: UP035, F401 - looked for

from kuai.jit import (
    _drop as _drop,
    _overload as _overload,
    _overload_method as _overload_method,
    export as export,
    ignore as ignore,
    is_scripting as is_scripting,
    unused as unused,
)
from kuai.jit.annotations import (
    BroadcastingList1 as BroadcastingList1,
    BroadcastingList2 as BroadcastingList2,
    BroadcastingList3 as BroadcastingList3,
    Future as Future,
)

__all__: list[str] = []


def boolean_dispatch(
    arg_name: str,
    arg_index: int,
    default: bool,
    if_true: Callable,
    if_false: Callable,
    module_name: str,
    func_name: str,
) -> Callable:
    """One of two functions, chosen by an argument at each call.

    Example:
        >>> from kuai._jit_internal import boolean_dispatch
        >>> choose = boolean_dispatch("up", 1, False, lambda x, up=False: x + 1,
        ...                           lambda x, up=False: x - 1, "m", "choose")
        >>> choose(1), choose(1, True), choose(1, up=True)
        (0, 2, 2)
    """

    def chosen(*args: Any, **kwargs: Any) -> Any:
        told = args[arg_index] if len(args) > arg_index else kwargs.get(arg_name, default)
        return (if_true if told else if_false)(*args, **kwargs)

    chosen.__doc__ = if_true.__doc__ or if_false.__doc__
    chosen.__module__, chosen.__name__ = module_name, func_name
    return chosen


def is_tuple(ann: Any) -> bool:
    """Whether an annotation is of tuples."""
    return ann is Tuple or typing.get_origin(ann) is tuple  # noqa: UP006


def is_list(ann: Any) -> bool:
    """Whether an annotation is of lists."""
    return ann is List or typing.get_origin(ann) is list  # noqa: UP006


def is_dict(ann: Any) -> bool:
    """Whether an annotation is of dicts."""
    return ann is Dict or typing.get_origin(ann) is dict  # noqa: UP006


def is_optional(ann: Any) -> bool:
    """Whether an annotation has None in it."""
    return ann is Optional or type(None) in typing.get_args(ann)


def is_final(ann: Any) -> bool:
    """Whether an annotation is of constants."""
    return ann is Final or typing.get_origin(ann) is Final


def _qualified_name(obj: Any, mangle_name: bool = True) -> str:
    """Where a class or function is defined, and its name."""
    return f"__torch__.{obj.__module__}.{obj.__name__}"
