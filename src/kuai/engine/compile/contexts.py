"""Contexts that the prover knows: what may stand after `with` (see `proof`).

They change the modes of the thread, which are part of a call's signature, and nothing else.
"""

import ast
import contextlib
import types

from kuai.engine.compile.abstract_values import Known
from kuai.engine.compile.own_code import watch_own
from kuai.engine.op.autocast import autocast
from kuai.engine.tensor import modes

__all__ = ["is_known"]

_WITHOUT_ARGUMENTS = (modes.no_grad, modes.enable_grad, contextlib.nullcontext)
_WITH_A_MODE = (modes.set_grad_enabled, modes.inference_mode)


def is_known(frame, node) -> bool:
    """Whether an expression in a frame makes, or is, one of the contexts that are known."""
    if not isinstance(node, ast.Call):
        return _is_made(frame, frame.value(node))
    made = frame.value(node.func)
    row = [frame.plain(each) for each in frame._row(node.args)]
    named = {name: frame.plain(each) for name, each in frame._keywords(node.keywords).items()}
    if not isinstance(made, Known):
        return False
    kind = made.value
    _watch_class(frame, kind)
    if kind is autocast:  # without a dtype, what is set elsewhere decides
        return len(row) > 1 or named.get("dtype") is not None
    if type(kind) is types.MethodType and kind.__func__ in _CLONING:  # functions decorated with it
        return not row and not named and _is_cloned(frame, kind.__self__)
    if kind is modes.inference_mode and not row and not named:
        return True
    wanted = 1 if any(kind is each for each in _WITH_A_MODE) else 0
    return len(row) + len(named) == wanted and any(
        kind is each for each in (*_WITHOUT_ARGUMENTS, *_WITH_A_MODE)
    )


def _watch_class(frame, kind) -> None:
    """Watch what is run when the block is entered and left."""
    if any(kind is each for each in _OWN):
        watch_own(frame.prover, kind, ("__init__", "__enter__", "__exit__"))


_OWN = (*[kind for kind in _WITHOUT_ARGUMENTS if kind is not contextlib.nullcontext], autocast)
_OWN += _WITH_A_MODE
_CLONING = tuple(vars(kind)["clone"] for kind in (modes._Mode, *_WITH_A_MODE))


def _is_cloned(frame, thing) -> bool:
    """Whether a new context like the one a function was decorated with is known."""
    if type(thing) is modes.set_grad_enabled:
        frame.watch.entries(vars(thing), ["mode"])
        return True
    return _is_made(frame, Known(thing))


def _is_made(frame, value) -> bool:
    """Whether a value is a context that was made before; what it was made with is watched."""
    if not isinstance(value, Known):
        return False
    thing, kind = value.value, type(value.value)
    _watch_class(frame, kind)
    if kind in _WITHOUT_ARGUMENTS:
        return True
    if kind is modes.inference_mode:
        frame.watch.entries(vars(thing), ["mode"])
        return True
    if kind is autocast:
        frame.watch.entries(vars(thing), ["device", "fast_dtype", "_enabled"])
        return True
    return False
