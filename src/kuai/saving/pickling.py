"""Plain values as pickle instructions of protocol 2, the ones PyTorch reads with `weights_only`.

The instructions are those Python's own pickler would write. What is not a value listed here is
described by the caller as a `Call` of a global name, taken apart as its class says, or refused with
the place where it stands. Equal strings are written once, so equal objects give equal bytes.
"""

from __future__ import annotations

import pickletools
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from kuai.errors import UnsavableObjectError
from kuai.saving.keys import Hashes, keys_budget
from kuai.saving.limits import (
    LONGEST_INTEGER,
    MAX_DEPTH,
    MAX_INSTRUCTIONS,
    MAX_PICKLE_BYTES,
    MAX_VALUES,
)
from kuai.saving.refusals import Refused
from kuai.saving.taking_apart import Name, Parts, taken_apart
from kuai.saving.trees import CONTAINERS

__all__ = ["Call", "Global", "Persistent", "pickled"]

_BATCH = 1000  # elements an instruction adds at most, as in Python's own pickler


class Global(NamedTuple):
    """A name of a module."""

    module: str
    name: str


class Call(NamedTuple):
    """A global name called with arguments."""

    function: Global
    arguments: tuple


class Persistent(NamedTuple):
    """Something that lies outside of the pickle, named by these values."""

    identity: tuple


ORDERED_DICT = Call(Global("collections", "OrderedDict"), ())


def pickled(value: Any, describe: Callable[[Any], Global | Call | None]) -> bytes:
    """The instructions that build `value`.

    Args:
        describe: says what stands for a value that is not one of Python's; None refuses it.
    """
    writer = _Writer(describe)
    writer.write(value)
    code = bytes(writer.code + b".")
    _check_limits(code)
    return code


def _check_limits(code: bytes) -> None:
    """No instruction is shorter than a byte, so only long code has to be counted."""
    too_long = len(code) > MAX_PICKLE_BYTES
    if too_long or len(code) > MAX_INSTRUCTIONS < sum(1 for _ in pickletools.genops(code)):
        raise UnsavableObjectError(
            f"cannot save obj: besides its tensors it takes up more than {MAX_PICKLE_BYTES >> 20} "
            f"MiB or {MAX_INSTRUCTIONS} instructions. Keep long lists of numbers and strings in a "
            "tensor or in a file of their own"
        )


