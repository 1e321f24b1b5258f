"""Containers that lie: zip archives whose parts contradict each other, and files of other formats.

The archives are taken apart and put together again by hand, because `zipfile` writes no lies.
"""

import io
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import textwrap
import zipfile
import zlib

import pytest
import torch

import kuai
from kuai.errors import FileFormatError, UnsafeFileError
from tests.saving.hostile import FOUR, OPEN, archive, storage, tensor, value

HONEST = archive(OPEN + tensor() + b".", {"0": FOUR})
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def rejected(content: bytes, folder, reason: str = "", file: str = "model.pt") -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(FileFormatError, match=rf"{file}.*{reason}"):
        kuai.load(folder / file)
    assert os.listdir(folder) == [file]


def changed(content: bytes, mark: bytes, number: int, offset: int, form: str, to: int) -> bytes:
    """The archive with one field of the header number `number` (from the end if negative)."""
    places = [i for i in range(len(content)) if content.startswith(mark, i)]
    made = bytearray(content)
    struct.pack_into("<" + form, made, places[number] + offset, to)
    return bytes(made)


FIELDS = {
    "compressed size in the directory": (CENTRAL, 1, 20, "I", 1 << 20),
    "size in the directory": (CENTRAL, 1, 24, "I", 1 << 20),
    "both sizes, later": (CENTRAL, 0, 20, "Q", 0x0010_0000_0010_0000),
    "sizes of 4 GiB": (CENTRAL, 1, 20, "Q", 0xFFFF_FFFF_FFFF_FFFF),
    "checksum": (CENTRAL, 1, 16, "I", 0),
    "method": (CENTRAL, 1, 10, "H", 8),
    "an unknown method": (CENTRAL, 1, 10, "H", 99),
    "encrypted": (CENTRAL, 1, 8, "H", 1),
    "length of the name": (CENTRAL, 1, 28, "H", 0xFFFF),
    "length of the extra field": (CENTRAL, 1, 30, "H", 0xFFFF),
    "length of the comment": (CENTRAL, 1, 32, "H", 0xFFFF),
    "place of the entry": (CENTRAL, 1, 42, "I", 0xFFFF_FFF0),
    "both at one place": (CENTRAL, 1, 42, "I", 0),
    "in the middle of another": (CENTRAL, 1, 42, "I", 20),
    "the local name": (LOCAL, 1, 30, "I", 0x61616161),
    "the length of the local name": (LOCAL, 1, 26, "H", 3),
    "the local extra field": (LOCAL, 1, 28, "H", 0x7FFF),
    "the number of entries": (END, 0, 10, "H", 0),
    "the place of the directory": (END, 0, 16, "I", 0x7FFF_FFFF),
    "the size of the directory": (END, 0, 12, "I", 0x7FFF_FFFF),
}


@pytest.mark.parametrize("kind", FIELDS)
def test_fields_that_lie(kind, tmp_path):
    content = changed(HONEST, *FIELDS[kind])
    try:
        rejected(content, tmp_path)
    except pytest.fail.Exception:  # a field nobody needs: then it is the honest object
        found = kuai.load(tmp_path / "model.pt")
        assert found.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize("kind", ["local checksum", "local size", "local method"])
def test_the_directory_decides(kind, tmp_path):
    offset, form = {"checksum": (14, "I"), "size": (22, "I"), "method": (8, "H")}[kind.split()[1]]
    (tmp_path / "model.pt").write_bytes(changed(HONEST, LOCAL, 1, offset, form, 8))
    try:
        found = kuai.load(tmp_path / "model.pt")
    except FileFormatError as error:
        assert "model.pt" in str(error)
    else:
        assert found.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def zipped(entries, compression=zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        for name, content in entries.items():
            made.writestr(zipfile.ZipInfo(name), content, compression)
    return file.getvalue()


@pytest.mark.parametrize(
    "path",
    [
        *("a/../../b", "a/data/../../../etc/passwd", "/etc/passwd", "a//b", "a/..", "..", ""),
        *("a\\..\\b", "a/..\\..\\b", "C:\\b", "C:b", "\\\\host\\b", "a/"),
        *("\x2e\x2e/b", "a/%2e%2e/../b", "~/b", "a\n/b"),
    ],
)
def test_paths_that_lead_out(path, tmp_path):
    try:
        content = zipped({"a/data.pkl": OPEN + b"N.", path: b""})
    except (ValueError, IndexError):
        pytest.skip("cannot be written")
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"model\.pt"):
        kuai.load(tmp_path / "model.pt")
    assert os.listdir(tmp_path) == ["model.pt"]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_bombs(method, tmp_path):
    code = OPEN + tensor((1 << 22,), (1,), of=storage(length=1 << 22)) + b"."
    content = archive(code, {"0": bytes(1 << 24)}, method)
    assert len(content) < 1 << 18
    rejected(content, tmp_path, "is compressed")


def test_an_archive_within_an_archive(tmp_path):
    rejected(zipped({"inner.pt": HONEST}), tmp_path, r"no data\.pkl")
    content = zipped({"a/data.pkl": HONEST})
    rejected(content, tmp_path)


