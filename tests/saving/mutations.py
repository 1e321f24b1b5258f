"""Ways to change a file: blindly, and with knowledge of what stands where.

What knows the format changes one field and leaves the rest right, checksums included, so that the
change gets past the first check that would have caught a blind one.
"""

import json
import pickletools
import random
import struct
import zipfile
import zlib
from io import BytesIO

from tests.saving.hostile import archive

NUMBERS = [0, 1, 2, 3, 4, 7, 8, 16, 63, 64, 127, 128, 255, 256, 1000, 65535, 65536]
NUMBERS += [(1 << bits) + more for bits in (31, 32, 47, 48, 61, 62, 63, 64) for more in (-1, 0, 1)]
NUMBERS += [-1, -2, -16, -(1 << 31), -(1 << 63)]


def any_bytes(content: bytes, chance: random.Random) -> bytes:
    """Bits turned, bytes set, cut out or doubled, numbers written over."""
    made = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(made)) if made else 0
        kind = chance.randrange(6)
        if kind == 0 and made:
            made[place] ^= 1 << chance.randrange(8)
        elif kind == 1 and made:
            made[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif kind == 2:
            del made[place : place + chance.randint(1, 8)]
        elif kind == 3 and made:
            start = chance.randrange(len(made))
            made[place:place] = made[start : start + chance.randint(1, 16)]
        elif kind == 4:
            made[place : place + 4] = chance.choice([b"\xff" * 4, b"\0" * 4, b"\0\0\0\x80"])
        else:
            made[place : place + 8] = _packed(chance.choice(NUMBERS), 8)
    return bytes(made) or b"\0"


def cut_or_spliced(content: bytes, chance: random.Random, other: bytes) -> bytes:
    """Cut off, or the beginning of one file and the end of another."""
    if chance.random() < 0.3:
        return content[: chance.randrange(len(content))]
    first, second = (content, other) if chance.random() < 0.5 else (other, content)
    return first[: chance.randrange(len(first))] + second[chance.randrange(len(second)) :]


def _packed(number: int, size: int) -> bytes:
    return (number & ((1 << 8 * size) - 1)).to_bytes(size, "little")


# Archives -----------------------------------------------------------------------------------------

_FIELDS = {  # mark of a header: the places and sizes of its numbers
    b"PK\x03\x04": [(4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)],
    b"PK\x01\x02": [(8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (42, 4)],
    b"PK\x05\x06": [(4, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)],
}


def zip_fields(content: bytes, chance: random.Random) -> bytes:
    """One or two numbers in the headers of an archive."""
    made = bytearray(content)
    for _ in range(chance.randint(1, 2)):
        mark = chance.choice(list(_FIELDS))
        places = [place for place in range(len(made)) if made.startswith(mark, place)]
        offset, size = chance.choice(_FIELDS[mark])
        place = chance.choice(places) + offset if places else 0
        old = int.from_bytes(made[place : place + size], "little")
        new = chance.choice([*NUMBERS, old + 1, old - 1, old * 2, len(content), len(content) - 1])
        made[place : place + size] = _packed(new, size)
    return bytes(made)


def parts_of(content: bytes) -> tuple[bytes, dict[str, bytes]]:
    """The pickle and the storages of an archive."""
    with zipfile.ZipFile(BytesIO(content)) as entries:
        root = entries.namelist()[0].split("/")[0]
        keys = [name.split("/")[2] for name in entries.namelist() if "/data/" in name]
        storages = {key: entries.read(f"{root}/data/{key}") for key in keys}
        return entries.read(f"{root}/data.pkl"), storages


def with_instructions(content: bytes, chance: random.Random) -> bytes:
    """Instructions of the pickle: left out, doubled, exchanged, with other arguments."""
    code, storages = parts_of(content)
    pieces = _instructions(code)
    for _ in range(chance.randint(1, 3)):
        _change(pieces, chance)
    return archive(b"".join(pieces), storages)


def with_storages(content: bytes, chance: random.Random) -> bytes:
    """The pickle's bytes, or storages that are shorter, longer, gone, or under another name."""
    code, storages = parts_of(content)
    key = chance.choice(list(storages))
    kind = chance.randrange(5)
    if kind == 0:
        code = any_bytes(code, chance)
    elif kind == 1:
        storages[key] = storages[key][: chance.randrange(len(storages[key]) + 1)]
    elif kind == 2:
        storages[key] += bytes(chance.choice([1, 2, 4, 8, 4096]))
    elif kind == 3:
        del storages[key]
    else:
        storages[chance.choice(["0", "1", "../0", "00", "", "\u5757"]) + "x"] = storages.pop(key)
    return archive(code, storages)


def _instructions(code: bytes) -> list[bytes]:
    places = [place for _, _, place in pickletools.genops(code)] + [len(code)]
    return [code[a:b] for a, b in zip(places[:-1], places[1:], strict=True)]


def _change(pieces: list[bytes], chance: random.Random) -> None:
    place, other = (chance.randrange(1, len(pieces)) for _ in range(2))
    kind = chance.randrange(6)
    if kind == 0 and len(pieces) > 2:
        del pieces[place]
    elif kind == 1:
        pieces.insert(place, pieces[other])
    elif kind == 2:
        pieces[place], pieces[other] = pieces[other], pieces[place]
    elif kind == 3:
        letter = chance.choice(pickletools.opcodes).code.encode("latin1")
        pieces[place] = letter + pieces[place][1:]
    elif kind == 4:
        pieces[place] = _integer(chance.choice(NUMBERS))
    else:
        pieces[place] = chance.choice([b"N", b"\x88", b")", b"]", b"}", b"(", b"t", b"0", b"e"])


def _integer(number: int) -> bytes:
    if -(1 << 31) <= number < 1 << 31:
        return b"J" + struct.pack("<i", number)
    return b"\x8a\x0a" + number.to_bytes(10, "little", signed=True)


# JSON ---------------------------------------------------------------------------------------------

_VALUES = [*NUMBERS, None, True, 1.5, "", "F32", "BOOL", "a/../b", [], {}, [0, 1], [[]], "\ud800"]


def json_changed(value, chance: random.Random):
    """The value with something in it exchanged, left out, doubled or renamed."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        kind = chance.randrange(6)
        if kind == 0:
            return {name: item for name, item in value.items() if name != key}
        if kind == 1:
            return {**value, key + chance.choice(["x", ".", "\0"]): value[key]}
        if kind == 2:
            return {**value, key: value[chance.choice(list(value))]}
        return {**value, key: json_changed(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        if chance.random() < 0.2:
            return value[:place] + value[place + 1 :]
        return value[:place] + [json_changed(value[place], chance)] + value[place + 1 :]
    if type(value) is int and chance.random() < 0.5:
        return value + chance.choice([-1, 1, 4, -4, value])
    return chance.choice(_VALUES)


def json_text(value, chance: random.Random) -> bytes:
    """A changed value as text, at times with a mistake in the text itself."""
    text = json.dumps(json_changed(value, chance)).encode()
    return any_bytes(text, chance) if chance.random() < 0.1 else text


def with_header(content: bytes, chance: random.Random) -> bytes:
    """A safetensors file with another header of the right length."""
    length = int.from_bytes(content[:8], "little")
    text = json_text(json.loads(content[8 : 8 + length]), chance)
    told = len(text) if chance.random() < 0.95 else chance.choice(NUMBERS)
    return _packed(told, 8) + text + content[8 + length :]


def with_description(content: bytes, chance: random.Random) -> bytes:
    """A checkpoint: its bytes, its header, or, mostly, what the metadata describes."""
    if chance.random() < 0.4:
        return chance.choice([any_bytes, with_header])(content, chance)
    return redescribed(content, lambda described: json_changed(described, chance))


def redescribed(content: bytes, change) -> bytes:
    """A checkpoint of another description, with the checksum that belongs to it."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    strings = header.pop("__metadata__")
    tensors = json.loads(strings.pop("kuai.checksums"))["tensors"]
    strings["kuai.checkpoint"] = json.dumps(change(json.loads(strings["kuai.checkpoint"])))
    found = zlib.crc32(json.dumps([header, strings, tensors], sort_keys=True).encode())
    strings["kuai.checksums"] = json.dumps({"header": found, "tensors": tensors})
    text = json.dumps({"__metadata__": strings, **header}).encode()
    return _packed(len(text), 8) + text + content[8 + length :]
