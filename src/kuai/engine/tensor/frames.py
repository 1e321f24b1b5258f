"""An error's traceback ends at the user's line: Kuai's own frames are folded away.

A user's mistake is in the user's line, which would stand above a dozen frames of Kuai's. The public
calls (operations, blocks, `backward`) catch what passes through them and take the frames of Kuai
and JAX out of its traceback, their own among them; a user's frames in between, such as those of a
hook or a block of their own, stay. That costs nothing where nothing is raised.

Only what Kuai says is folded: an error that some `raise` of Kuai's made on purpose, or that came
from a user's function. What Kuai did not foresee keeps its frames, because they are what a report
needs. `KUAI_TRACEBACK=full` in the environment keeps all.
"""

import functools
import opcode
import os
import pathlib
import types
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

import kuai.errors
from kuai.errors import drop_jax_note

__all__ = ["fold", "folding", "is_meant", "is_own_file", "tell"]

_OWN = str(pathlib.Path(kuai.errors.__file__).parent) + os.sep
_JAX = str(pathlib.Path(jax.__file__).parent) + os.sep
_RAISE = opcode.opmap["RAISE_VARARGS"]
_MARK = "_kuai_told"  # an error of which an inner call has found out that it is to be folded

_P = ParamSpec("_P")
_Result = TypeVar("_Result")


def fold(error: Exception) -> None:
    """Take Kuai's and JAX's frames out of an error's traceback; to be followed by `raise`."""
    if os.environ.get("KUAI_TRACEBACK") == "full":
        return
    steps = []
    step = error.__traceback__
    while step is not None:
        steps.append(step)
        step = step.tb_next
    if not steps or not (hasattr(error, _MARK) or _is_told(steps[-1])):
        return
    setattr(error, _MARK, True)
    drop_jax_note(error)
    kept = None
    for step in reversed(steps):
        if not is_own_file(_file(step)):
            kept = types.TracebackType(kept, step.tb_frame, step.tb_lasti, step.tb_lineno)
    error.__traceback__ = kept


def tell(error: Exception) -> None:
    """Say that an error of Python's own was foreseen, so that it is folded as one of Kuai's."""
    setattr(error, _MARK, True)


def folding(function: Callable[_P, _Result]) -> Callable[_P, _Result]:
    """A public function whose errors are folded."""

    @functools.wraps(function)
    def called(*args: _P.args, **kwargs: _P.kwargs) -> _Result:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            fold(error)
            raise

    return called


def is_own_file(name: str) -> bool:
    """Whether a file is one of Kuai's or JAX's."""
    return name.startswith((_OWN, _JAX))


def is_meant(error: Exception) -> bool:
    """Whether an error was raised by a statement of Kuai's."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return step is not None and _is_told(step)


def _is_told(origin: types.TracebackType) -> bool:
    """Whether an error was raised by a statement of Kuai's, or outside of Kuai and JAX."""
    if _file(origin).startswith(_OWN):
        return origin.tb_frame.f_code.co_code[origin.tb_lasti] == _RAISE
    return not _file(origin).startswith(_JAX)


def _file(step: types.TracebackType) -> str:
    return step.tb_frame.f_code.co_filename
