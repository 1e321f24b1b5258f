"""Other ways to say the same argument: NumPy's names, `dims=(0, 1)` for `*dims`, and `out=`.

PyTorch takes them wherever an operation has a parameter of that name. Here they are looked up when
a call says a name that the function has not, so a call by PyTorch's own names pays one comparison.
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from kuai.engine.op.old_orders import reordered
from kuai.engine.op.wrong_calls import (
    explain,
    refuse_no_sizes,
    refuse_plain_type,
    refuse_types,
    wrong_plain_type,
)
from kuai.engine.tensor import overriding
from kuai.engine.tensor.frames import fold
from kuai.engine.tensor.overriding import ACTIVE, NOBODY, PLAIN

__all__ = ["respelled", "spelled", "spellings"]

#: A parameter's name, and its other names: first NumPy's, then those that PyTorch itself has for
#: one of several functions or ways to call that are one here.
_OTHERS = {
    "dim": ("axis",),
    "keepdim": ("keepdims",),
    "input": ("x", "a", "x1"),
    "other": ("x2",),
    "A": ("x", "a", "x1", "input"),
    "x": ("a", "x1", "input"),
    "self": ("input",),
    "tensor": ("input",),
    "src": ("x2", "other"),
    "dim0": ("axis0",),
    "dim1": ("axis1",),
    "elements": ("element",),
    "test_elements": ("test_element",),
    "shape": ("size",),
    "sizes": ("size",),
    "split_size_or_sections": ("split_size",),
    "indices_or_sections": ("indices", "sections", "tensor_indices_or_sections"),
}

_MOST_VERDICTS = 256

#: What PyTorch calls a parameter with a star, of which it wants one at least.
_SIZES = {"size": "size", "sizes": "size", "dims": "dims", "repeats": "repeats"}


def spellings(names: Iterable[str]) -> dict[str, str]:
    """Other names for parameters, and the parameters they stand for.

    Example:
        >>> spellings(["input", "dim"])
        {'x': 'input', 'a': 'input', 'x1': 'input', 'axis': 'dim'}
    """
    names = tuple(names)
    found = {other: name for name in names for other in _OTHERS.get(name, ())}
    return {other: name for other, name in found.items() if other not in names}


def respelled(keywords: dict, others: dict[str, str]) -> dict:
    """Keywords under the names of the parameters; a name said twice stays, to be complained of.

    Example:
        >>> respelled({"axis": 0, "descending": True}, {"axis": "dim"})
        {'dim': 0, 'descending': True}
    """
    return {
        name if others.get(name, name) in keywords else others[name]: value
        for name, value in keywords.items()
    }


def spelled(public: Any, write_out: Callable) -> Callable:
    """A function that also takes its arguments in other ways.

    Args:
        public: a function of tensors that knows its own parameters only.
        write_out: what puts results into `out`, where the function has no such parameter.
    """
    names, starred = _parameters(public)
    others = spellings(names if starred is None else (*names, starred))
    known = frozenset(names)
    most = public.__code__.co_argcount
    sizes = _SIZES.get(starred or "")
    positional = names[:most]
    tensors = int(positional[:1] in (("self",), ("input",)))  # that are not looked at
    verdicts: dict[tuple, str] = {}  # what is wrong with types of arguments that have been met

    def look(kinds, args, kwargs):
        if len(verdicts) >= _MOST_VERDICTS:
            verdicts.clear()
        given = respelled(kwargs, others)
        verdicts[kinds] = wrong_plain_type(face.public, positional, args, given)
        return verdicts[kinds]

    @functools.wraps(public)
    def called(*args, **kwargs):
        try:
            if ACTIVE or (args and type(args[0]) not in PLAIN):
                answer = overriding.ask(face.public, args, kwargs)
                if answer is not NOBODY:
                    return answer
            if kwargs or len(args) > tensors:
                kinds = tuple(map(type, args))
                if kwargs:
                    kinds = (*kinds, *kwargs, *map(type, kwargs.values()))
                verdict = verdicts.get(kinds)
                if verdict is None:
                    verdict = look(kinds, args, kwargs)
                if verdict:
                    refuse_plain_type(verdict)
            if not kwargs or known.issuperset(kwargs):
                if sizes is not None and len(args) == most and sizes not in kwargs:
                    refuse_no_sizes(public.__name__, sizes)
                return public(*args, **kwargs)
            kwargs = respelled(kwargs, others)
            out = None if "out" in known else kwargs.pop("out", None)
            if starred in kwargs:
                before = [kwargs.pop(name) for name in names[len(args) : most] if name in kwargs]
                args = (*args, *before, kwargs.pop(starred))
            results = public(*args, **kwargs)
            return results if out is None else write_out(out, results)
        except TypeError as error:
            if len(args) > most and (today := reordered(public.__name__, args, kwargs)):
                return called(*today[0], **today[1])
            if _did_not_fit(error):
                explain(error, face.public, args, kwargs)
            refuse_types(error, face.public, args, kwargs)
            fold(error)
            raise
        except Exception as error:
            refuse_types(error, face.public, args, kwargs)
            fold(error)
            raise

    face: Any = called
    face.public = face  # what is exported, and what `__torch_function__` is told
    return face


def _did_not_fit(error: TypeError) -> bool:
    """Whether Python itself raised it, for a call whose arguments are not those of the function."""
    return error.__traceback__ is not None and error.__traceback__.tb_next is None


def _parameters(function) -> tuple[tuple[str, ...], Any]:
    """The names that a function's arguments may be given by, and the one with a star, if any."""
    code = function.__code__  # `inspect.signature` would take ten times as long
    count = code.co_argcount + code.co_kwonlyargcount
    starred = code.co_varnames[count] if code.co_flags & inspect.CO_VARARGS else None
    return code.co_varnames[:count], starred
