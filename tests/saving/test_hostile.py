"""Hostile and broken files: an error with the file's name, nothing run, no memory taken."""

import argparse
import io
import os
import pickle
import tarfile
import tracemalloc
import zipfile

import pytest

import kuai
from kuai.errors import BrokenFileError, FileFormatError, UnsafeFileError
from kuai.saving.limits import MAX_DEPTH
from tests.saving.hostile import FOUR, HOOKS, OPEN, archive, call, name, storage, tensor, value

MARKER = "a_file_that_must_not_be_there"
COMMAND = f"touch {MARKER}"
TENSOR = name("torch._utils._rebuild_tensor_v2")


def load(content: bytes, folder, **options):
    path = folder / "model.pt"
    path.write_bytes(content)
    return kuai.load(path, **options)


REFUSED = {
    "os.system by GLOBAL": call("os.system", COMMAND),
    "posix.system": call("posix.system", COMMAND),
    "builtins.eval": call("builtins.eval", "1"),
    "__builtin__.getattr": call("__builtin__.getattr", "a", "b"),
    "numpy": call("numpy._core.multiarray._reconstruct", "a"),
    "a name of torch": call("torch.load", "x"),
    "a method by a dotted name": call("collections.OrderedDict.fromkeys", "ab"),
    "an unknown dtype": name("torch.qint8"),
    "os.system by STACK_GLOBAL": value("os") + value("system") + b"\x93" + value((COMMAND,)) + b"R",
    "a name that is no string": value("os") + value(1) + b"\x93",
    "os.system by INST": b"(" + value(COMMAND) + b"ios\nsystem\n",
    "os.system by OBJ": b"(" + name("torch.Size") + value(COMMAND) + b"o",
    "NEWOBJ": name("collections.OrderedDict") + b")\x81",
    "NEWOBJ_EX": name("collections.OrderedDict") + b")}\x92",
    "an extension code": b"\x82\x01",
    "persistent identity as text": b"Pabc\n",
    "text instructions": b"I1\n",
    "a call of a value": value("x") + value(()) + b"R",
    "a call of a dtype": name("torch.float32") + b")R",
    "arguments that are no tuple": name("torch.Size") + value([1]) + b"R",
    "SETITEM on a list": b"]" + value(1) + value(2) + b"s",
    "SETITEM on a tensor": tensor() + value(0) + value(2) + b"s",
    "SETITEM on a string": value("ab") + value(0) + value("c") + b"s",
    "SETITEMS on a function": TENSOR + b"(" + value("a") + value(2) + b"u",
    "APPEND to a dict": b"}" + value(1) + b"a",
    "APPEND to a tensor": tensor() + value(1) + b"a",
    "APPENDS to a tuple": b")(" + value(1) + b"e",
    "ADDITEMS to a list": b"](" + value(1) + b"\x90",
    "BUILD of a tensor": tensor() + value({"_storage": 1}) + b"b",
    "BUILD of a dict": b"}" + value({"a": 1}) + b"b",
    "BUILD with attributes": HOOKS + value({"items": 1}) + b"b",
    "BUILD with a metadata of another type": HOOKS + value({"_metadata": 1}) + b"b",
    "a list as a key": b"}]" + value(1) + b"s",
    "a tensor as a key": b"}" + tensor() + value(1) + b"s",
    "nested tuples as a key": b"}" + value(((1,),)) + value(1) + b"s",
    "a function as the result": TENSOR,
    "a storage as the result": storage(),
    "a function in a list": b"]" + TENSOR + b"a",
    "hooks": tensor(hooks=HOOKS + value("a") + value(1) + b"s"),
    "hooks that are no dict": tensor(hooks=value("hooks")),
    "a tensor on a number": tensor(of=value(3)),
    "a storage that is no tuple": tensor(of=value("storage") + b"Q"),
    "a storage of another form": tensor(of=value(("storage", 1)) + b"Q"),
    "a storage of type dtype": tensor(of=storage(kind="torch.float32")),
    "a storage longer than its bytes": tensor(of=storage(length=5)),
    "a storage far longer": tensor((1 << 40,), (1,), of=storage(length=1 << 40)),
    "a storage shorter than its bytes": tensor((1,), (1,), of=storage(length=1)),
    "a negative length": tensor(of=storage(length=-4)),
    "a storage of other elements": tensor(of=storage(kind="torch.DoubleStorage")),
    "a storage without a type": tensor(of=storage(kind="torch.storage.UntypedStorage", length=16)),
    "too many rows": tensor((3, 2)),
    "strides that lead outside": tensor((2, 2), (3, 1)),
    "huge strides": tensor((2, 2), (1 << 62, 1)),
    "negative strides": tensor((2, 2), (-2, 1), 2),
    "too few strides": tensor((2, 2), (1,)),
    "a negative offset": tensor(offset=-1),
    "an offset that leads outside": tensor(offset=1),
    "a huge offset": tensor(offset=1 << 70),
    "a huge empty tensor": tensor((0, 1 << 60), (1, 1)),
    "huge empty dimensions": tensor((0, 1 << 40, 1 << 40), (1, 1, 1)),
    "a size that is no number": tensor(("2", 2)),
    "a size that is a bool": tensor((True, True), (1, 1)),
    "a size that is a list": tensor([2, 2]),
    "too many dimensions": tensor((1,) * 65, (1,) * 65),
    "an enormous expansion": tensor((1 << 20, 1 << 20), (0, 0)),
    "requires_grad that is no bool": tensor(requires_grad=1),
    "a gradient of integers": tensor(of=storage(kind="torch.IntStorage"), requires_grad=True),
    "two element types": b"]"
    + tensor()
    + b"a"
    + tensor(of=storage(kind="torch.IntStorage"))
    + b"a",
    "a Counter of strings": call("collections.Counter", {"a": "b"}),
    "a set of lists": call("__builtin__.set", [[1]]),
    "encode into another encoding": call("_codecs.encode", "a", "rot13"),
    "encode what is no byte": call("_codecs.encode", "块", "latin1"),
    "a device that is none": call("torch.device", "nowhere"),
    "protocol 9": b"\x80\x09N",
    "a list in itself": b"]q\0h\0a",
    "a dict in itself": b"}q\x09" + value("a") + b"h\x09s",
    "deep lists": b"]" * 5000 + b"a" * 4999,
    "deep tuples": b")" + b"\x85" * 5000,
    "one step too deep": b"]" * (MAX_DEPTH + 1) + b"a" * MAX_DEPTH,
    "copies of copies": value("a" * 500_000)
    + b"q\x07"
    + (name("_codecs.encode") + b"h\x07" + value("latin1") + b"\x86R") * 200,
}
BROKEN = {
    "nothing": b"",
    "no value": OPEN + b".",
    "a value too many": OPEN + b"NN.",
    "an open mark": OPEN + b"(N.",
    "no end": OPEN + b"N",
    "a missing mark": OPEN + b"t.",
    "too few values": OPEN + b"\x86.",
    "values below a mark": OPEN + b"N(\x85.",
    "a memory that is empty": OPEN + b"h\0.",
    "a string that is cut off": OPEN + b"X\xff\xff\xff\x7fab",
    "an integer that is cut off": OPEN + b"\x8b\xff\xff\xff\x7f",
    "an unknown instruction": OPEN + b"\xff.",
    "no such storage": OPEN + tensor(of=storage(key="../0")) + b".",
    "a key without a value": OPEN + b"}(Nu.",
}