def overlapping(count: int) -> bytes:
    """Many entries of the directory that all name the same bytes (a bomb without compression)."""
    body, directory = b"", b""
    content = OPEN + b"N." + bytes(1000)
    name = b"a/data.pkl"
    check = zlib.crc32(content)
    fixed = struct.pack("<HHHHHIII", 20, 0, 0, 0, 0, check, len(content), len(content))
    body = LOCAL + fixed + struct.pack("<HH", len(name), 0) + name + content
    for number in range(count):
        other = name if number == 0 else b"a/data/%03d" % number
        directory += CENTRAL + b"\x14\0" + fixed
        directory += struct.pack("<HHHHHII", len(other), 0, 0, 0, 0, 0, 0) + other
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + END + end


def test_entries_that_overlap(tmp_path):
    rejected(overlapping(100), tmp_path, "declared larger than the file")
    rejected(overlapping(2), tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for content in (b"N.", b"K\1.", b"K\2."):
            made.writestr("a/data.pkl", OPEN + content)
    rejected(file.getvalue(), tmp_path, "same name")


def test_something_before_the_archive_and_after_it(tmp_path):
    """What begins with other bytes is not opened; what follows the end does not count."""
    rejected(b"#!/bin/sh\n" + HONEST, tmp_path, "not a PyTorch file")
    rejected(b"\x7fELF" + bytes(100) + HONEST, tmp_path, "not a PyTorch file")
    (tmp_path / "model.pt").write_bytes(HONEST + HONEST[:40])
    assert kuai.load(tmp_path / "model.pt").tolist() == [[1.0, 2.0], [3.0, 4.0]]
    (tmp_path / "model.pt").write_bytes(HONEST + archive(OPEN + b"K\7."))
    assert kuai.load(tmp_path / "model.pt") == 7  # what stands last counts, and nothing else


@pytest.mark.parametrize("part", range(0, len(HONEST), 37))
def test_cut_off_everywhere(part, tmp_path):
    rejected(HONEST[:part], tmp_path)


# CVE-2025-32434: the old containers under weights_only --------------------------------------------


class Payload:
    def __reduce__(self):
        return open, ("a_file_that_must_not_be_there", "w")


def legacy_tar() -> bytes:
    """PyTorch's format before 0.4, with a payload in the place of its pickle."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as made:
        for name in ("storages", "tensors", "pickle"):
            content = pickle.dumps(1) + pickle.dumps(Payload())
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def legacy_file() -> bytes:
    file = io.BytesIO()
    torch.save({"a": Payload()}, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


OLD = {
    "tar": legacy_tar(),
    "tar in GNU's format": legacy_tar().replace(b"ustar\x0000", b"ustar  \0"),
    "before 1.6": legacy_file(),
    "a bare pickle": pickle.dumps(Payload()),
    "a pickle of protocol 0": pickle.dumps(Payload(), 0),
    "magic numbers first": pickle.dumps(0x1950A86A20F9469CFC6C) + pickle.dumps(Payload()),
}


@pytest.mark.parametrize("kind", OLD)
@pytest.mark.parametrize("weights_only", [True, False, None])
def test_old_containers_are_not_opened(kind, weights_only, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.pt").write_bytes(OLD[kind])
    with pytest.raises(FileFormatError, match="PyTorch"):
        kuai.load(tmp_path / "model.pt", weights_only=weights_only)
    assert os.listdir(tmp_path) == ["model.pt"]


def test_a_torchscript_program_is_not_run(tmp_path):
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(tmp_path / "model.pt"))
    with pytest.raises(UnsafeFileError, match="TorchScript"):
        kuai.load(tmp_path / "model.pt")


def test_modules_and_objects_of_torch_are_refused_by_name(tmp_path):
    for obj in (torch.nn.Linear(1, 1), {"args": Payload()}):
        torch.save(obj, tmp_path / "model.pt")
        with pytest.raises(UnsafeFileError, match="it asks for "):
            kuai.load(tmp_path / "model.pt")


# Memory -------------------------------------------------------------------------------------------

PROGRAM = """
    import resource, sys
    import kuai
    from kuai.errors import FileFormatError

    kuai.ones(4).sum().item()
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + (200 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for path in sys.argv[1:]:
        try:
            kuai.load(path)
        except FileFormatError:
            continue
        sys.exit(f"{path} was loaded")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of this kind are Linux's")
def test_no_memory_is_taken(tmp_path):
    """A process that may take no more than 200 MiB reads files that promise far more."""
    bombs = [
        tensor((1 << 40,), (1,), of=storage(length=1 << 40)),
        tensor((1 << 20, 1 << 20), (0, 0)),
        b"](" + tensor((4, 1 << 22), (1, 0)) * 3 + b"e",
        b"\x8d" + struct.pack("<Q", 1 << 40) + b"a",
        b"](" + (value("a" * 60_000) + b"q\1") + b"h\1" * 10 + b"e\x93",
        b"(" * 100_000 + b"t" * 100_000,
        b"}(" + b"".join(value(n * ((1 << 61) - 1)) + b"N" for n in range(1, 20_000)) + b"u",
    ]
    contents = [archive(OPEN + code + b".", {"0": FOUR}) for code in bombs]
    contents.append(archive(OPEN + b"N.", {"0": bytes(1 << 26)}, zipfile.ZIP_DEFLATED))
    paths = []
    for number, content in enumerate(contents):
        paths.append(str(tmp_path / f"{number}.pt"))
        (tmp_path / f"{number}.pt").write_bytes(content)
    for number, length in enumerate([1 << 30, 1 << 40, (1 << 64) - 1, 99_000_000]):
        paths.append(str(tmp_path / f"{number}.safetensors"))
        (tmp_path / f"{number}.safetensors").write_bytes(struct.pack("<Q", length) + b"{}")
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