class _Writer:
    def __init__(self, describe: Callable[[Any], Global | Call | None]):
        self.code = bytearray(b"\x80\x02")
        self._describe = describe
        self._memo: dict[Any, int] = {}
        self._kept: list = []  # alive as long as their identities stand in the memo
        self._open: list[tuple[int, str]] = []  # the containers around, and the place in each
        self._keys = keys_budget()
        self._values = 0  # as many as if nothing were shared
        self._values_of: dict[Any, int] = {}

    def write(self, value: Any) -> None:
        before = self._values
        self._values += 1
        writing = _WRITERS.get(type(value))
        if writing is not None:
            writing(self, value)
        elif not self._recall(id(value)):
            self._write_described(value)
        if type(value) in CONTAINERS:
            self._values_of.setdefault(id(value), self._values - before)

    def _recall(self, key: Any) -> bool:
        """Write a reference to what was written before, if it was."""
        number = self._memo.get(key)
        if number is None:
            return False
        self.code += _numbered(b"h", b"j", number)
        self._values += self._values_of.get(key, 0)
        if self._values > MAX_VALUES:
            self._refuse(f"containers within containers that come to more than {MAX_VALUES} values")
        return True

    def _remember(self, key: Any, value: Any = None) -> None:
        self.code += _numbered(b"q", b"r", len(self._memo))
        self._memo[key] = len(self._memo)
        self._kept.append(value)

    # Simple values ----------------------------------------------------------------------------

    def _write_constant(self, value: bool | None) -> None:
        self.code += {None: b"N", True: b"\x88", False: b"\x89"}[value]

    def _write_integer(self, value: int) -> None:
        if 0 <= value <= 0xFF:
            self.code += struct.pack("<cB", b"K", value)
        elif 0 <= value <= 0xFFFF:
            self.code += struct.pack("<cH", b"M", value)
        elif -(1 << 31) <= value < 1 << 31:
            self.code += struct.pack("<ci", b"J", value)
        else:
            length = value.bit_length() // 8 + 1
            if length > LONGEST_INTEGER:
                self._refuse("an integer of more than 2000 bits")
            length -= value < 0 and value == -1 << (8 * length - 9)
            content = value.to_bytes(length, "little", signed=True)
            self.code += struct.pack("<cB", b"\x8a", length) + content

    def _write_float(self, value: float) -> None:
        self.code += struct.pack(">cd", b"G", value)

    def _write_string(self, value: str) -> None:
        if not self._recall(("string", value)):
            content = value.encode("utf-8", "surrogatepass")
            self.code += struct.pack("<cI", b"X", len(content)) + content
            self._remember(("string", value))

    def _write_bytes(self, value: bytes) -> None:
        if not self._recall(id(value)):
            text = (value.decode("latin1"), "latin1")
            self._write_call(Call(Global("_codecs", "encode"), text), value)

    def _write_complex(self, value: complex) -> None:
        self._write_call(Call(_python("complex"), (value.real, value.imag)), value)

    def _write_bytearray(self, value: bytearray) -> None:
        if not self._recall(id(value)):
            self._write_call(Call(_python("bytearray"), (bytes(value),)), value)

    # Containers -------------------------------------------------------------------------------

    def _write_tuple(self, value: tuple) -> None:
        if not value:
            self.code += b")"
        elif not self._recall(id(value)):
            self._write_elements(value)
            self._remember(id(value), value)

    def _write_elements(self, value: tuple) -> None:
        short = {1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(value))
        self.code += b"" if short else b"("
        for index, item in enumerate(value):
            self._write_at(value, f"[{index}]", item)
        self.code += short or b"t"

    def _write_list(self, value: list) -> None:
        if self._recall_container(value):
            return
        self.code += b"]"
        self._remember(id(value), value)
        for batch in _batches(enumerate(value)):
            self.code += b"(" if len(value) > 1 else b""
            for index, item in batch:
                self._write_at(value, f"[{index}]", item)
            self.code += b"e" if len(value) > 1 else b"a"

    def _write_dict(self, value: dict) -> None:
        if not self._recall_container(value):
            self.code += b"}"
            self._remember(id(value), value)
            self._write_items(value)

    def _write_items(self, value: dict) -> None:
        hashes = Hashes(self._keys)
        for batch in _batches(value.items()):
            self.code += b"(" if len(value) > 1 else b""
            for key, item in batch:
                self._check_keys(hashes, [key])
                self.write(key)
                self._write_at(value, f"[{key!r}]", item)
            self.code += b"u" if len(value) > 1 else b"s"

    def _write_ordered_dict(self, value: OrderedDict) -> None:
        if self._recall_container(value):
            return
        self._write_call(ORDERED_DICT, value)
        self._write_items(value)
        if vars(value):
            if list(vars(value)) != ["_metadata"]:
                self._refuse("an OrderedDict with attributes")
            self._write_at(value, "._metadata", dict(vars(value)))
            self.code += b"b"

    def _write_counter(self, value: Counter) -> None:
        if not self._recall_container(value):
            if any(type(count) is not int for count in value.values()):
                self._refuse("a Counter with counts that are no integers")
            call = Call(Global("collections", "Counter"), (dict(value),))
            self._write_call(call, value)

    def _write_set(self, value: set) -> None:
        if not self._recall_container(value):
            self._check_keys(Hashes(self._keys), value)
            self._write_call(Call(_python("set"), (sorted(value, key=repr),)), value)

    def _check_keys(self, hashes: Hashes, keys: Iterable) -> None:
        try:
            hashes.check_all(keys)
        except Refused as error:
            self._refuse(f"a key or member of a set that could not be loaded ({error})")

    def _recall_container(self, value: Any) -> bool:
        if any(key == id(value) for key, _ in self._open):
            self._refuse("an object that contains itself")
        return self._recall(id(value))

    def _write_at(self, container: Any, place: str, item: Any) -> None:
        self._open.append((id(container), place))
        if len(self._open) > MAX_DEPTH:
            self._refuse(f"something nested more than {MAX_DEPTH} deep")
        self.write(item)
        self._open.pop()

    # Names and calls --------------------------------------------------------------------------

    def _write_described(self, value: Any) -> None:
        described = self._describe(value)
        if isinstance(described, Global):
            self._write_global(described)
        elif isinstance(described, Call):
            self._write_call(described, value)
        else:
            self._write_object(value)

    def _write_object(self, value: Any) -> None:
        parts = taken_apart(value)
        if isinstance(parts, Name):
            self._write_global(Global(*parts))
        elif parts is None:
            self._refuse(f"a {type(value).__module__}.{type(value).__qualname__}")
        else:
            self._write_parts(value, parts)

    def _write_parts(self, value: Any, parts: Parts) -> None:
        """What makes it; then, once it can be referred to, what it is given."""
        self._open.append((id(value), ""))
        self.write(parts.function)
        self.write(parts.arguments)
        self._open.pop()
        self.code += b"\x81" if parts.is_new else b"R"
        self._remember(id(value), value)
        for batch in _batches(parts.items or ()):
            self.code += b"("
            for item in batch:
                self._write_at(value, "[...]", item)
            self.code += b"e"
        for batch in _batches(parts.pairs or ()):
            self.code += b"("
            for key, item in batch:
                self.write(key)
                self._write_at(value, f"[{key!r}]", item)
            self.code += b"u"
        if parts.state is not None:
            self._write_at(value, ".__dict__", parts.state)
            self.code += b"b"

    def _write_global(self, value: Global) -> None:
        if not self._recall(("global", value)):
            self.code += b"c" + f"{value.module}\n{value.name}\n".encode()
            self._remember(("global", value))

    def _write_call(self, call: Call, value: Any = None) -> None:
        """Write a call; its result is remembered as `value`."""
        self._write_global(call.function)
        self.write(call.arguments)
        self.code += b"R"
        value = call if value is None else value
        self._remember(id(value) if value is not ORDERED_DICT else object(), value)

    def _write_persistent(self, value: Persistent) -> None:
        self.write(value.identity)
        self.code += b"Q"

    def _refuse(self, what: str) -> None:
        place = "".join(place for _, place in self._open)
        raise UnsavableObjectError(
            f"cannot save {what}, which stands at obj{place}. Files hold tensors, numbers, "
            "strings, bytes, None, dtypes, devices, sizes, NumPy values, lists, tuples, dicts and "
            "sets of them, and other objects that Python can pickle. Of a module or an optimizer "
            "save its state_dict()."
        )


def _batches(items: Iterable) -> Iterator[list]:
    arriving = iter(items)
    while batch := list(islice(arriving, _BATCH)):
        yield batch


def _python(name: str) -> Global:
    return Global("__builtin__", name)


def _numbered(short: bytes, long: bytes, number: int) -> bytes:
    if number <= 0xFF:
        return struct.pack("<cB", short, number)
    return struct.pack("<cI", long, number)


_WRITERS: dict[type, Callable[[_Writer, Any], None]] = {
    type(None): _Writer._write_constant,
    bool: _Writer._write_constant,
    int: _Writer._write_integer,
    float: _Writer._write_float,
    complex: _Writer._write_complex,
    str: _Writer._write_string,
    bytes: _Writer._write_bytes,
    bytearray: _Writer._write_bytearray,
    tuple: _Writer._write_tuple,
    list: _Writer._write_list,
    dict: _Writer._write_dict,
    OrderedDict: _Writer._write_ordered_dict,
    Counter: _Writer._write_counter,
    set: _Writer._write_set,
    Global: _Writer._write_global,
    Call: _Writer._write_call,
    Persistent: _Writer._write_persistent,
}
