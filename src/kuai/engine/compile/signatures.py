"""Signatures: what calls have to have in common to be the same call.

The modes of the thread, the types of the tensors among the arguments, plain arguments by value,
objects by identity, and how they are nested. Whoever keeps a signature has to forget it when one of
the objects goes (see `replays`): another may get its number.
"""

import sys

from kuai.engine.compile.abstract_values import is_named_tuple, is_plain
from kuai.engine.tensor import Tensor, attributes, devices, dtypes, modes, views
from kuai.engine.tensor.placeholder import Placeholder, array_type
from kuai.engine.tensor.storage import Storage
from kuai.engine.tensor.warning_once import is_always

__all__ = ["is_readable", "nests_in", "signature"]

_monitoring = getattr(sys, "monitoring", None)  # from Python 3.12 on
_STATE = frozenset(["_storage", *[name for name in vars(Tensor) if name[0] == "_"]])


def signature(roots, args, kwargs):
    """A key, or None, and the tensors among the arguments."""
    state = modes.state
    if state.block is not None or state.level is not None or state.skip_updates is not None:
        return None, []
    if state.function_modes or state.overriding_off or state.around is not None:
        return None, []
    if _is_observed():
        return None, []
    tensors: list = []
    key = [
        id(roots.now()), state.grad_enabled, state.inference, state.autocast, state.transforms,
        dtypes.default_float_jax(), devices.get_default_device(), is_always(),
    ]  # fmt: skip
    try:
        key += [_part(argument, tensors) for argument in args]
        if kwargs:
            key += [(name, _part(argument, tensors)) for name, argument in kwargs.items()]
    except _None:
        return None, []
    return tuple(key), tensors


def _is_observed() -> bool:
    """Whether a debugger, profiler or coverage sees lines and calls: then they have to run."""
    if sys.gettrace() is not None or sys.getprofile() is not None:
        return True
    return _monitoring is not None and any(map(_monitoring.get_tool, range(6)))


def nests_in(argument):
    """All tuples, lists and dicts in an argument, which may be one itself."""
    kind = type(argument)
    if kind not in (tuple, list, dict) and not is_named_tuple(kind):
        return
    yield argument
    for part in argument.values() if kind is dict else argument:
        yield from nests_in(part)


class _None(Exception):
    """A call has no signature."""


def _part(argument, tensors):
    """What stands for an argument."""
    kind = type(argument)
    if kind is Tensor:
        if not is_readable(argument):
            raise _None
        tensors.append(argument)
        held = views.held(argument)
        if type(held) is Placeholder and held.record is not None:
            raise _None
        kind = held.type if type(held) is Placeholder else array_type(held)
        if argument._steps is not None:
            return kind, argument._base.shape, views.split(argument._steps)[0]
        return kind if type(argument._storage) is Storage else (kind, type(argument._storage))
    if kind is tuple or kind is list:
        return kind, *[_part(each, tensors) for each in argument]
    if kind is dict:
        names = tuple([_name(name) for name in argument if is_plain(name)])
        if len(names) < len(argument):
            raise _None
        return kind, names, *[_part(each, tensors) for each in argument.values()]
    if issubclass(kind, Tensor):
        raise _None
    if issubclass(kind, tuple) and is_named_tuple(kind):
        return kind, *[_part(each, tensors) for each in argument]
    if not is_plain(argument):
        return kind, id(argument)
    return kind, repr(argument)  # which tells 1 from 1.0 and True, and 0.0 from -0.0, inside too


def _name(key):
    """What stands for a key of a dict."""
    return key if type(key) is str else (type(key), repr(key))


def is_readable(tensor) -> bool:
    """Whether a tensor is nothing but a storage or a view of one, which has no more either: no
    history, no gradient, no hooks."""
    if tensor._steps is None:
        return tensor._base is None and _is_without_graph(tensor)
    base = tensor._base
    return (
        type(tensor._storage) is Storage  # memory that others write to is read anew each time
        and _is_without_graph(tensor)
        and type(base) is Tensor
        and base._steps is None
        and _is_without_graph(base)
    )


def _is_without_graph(tensor) -> bool:
    return (
        tensor._node is None
        and tensor._grad is None
        and not tensor._requires_grad
        and tensor._hooked is None
        and not tensor._retains_grad
        and (len(own := attributes.own(tensor)) == 1 or own.keys() <= _STATE)  # may hide methods
    )
