"""Where in the user's code something happened."""

import linecache
import traceback

from kuai.engine.tensor.frames import is_own_file

__all__ = ["line_of_caller", "line_of_error"]


def line_of_caller(frame) -> str:
    """The first line outside of Kuai and JAX, from a frame outward."""
    while frame is not None and _is_own(frame):
        frame = frame.f_back
    return "an unknown line" if frame is None else _line(frame, frame.f_lineno)


def line_of_error(error) -> str:
    """The innermost line outside of Kuai and JAX through which an error came."""
    lines = list(traceback.walk_tb(error.__traceback__))
    theirs = [(frame, number) for frame, number in lines if not _is_own(frame)]
    return _line(*theirs[-1]) if theirs else "an unknown line"


def _is_own(frame) -> bool:
    name = frame.f_code.co_filename
    return name.startswith("<") or is_own_file(name)


def _line(frame, number) -> str:
    name = frame.f_code.co_filename
    text = linecache.getline(name, number, frame.f_globals).strip()
    return f'{name}:{number} ("{text}")' if text else f"{name}:{number}"
