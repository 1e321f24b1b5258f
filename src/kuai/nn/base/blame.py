"""Naming the block in which an exception arose.

Every ``Module.__call__`` an exception passes through calls ``name_block``. The innermost one
writes a note (PEP 678) with its own description and what it was given; each outer one
rewrites that note with the longer path, so one line tells everything:

    in block 2 (Linear) of Sequential: Linear(in_features=20, ...), given Tensor[2, 30] float32

The exception's type and message stay as they were raised. Nothing here runs on success.
"""

from __future__ import annotations

from typing import Any

from kuai.engine.tensor import Tensor

_ATTRIBUTE = "_kuai_block"
_MOST_ITEMS = 8


class _Block:
    """The failing block and the outermost module from which the path to it is known so far."""

    def __init__(self, module: Any, given: str):
        self.owner = module
        self.path = ""
        self.kind = module._get_name()
        self.text = _one_line(module)
        self.given = given

    def grow(self, outer: Any) -> None:
        """Start the path at ``outer`` if the present start is one of its descendants."""
        for name, module in _descendants(outer):
            if module is self.owner:
                self.path = f"{name}.{self.path}" if self.path else name
                self.owner = outer
                return

    def note(self) -> str:
        """The line as it stands now."""
        place = f"block {self.path} ({self.kind}) of {self.owner._get_name()}: "
        return f"in {place if self.path else ''}{self.text}, given {self.given}"

    def __reduce__(self):
        # A pickled exception keeps its note; the modules themselves must not travel with it.
        return (str, (self.text,))


def name_block(error: BaseException, module: Any, args: tuple, kwargs: dict) -> None:
    """Write into ``error``'s note that it passed out of a call of ``module``."""
    block = getattr(error, _ATTRIBUTE, None)
    if not isinstance(block, _Block):
        block = _Block(module, describe_arguments(args, kwargs))
        setattr(error, _ATTRIBUTE, block)
        error.add_note(block.note())
        return
    before = block.note()
    block.grow(module)
    notes = error.__notes__
    if before in notes:
        notes.remove(before)
    error.add_note(block.note())  # at the end, after what JAX may have added about itself


def describe_arguments(args: tuple, kwargs: dict) -> str:
    """What a block was given, in one line: ``Tensor[2, 30] float32, scale=2``."""
    parts = [_describe(value) for value in args]
    parts += [f"{name}={_describe(value)}" for name, value in kwargs.items()]
    return ", ".join(_shortened(parts)) or "no arguments"


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        sizes = ", ".join(str(size) for size in value.shape)
        return f"{type(value).__name__}[{sizes}] {str(value.dtype).rpartition('.')[2]}"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if type(value) in (list, tuple):
        opening, closing = "[]" if isinstance(value, list) else "()"
        parts = [_describe(item) for item in value[: _MOST_ITEMS + 1]]
        return opening + ", ".join(_shortened(parts)) + closing
    return type(value).__name__


def _shortened(parts: list[str]) -> list[str]:
    if len(parts) <= _MOST_ITEMS:
        return parts
    return [*parts[:_MOST_ITEMS], "..."]


def _one_line(module: Any) -> str:
    try:
        text = repr(module)
    except Exception:  # noqa: BLE001 (a block that cannot be printed must not hide the error)
        text = "\n"
    return text if "\n" not in text else f"{module._get_name()}(...)"


def _descendants(module: Any, prefix: str = "", seen: set[int] | None = None):
    """Names and modules below ``module``; keys that are no strings are allowed."""
    seen = {id(module)} if seen is None else seen
    for key, child in module._modules.items():
        if child is None or id(child) in seen:
            continue
        seen.add(id(child))
        name = f"{prefix}{key}"
        yield name, child
        yield from _descendants(child, f"{name}.", seen)
