"""Where the command line prints: terminals, pipes, files, and what is closed or cannot take it."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from kuai.errors import printable

__all__ = ["READER_GONE", "complain", "printing"]

READER_GONE = 141  # what shells report of a command whose reader has gone, `kuai inspect F | head`
_LONGEST = 2000
_SMALLEST = 20  # columns or lines: what is smaller is nobody's terminal


def complain(text: str) -> None:
    """One line on the error stream, whatever the text is made of."""
    print(f"kuai: {printable(text, _LONGEST)}", file=sys.stderr)


@contextmanager
def printing() -> Iterator[None]:
    """Print inside; the end of the block waits until everything has been taken.

    Raises:
        OSError: it was not, because a disk is full or the reader of a pipe has gone.
    """
    _prepare()
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            _forget(sys.stdout)
            raise


def _prepare() -> None:
    """Streams that are there, that can print any character, in a width that can be printed in."""
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    for name in ("COLUMNS", "LINES"):
        size = os.environ.get(name, "")
        if not re.fullmatch("[0-9]{1,4}", size) or int(size) < _SMALLEST:
            os.environ.pop(name, None)  # then the terminal itself is asked


def _nowhere() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")


def _forget(stream: TextIO) -> None:
    """Let what was not taken go nowhere: Python would try again at its end, and complain."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
