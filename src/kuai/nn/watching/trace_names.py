"""Names of blocks for what XLA ran: a trace's events carry instructions, a profile their origins.

The profile that JAX writes (`*.xplane.pb`, protocol buffers) holds the compiled programs, in which
each instruction says what it was made of, such as `jit(step)/Net/fc1(Linear)/dot_general`. The
trace for Perfetto knows instructions by number only (`fusion.3`); here they get those names.

Read with a walker over the wire format rather than with generated classes: those would bring
TensorFlow along for five nested messages.
"""

from __future__ import annotations

import gzip
import json
import pathlib
from collections.abc import Iterator

__all__ = ["name_events"]

_BYTES = 2  # the wire type of strings, bytes and nested messages
_FIXED = {1: 8, 5: 4}


def name_events(trace: pathlib.Path, profile: pathlib.Path) -> None:
    """Rename the events of a Perfetto trace after the blocks they come from, in its file."""
    origins = _origins(profile.read_bytes())
    content = json.loads(gzip.decompress(trace.read_bytes()))
    for event in content["traceEvents"] if isinstance(content, dict) else content:
        arguments = event.get("args", {})
        origin = origins.get((arguments.get("hlo_module"), arguments.get("hlo_op")))
        if origin:
            event["name"] = origin
    trace.write_bytes(gzip.compress(json.dumps(content).encode()))


def _origins(profile: bytes) -> dict[tuple[str, str], str]:
    """What each instruction of each program in a profile was made of."""
    found = {}
    for program in _nested(profile, 1, 4, 2, 5, 6, 1):  # planes, event metadata, stats, HLO module
        name = _string(program, 1)
        for instruction in _nested(program, 3, 2):  # computations, instructions
            for metadata in _nested(instruction, 7):
                origin = _string(metadata, 2)
                if origin:
                    found[name, _string(instruction, 1)] = origin
    return found


def _nested(message: bytes, *path: int) -> Iterator[bytes]:
    """The messages that a path of field numbers leads to."""
    if not path:
        yield message
        return
    for number, value in _fields(message):
        if number == path[0]:
            yield from _nested(value, *path[1:])


def _string(message: bytes, wanted: int) -> str:
    found = (value for number, value in _fields(message) if number == wanted)
    return next(found, b"").decode(errors="replace")


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Numbers and contents of the fields of a message that hold bytes."""
    place = 0
    while place < len(message):
        tag, place = _integer(message, place)
        kind = tag & 7
        if kind == _BYTES:
            size, place = _integer(message, place)
            yield tag >> 3, message[place : place + size]
            place += size
        elif kind == 0:
            _, place = _integer(message, place)
        elif kind in _FIXED:
            place += _FIXED[kind]
        else:
            return  # not a message, but bytes of another meaning


def _integer(message: bytes, place: int) -> tuple[int, int]:
    """A number of variable length, and the place behind it."""
    number = shift = 0
    while place < len(message):
        byte = message[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            break
    return number, place
