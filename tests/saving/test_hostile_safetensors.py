"""Safetensors files and indices that lie: the attacks of the format's own test suite, and more."""

import json
import os
import struct

import pytest
import safetensors

import kuai
from kuai.errors import FileFormatError, UnsafeFileError

FOUR = struct.pack("<4f", 1, 2, 3, 4)


def entry(dtype="F32", shape=(2, 2), offsets=(0, 16)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def file(header, content=FOUR, length=None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content


NAME = '{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}'
FILES = {
    "nothing": b"",
    "too short for a length": b"\1\2\3",
    "a header beyond the file": file({"w": entry()}, length=1 << 20),
    "a header of 1 GiB": file({"w": entry()}, length=1 << 30),
    "a header of 16 EiB": file({"w": entry()}, length=(1 << 64) - 1),
    "a length that overflows": file({"w": entry()}, length=(1 << 64) - 8),
    "a header of no bytes": file(b""),
    "a header that is no JSON": file(b"no json at all"),
    "a header that is a list": file(b"[1, 2, 3]"),
    "a header that is cut off": file(NAME.encode()[:20]),
    "a header that is no UTF-8": file(b'{"\xff\xfe":{}}'),
    "something before the brace": file(b" \n" + NAME.encode() + b"}"),
    "something after the brace": file(NAME.encode() + b"}x"),
    "deep JSON": file(b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "deep lists": file(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "two entries of one name": file((NAME + "," + NAME[1:] + "}").encode()),
    "two metadata": file(b'{"__metadata__":{},"__metadata__":{},' + NAME.encode()[1:] + b"}"),
    "metadata of numbers": file({"__metadata__": {"a": 1}, "w": entry()}),
    "metadata that are a list": file({"__metadata__": ["a"], "w": entry()}),
    "no dtype": file({"w": {"shape": [4], "data_offsets": [0, 16]}}),
    "an unknown dtype": file({"w": entry(dtype="F128")}),
    "a dtype that is a number": file({"w": entry(dtype=32)}),
    "more fields": file({"w": {**entry(), "code": "import os"}}),
    "a shape of floats": file({"w": entry(shape=(4.0,))}),
    "a negative size": file({"w": entry(shape=(-2, -2))}),
    "a size that overflows": file({"w": entry(shape=(1 << 63, 1 << 63))}),
    "a size that wraps around": file({"w": entry(shape=(1 << 62, 4))}),
    "a size beyond 64 bits": file(NAME.replace("[4]", f"[{1 << 70}]").encode() + b"}"),
    "very many dimensions": file({"w": entry(shape=(1,) * 100_000 + (4,))}),
    "a shape that does not fit": file({"w": entry(shape=(3,))}),
    "one offset": file({"w": entry(offsets=(0,))}),
    "three offsets": file({"w": entry(offsets=(0, 16, 32))}),
    "offsets that go backward": file({"w": entry(offsets=(16, 0))}),
    "negative offsets": file({"w": entry(offsets=(-16, 0))}),
    "offsets beyond the file": file({"w": entry(offsets=(16, 32))}),
    "offsets that overflow": file({"w": entry(offsets=((1 << 64) - 16, 1 << 64))}),
    "a hole before": file({"w": entry(offsets=(4, 20))}, FOUR + b"abcd"),
    "a hole between": file({"a": entry(shape=(4,)), "b": entry(offsets=(20, 36))}, bytes(36)),
    "an overlap": file({"a": entry(shape=(4,)), "b": entry(offsets=(8, 24))}, bytes(24)),
    "the same bytes twice": file({"a": entry(shape=(4,)), "b": entry()}),
    "bytes too many": file({"w": entry()}, FOUR + b"#!/bin/sh"),
    "bytes too few": file({"w": entry()}, FOUR[:-1]),
    "nothing of a size that overflows": file({"w": entry(shape=(0, 1 << 63), offsets=(0, 0))}, b""),
    "nothing of a large size": file({"w": entry(shape=(0, 1 << 62, 2), offsets=(0, 0))}, b""),
    "a pickle": b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.",
}


@pytest.mark.parametrize("kind", FILES)
def test_refused(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(FILES[kind])
    for read in (kuai.load, kuai.load_file, kuai.saving.load_metadata):
        try:
            found = read(path)
        except FileFormatError as error:
            assert "model.safetensors" in str(error)
            continue
        if read is not kuai.saving.load_metadata:  # which never looks at the tensors
            assert kind in MAY_LOAD, f"{read} gave {found}"
            assert found["w"].shape == (2, 2) or kind == "something before the brace"
    assert os.listdir(tmp_path) == ["model.safetensors"]


#: What the format's own library takes, too, and where nothing can go wrong.
MAY_LOAD = {"something before the brace", "more fields"}


def test_an_honest_file(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(file({"w": entry()}))
    assert kuai.load(tmp_path / "a.safetensors")["w"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert safetensors.deserialize(file({"w": entry()}))


@pytest.mark.parametrize("kind", ["a header of exactly 100 MB", "a header beyond 100 MB"])
def test_long_headers(kind, tmp_path):
    length = 100_000_000 + (kind == "a header beyond 100 MB")
    path = tmp_path / "model.safetensors"
    with open(path, "wb") as made:
        made.write(struct.pack("<Q", length))
        made.truncate(8 + length)  # the rest is zeros, which take no room
    with pytest.raises(FileFormatError, match=r"model\.safetensors"):
        kuai.load(path)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\0b", "", "__class__", "块"])
def test_names_of_tensors_are_only_names(name, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(file({name: entry()}))
    assert list(kuai.load(tmp_path / "a.safetensors")) == [name]
    assert os.listdir(tmp_path) == ["a.safetensors"]


# Indices ------------------------------------------------------------------------------------------

PART = "model-00001-of-00001.safetensors"
INDICES = {
    "no JSON": b"{",
    "a list": b"[]",
    "a number": b"1",
    "no map": b"{}",
    "deep JSON": b'{"weight_map":' * 100_000,
    "no UTF-8": b'{"weight_map":{"w":"\xff"}}',
    "a map that is a list": {"weight_map": [PART]},
    "a file that is a number": {"weight_map": {"w": 1}},
    "a file that is missing": {"weight_map": {"w": "other.safetensors"}},
    "a tensor that is missing": {"weight_map": {"w": PART, "v": PART}},
    "a file above": {"weight_map": {"w": "../model.safetensors"}},
    "a file anywhere": {"weight_map": {"w": "/etc/passwd.safetensors"}},
    "a file below": {"weight_map": {"w": "folder/model.safetensors"}},
    "a file of Windows": {"weight_map": {"w": "..\\model.safetensors"}},
    "a drive": {"weight_map": {"w": "C:model.safetensors"}},
    "a NUL": {"weight_map": {"w": "model\0.safetensors"}},
    "a pickle": {"weight_map": {"w": "model.bin"}},
    "itself": {"weight_map": {"w": "model.safetensors.index.json"}},
    "a device": {"weight_map": {"w": "/dev/zero"}},
    "a name twice": b'{"weight_map":{"w":"%b","w":"%b"}}' % (PART.encode(), PART.encode()),
    "aliases that are a number": {"weight_map": {"w": PART}, "metadata": {"kuai.aliases": 1}},
    "aliases that lead nowhere": {
        "weight_map": {"w": PART},
        "metadata": {"kuai.aliases": '{"a": "b"}'},
    },
}


@pytest.mark.parametrize("kind", INDICES)
def test_indices(kind, tmp_path):
    content = INDICES[kind]
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    (tmp_path / PART).write_bytes(file({"w": entry()}))
    index = tmp_path / "model.safetensors.index.json"
    index.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"model\.safetensors\.index\.json"):
        kuai.load(index)
    if kind.startswith("a file a") or kind == "a device":
        with pytest.raises(UnsafeFileError):
            kuai.load(index)


def test_a_broken_part_is_named(tmp_path):
    (tmp_path / PART).write_bytes(b"")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": PART}}))
    with pytest.raises(FileFormatError, match=PART):
        kuai.load(index)
