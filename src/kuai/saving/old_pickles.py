"""Where a pickle in an old file ends, and which storages it names: read without making anything.

In PyTorch's files before 1.6 the objects stand in front of the storages' bytes, and only the
objects say how many bytes an element has. So they are gone through twice: here, where a stack
holds names, strings, numbers and tuples of them and nothing else is made, and by `interpreter`.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO

from kuai.saving.limits import MAX_INSTRUCTIONS, MAX_PICKLE_BYTES
from kuai.saving.refusals import Damaged, Refused

__all__ = ["GlobalName", "next_pickle"]


class GlobalName(str):
    """`"module name"`: what a pickle asks for by its name."""


def next_pickle(file: BinaryIO) -> tuple[bytes, list[Any]]:
    """The instructions of the pickle at which a file stands, and the identities in it."""
    start = file.tell()
    outline = _Outline()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if count >= MAX_INSTRUCTIONS or file.tell() - start > MAX_PICKLE_BYTES:
                raise Refused("its objects take up too many instructions or bytes")
            outline.step(opcode, argument)
    except (ValueError, OverflowError, MemoryError, IndexError, KeyError) as error:
        raise Damaged(f"the objects cannot be decoded: {error}") from error
    end = file.tell()
    file.seek(start)
    return file.read(end - start), outline.identities


class _Outline:
    """A pickle's stack, in which None stands for whatever is not a name or a plain value."""

    def __init__(self) -> None:
        self.identities: list[Any] = []
        self._stack: list = []
        self._below: list[list] = []
        self._memo: dict[int, Any] = {}

    def step(self, opcode: Any, argument: Any) -> None:
        if opcode.name in _STEPS:
            _STEPS[opcode.name](self, argument)
        elif opcode.arg is not None and not opcode.stack_before and opcode.stack_after:
            self._stack.append(argument)
        else:
            before = opcode.stack_before
            if pickletools.markobject in before:
                self._to_mark()
                before = before[: before.index(pickletools.markobject)]
            self._taken(len(before))
            self._stack += [None] * len(opcode.stack_after)

    def _taken(self, count: int) -> list:
        if count > len(self._stack):
            raise IndexError("an instruction misses its arguments")
        taken = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return taken

    def _mark(self, _: Any) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _to_mark(self) -> list:
        taken, self._stack = self._stack, self._below.pop()
        return taken

    def _name(self, name: str) -> None:
        self._stack.append(GlobalName(name))

    def _name_of_two(self, _: Any) -> None:
        self._name(" ".join(map(str, self._taken(2))))

    def _tuple(self, _: Any) -> None:
        items = tuple(self._to_mark())
        self._stack.append(items)

    def _put(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    def _memoize(self, _: Any) -> None:
        self._put(len(self._memo))

    def _get(self, number: int) -> None:
        self._stack.append(self._memo[number])

    def _identity(self, _: Any) -> None:
        self.identities += self._taken(1)
        self._stack.append(None)


def _tuple_of(count: int) -> Callable[[_Outline, Any], None]:
    return lambda outline, _: outline._stack.append(tuple(outline._taken(count)))


_STEPS: dict[str, Callable[[_Outline, Any], None]] = {
    "BINGET": _Outline._get,
    "BINPERSID": _Outline._identity,
    "BINPUT": _Outline._put,
    "GLOBAL": _Outline._name,
    "LONG_BINGET": _Outline._get,
    "LONG_BINPUT": _Outline._put,
    "MARK": _Outline._mark,
    "MEMOIZE": _Outline._memoize,
    "STACK_GLOBAL": _Outline._name_of_two,
    "TUPLE": _Outline._tuple,
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
}
