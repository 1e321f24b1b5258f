"""`kuai.utils._python_dispatch`: modes that are told of PyTorch's own operations, `aten`.

PyTorch has a dispatcher below its tape, which a mode can listen to. Here the tape records Kuai's
operations, so a mode listens where the program calls them, and where a backward pass goes through
the nodes that they have left.
"""

import contextlib
import functools
from typing import Any

from kuai import _ops
from kuai.engine.op.subclasses import DisableTorchFunctionSubclass
from kuai.engine.tensor import modes, overriding
from kuai.library import CustomOpDef
from kuai.overrides import TorchFunctionMode
from kuai.standin.lowering import tell
from kuai.standin.lowering_backward import tell_backward
from kuai.standin.overloads import overload_of

__all__ = ["TorchDispatchMode", "is_traceable_wrapper_subclass"]

_PACKETS: dict[Any, _ops.OpOverloadPacket] = {}


class TorchDispatchMode(TorchFunctionMode):
    """A context in which `__torch_dispatch__` answers for PyTorch's own operations.

    Inside of `__torch_dispatch__` the mode is off, so that it can call the operation.

    Example:
        >>> class Printing(TorchDispatchMode):
        ...     def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        ...         print(func)
        ...         return func(*args, **(kwargs or {}))
        >>> with Printing():
        ...     y = kuai.nn.functional.linear(kuai.ones(1, 2), kuai.ones(3, 2)) + 1
        aten.ones.default
        aten.ones.default
        aten.t.default
        aten.mm.default
        aten.add.Tensor

    Differs from PyTorch: its result is what the tape records. What PyTorch makes of several
    operations is taken apart for the most common ones; others are told under their own name. Of a
    backward pass it is told what products, convolutions, attention, activations, usual losses,
    arithmetic, sums and views are made of; of other steps, of gradients that are added up, and of
    one that is itself recorded (`create_graph=True`) it is not.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return tell(_Teller(self, types), func, args, kwargs or {})

    def __enter__(self):
        # below the modes for functions, as PyTorch has it: those are asked first
        on = modes.state.function_modes
        below = tuple(mode for mode in on if isinstance(mode, TorchDispatchMode))
        modes.state.function_modes = (*below, self, *on[len(below) :])
        overriding.ACTIVE.append(type(self).__qualname__)
        return self

    def __exit__(self, *_):
        on = list(modes.state.function_modes)
        del on[len(on) - 1 - on[::-1].index(self)]
        modes.state.function_modes = tuple(on)
        overriding.ACTIVE.remove(type(self).__qualname__)


class _Teller:
    """Asks a mode for the result of one operation."""

    def __init__(self, mode: TorchDispatchMode, types: Any):
        self._mode, self._types = mode, types

    def __call__(self, name: str, *args: Any, function: Any = None, **kwargs: Any) -> Any:
        operation = _overload(name, args, kwargs, function)
        result = self._mode.__torch_dispatch__(operation, self._types, args, kwargs)
        if result is NotImplemented:
            raise TypeError(
                f"Multiple dispatch failed for '{operation}'; all __torch_dispatch__ handlers "
                f"returned NotImplemented:\n\n  - mode object {self._mode}"
            )
        return result


def ask_class(function: Any, args: tuple, kwargs: dict) -> Any:
    """The answer of an argument's class that has a `__torch_dispatch__`."""
    found = overriding.relevant((*args, *kwargs.values()))
    types = tuple([type(each) for each in found])
    kind = next(each for each in types if overriding.dispatches(each))
    if not _leaves_functions(kind):
        first = next(each for each in found if type(each) is kind)
        return first.__torch_function__(function, types, args, kwargs)
    with DisableTorchFunctionSubclass():
        return tell(_ClassTeller(kind, types), function, args, kwargs)


def _leaves_functions(kind: type) -> bool:
    """Whether a class has no `__torch_function__` of its own."""
    theirs = [vars(base) for base in kind.__mro__ if not base.__module__.startswith("kuai.")]
    off = overriding.disabled
    return all(names.get("__torch_function__", off) is off for names in theirs)


class _ClassTeller:
    """Asks a class for the result of one operation."""

    def __init__(self, kind: Any, types: tuple):
        self._kind, self._types = kind, types

    def __call__(self, name: str, *args: Any, function: Any = None, **kwargs: Any) -> Any:
        operation, state = _overload(name, args, kwargs, function), modes.state
        before, state.overriding_off = state.overriding_off, 0
        try:
            if not overriding.relevant((*args, *kwargs.values())):
                return operation(*args, **kwargs)
            return self._kind.__torch_dispatch__(operation, self._types, args, kwargs)
        finally:
            state.overriding_off = before


def answers_backward() -> Any:
    """What gives the gradients of a node where a mode is on: a function, or None."""
    mode = _get_current_dispatch_mode()
    return None if mode is None else functools.partial(_ask_of_backward, mode)


def _ask_of_backward(mode: TorchDispatchMode, node: Any, gradients: list) -> list | None:
    on = modes.state.function_modes
    modes.state.function_modes = on[: on.index(mode)] if mode in on else on
    try:
        return tell_backward(_Teller(mode, ()), node, gradients)
    finally:
        modes.state.function_modes = on


def _overload(name: str, args: tuple, kwargs: dict, function: Any) -> _ops.OpOverload:
    if isinstance(function, CustomOpDef):
        return function._opoverload
    name, _, overload = name.partition(".")
    try:
        packet = getattr(_ops.namespace("aten"), name)
    except AttributeError:
        packet = _PACKETS.get(name)
        if packet is None:
            packet = _PACKETS[name] = _ops.OpOverloadPacket(function, name)
    return getattr(packet, overload or overload_of(name, args, kwargs))


def _get_current_dispatch_mode() -> TorchDispatchMode | None:
    """The innermost mode that is on."""
    on = [mode for mode in modes.state.function_modes if isinstance(mode, TorchDispatchMode)]
    return on[-1] if on else None


@contextlib.contextmanager
def _disable_current_modes():
    """A context without the modes that are on, which it gives."""
    before = modes.state.function_modes
    off = [mode for mode in before if isinstance(mode, TorchDispatchMode)]
    modes.state.function_modes = before[len(off) :]
    try:
        yield off
    finally:
        modes.state.function_modes = before


def is_traceable_wrapper_subclass(t: object) -> bool:
    """Whether it is a tensor made of tensors: no."""
    return False


def return_and_correct_aliasing(func: Any, args: Any, kwargs: Any, out: Any) -> Any:
    """The result itself."""
    return out