def test_the_kit_makes_honest_files_too(tmp_path):
    content = archive(OPEN + tensor() + b".", {"0": FOUR})
    assert load(content, tmp_path).tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsafeFileError, match=r"model\.pt was not loaded: ") as raised:
        load(archive(OPEN + REFUSED[kind] + b".", {"0": FOUR}), tmp_path)
    assert isinstance(raised.value, (RuntimeError, pickle.UnpicklingError))
    assert os.listdir(tmp_path) == ["model.pt"]


def test_the_refused_name_is_named(tmp_path):
    with pytest.raises(UnsafeFileError, match=r"it asks for os\.system"):
        load(archive(OPEN + call("os.system", COMMAND) + b"."), tmp_path)


@pytest.mark.parametrize("kind", BROKEN)
def test_broken(kind, tmp_path):
    with pytest.raises(BrokenFileError, match=r"model\.pt is not a complete PyTorch file \("):
        load(archive(BROKEN[kind], {"0": FOUR}), tmp_path)


def test_nothing_large_is_made(tmp_path):
    large = ["a storage far longer", "an enormous expansion", "copies of copies"]
    tracemalloc.start()
    try:
        for kind in large:
            with pytest.raises(UnsafeFileError):
                load(archive(OPEN + REFUSED[kind] + b".", {"0": FOUR}), tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 400 << 20
    finally:
        tracemalloc.stop()


# The container ------------------------------------------------------------------------------------


def zipped(names, compression=zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as entries:
        for name in names:
            entries.writestr(zipfile.ZipInfo(name), b"N.", compression)
    return file.getvalue()


@pytest.mark.parametrize(
    "names",
    [
        ["a/data.pkl", "a/../b"],
        ["a/data.pkl", "/etc/passwd"],
        ["a/data.pkl", "a/..\\b"],
        ["a/data.pkl", "C:/b"],
        ["a/data.pkl", "b/data"],
        ["a/data.pkl", "a/constants.pkl"],
    ],
)
def test_names_of_entries(names, tmp_path):
    with pytest.raises(UnsafeFileError, match=r"model\.pt was not loaded"):
        load(zipped(names), tmp_path)


def test_containers_of_another_kind(tmp_path):
    bomb = archive(OPEN + tensor() + b".", {"0": bytes(1 << 20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(UnsafeFileError, match="is compressed"):
        load(bomb, tmp_path)
    with pytest.raises(UnsafeFileError, match="big-endian"):
        load(archive(OPEN + b"N.", byteorder=b"big"), tmp_path)
    for names in (["data.pkl"], ["a/b"], ["a/data.pkl", "b/data.pkl"]):
        with pytest.raises(BrokenFileError, match=r"no data\.pkl"):
            load(zipped(names), tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name(tmp_path):
    with pytest.raises(UnsafeFileError, match="same name"):
        load(zipped(["a/data.pkl", "a/data.pkl"]), tmp_path)


def test_the_oldest_format_says_how_to_convert(tmp_path):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as entries:
        entries.addfile(tarfile.TarInfo("storages"))
    with pytest.raises(FileFormatError, match=r"Convert it once with PyTorch: torch\.save"):
        load(tar.getvalue(), tmp_path)


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "it is empty"),
        (b"text", "other bytes"),
        (pickle.dumps([1]), "bare pickle"),
        (b"\2\0\0\0\0\0\0\0{}", "safetensors"),
    ],
)
def test_other_files(content, reason, tmp_path):
    with pytest.raises(FileFormatError, match=reason):
        load(content, tmp_path)


@pytest.mark.parametrize("weights_only", [True, False, None])
def test_weights_only_changes_nothing(weights_only, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = archive(OPEN + value({"loss": 0.5}) + b".")
    assert load(plain, tmp_path, weights_only=weights_only) == {"loss": 0.5}
    with pytest.raises(UnsafeFileError, match="asks for"):
        load(archive(OPEN + REFUSED["posix.system"] + b"."), tmp_path, weights_only=weights_only)
    assert not os.path.exists(MARKER)


def new_object(text, state):
    return name(text) + b")\x81" + state + b"b"


def test_the_arguments_of_a_program(tmp_path):
    code = new_object("argparse.Namespace", value({"lr": 0.1, "sizes": [1, 2]}))
    found = load(archive(OPEN + code + b"."), tmp_path)
    assert type(found) is argparse.Namespace and vars(found) == {"lr": 0.1, "sizes": [1, 2]}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (new_object("argparse.Namespace", value({"__class__": 1})), "no argument can have"),
        (new_object("argparse.Namespace", value({1: 1})), "no argument can have"),
        (new_object("argparse.Namespace", value([1])), "the state of an object"),
        (call("argparse.Namespace", 1), "other arguments"),
        (name("collections.OrderedDict") + b")\x81", "makes an object of a Builder"),
        (value("a") + b")\x81", "makes an object of a str"),
        (name("argparse.Namespace") + value(1) + b"\x81", "the arguments of a call"),
    ],
    ids=["dunder", "number", "list", "called", "other", "string", "no tuple"],
)
def test_arguments_of_a_program_that_are_none(code, text, tmp_path):
    with pytest.raises((UnsafeFileError, BrokenFileError), match=text):
        load(archive(OPEN + code + b"."), tmp_path)


def test_text_files(tmp_path):
    path = tmp_path / "text"
    path.write_text("text")
    with path.open() as file, pytest.raises(TypeError, match="binary mode"):
        kuai.load(file)
