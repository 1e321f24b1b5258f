"""Files of other kinds, and what Kuai does not have: called by name, with the way on."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import socket
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import torch

import kuai
from kuai.cli.main import main
from kuai.errors import FileFormatError, UnsafeFileError
from kuai.saving.converting import convert
from kuai.saving.kinds import kind_of
from kuai.saving.listing import list_file
from kuai.saving.verifying import verify
from tests.cli.test_cli import one_line
from tests.saving.hostile import FOUR, OPEN, archive, call, storage, tensor, value


def made_by(write) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def tar_of(name: str) -> bytes:
    def write(file):
        with tarfile.open(fileobj=file, mode="w") as made:
            made.addfile(tarfile.TarInfo(name))

    return made_by(write)


def zip_of(*names: str) -> bytes:
    def write(file):
        with zipfile.ZipFile(file, "w") as made:
            for name in names:
                made.writestr(name, b"{}")

    return made_by(write)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
KINDS = {
    "compressed with gzip": gzip.compress(b"a" * 100),
    "compressed with bzip2": bz2.compress(b"a" * 100),
    "compressed with xz": lzma.compress(b"a" * 100),
    "compressed with zstd": b"\x28\xb5\x2f\xfd" + bytes(20),
    "a 7z archive": b"7z\xbc\xaf\x27\x1c" + bytes(20),
    "a GGUF file, ": b"GGUF\x03\0\0\0{" + bytes(20),  # of 123 tensors, and 123 is "{"
    "a GGUF file": b"GGUF\x03\0\0\0" + bytes(20),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(20),
    "a NumPy array": made_by(lambda file: np.save(file, np.ones(3))),
    "an HTML page": b"\n<!DOCTYPE html>\n<html><head>",
    "an HTML page, ": b"\xef\xbb\xbf<HTML lang='en'>" + bytes(20),
    "an XML text": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "a git-lfs pointer": LFS,
    "JSON, not tensors": b'{"error": "Repository not found"}',
    "a tar archive": tar_of("weights.pt"),
}


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_are_called_by_their_names(kind, ending, tmp_path, capsys):
    path = tmp_path / f"model{ending}"
    path.write_bytes(KINDS[kind])
    for read in (kuai.load, list_file):
        with pytest.raises(FileFormatError, match=rf"model{ending} is not .*{kind}"):
            read(path)
    assert main(["inspect", str(path)]) == 1
    one_line(capsys.readouterr().err, kind)


ZIPS = {
    r"NumPy archive \(\.npz\)": made_by(lambda file: np.savez(file, a=np.ones(2), b=np.ones(3))),
    r"Use kuai\.load_exported": zip_of("manifest.json", "program.jax", "weights.safetensors"),
    "Unpack it first": zip_of("model/weights.pt", "model/config.json"),
    "another kind of zip file": zip_of("word/document.xml"),
}


@pytest.mark.parametrize("kind", ZIPS)
def test_zip_files_of_other_kinds(kind, tmp_path):
    (tmp_path / "model.pt").write_bytes(ZIPS[kind])
    with pytest.raises(FileFormatError, match=rf"model\.pt .*{kind}"):
        kuai.load(tmp_path / "model.pt")


@pytest.mark.parametrize("kind", [*KINDS, "nothing"])
def test_exports_of_other_kinds(kind, tmp_path):
    path = tmp_path / "net.zip"
    path.write_bytes(KINDS.get(kind, b""))
    kind = "it is empty" if kind == "nothing" else kind
    with pytest.raises(FileFormatError, match=rf"net\.zip is not a program .*{kind}"):
        kuai.load_exported(path)


def test_bytes_of_no_kind():
    assert kind_of(b"something else") is None
    assert kind_of(bytes(600)) is None


# Names that say something else --------------------------------------------------------------------


def test_a_pytorch_file_that_is_named_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    torch.save({"w": torch.ones(2)}, path)
    for load in (kuai.load, kuai.load_file, kuai.safe_open):
        with pytest.raises(
            FileFormatError, match=r"is a PyTorch file.* ends in \.pt, or .*convert"
        ):
            load(path)
    assert [line.name for line in list_file(path).tensors] == ["w"]
    assert main(["convert", str(path), str(tmp_path / "new.safetensors")]) == 0
    assert kuai.load(tmp_path / "new.safetensors")["w"].tolist() == [1, 1]


def test_a_safetensors_file_that_is_named_pt(tmp_path):
    kuai.save_file({"w": kuai.ones(2)}, tmp_path / "w.safetensors")
    (tmp_path / "w.safetensors").rename(tmp_path / "w.pt")
    with pytest.raises(FileFormatError, match=r"load it with kuai\.load_file"):
        kuai.load(tmp_path / "w.pt")
    assert kuai.load_file(tmp_path / "w.pt")["w"].tolist() == [1, 1]


# Tensors that Kuai does not have ------------------------------------------------------------------

BYTES = torch.zeros(2, dtype=torch.uint8)
FOREIGN = {
    "dequantize": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8),
    r"to\(torch\.complex64": lambda: torch.ones(2).to(torch.complex32),
    r"view\(torch\.uint8": lambda: BYTES.view(torch.float4_e2m1fn_x2),
    r"view\(torch\.uint8 ": lambda: BYTES.view(torch.bits8),
    "to_padded_tensor": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "a tensor with values": lambda: torch.ones(2, device="meta"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("remedy", FOREIGN)
def test_foreign_tensors_are_named_with_what_to_call(remedy, tmp_path):
    obj = {"first": torch.ones(1), "net": {"bias": torch.ones(1), "weight": FOREIGN[remedy]()}}
    torch.save(obj, tmp_path / "model.pt")
    for read in (kuai.load, list_file, lambda path: convert(path, tmp_path / "b.pt")):
        with pytest.raises(UnsafeFileError, match=f"'net.weight' is .*{remedy.strip()}"):
            read(tmp_path / "model.pt")


@pytest.mark.filterwarnings("ignore")
def test_the_place_is_named_in_lists_and_dicts_of_one(tmp_path):
    foreign = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8)
    for obj, place in [
        ([torch.ones(1), foreign], "'1'"),
        ({"a": {"b": {"c": foreign}}}, "'a.b.c'"),
        ({"state": {0: {"step": 1}, 1: {"exp_avg": foreign}}}, "'state.1.exp_avg'"),
        ({"a": [1], "x": [{"y": foreign}]}, "'x.0.y'"),
        ({"a": torch.ones(2), "b": {"c": torch.ones(2), "d": foreign}}, "'b.d'"),
        ([torch.ones(1), {"a": foreign}], "'1.a'"),
        ((1, foreign), "a tensor in it"),
        (foreign, "a tensor in it"),
    ]:
        torch.save(obj, tmp_path / "model.pt")
        with pytest.raises(UnsafeFileError, match=f": {place} is quantised"):
            kuai.load(tmp_path / "model.pt")


@pytest.mark.filterwarnings("ignore")
def test_sparse_tensors_are_read_but_neither_listed_nor_converted(tmp_path):
    for made in (torch.eye(3).to_sparse(), torch.eye(3).to_sparse_csr()):
        torch.save({"net": {"weight": made}}, tmp_path / "model.pt")
        read = kuai.load(tmp_path / "model.pt")["net"]["weight"]
        assert read.to_dense().tolist() == kuai.eye(3).tolist()
        for refuse in (list_file, lambda path: convert(path, tmp_path / "b.pt")):
            with pytest.raises(UnsafeFileError, match=r"'net\.weight' is sparse.*to_dense"):
                refuse(tmp_path / "model.pt")


def test_what_is_no_tensor_is_placed_too(tmp_path):
    code = b"}" + value("run") + b"}" + value("args") + call("types.SimpleNamespace") + b"ss"
    (tmp_path / "model.pt").write_bytes(archive(OPEN + code + b"."))
    with pytest.raises(UnsafeFileError, match=r"types\.SimpleNamespace at 'run\.args'\. "):
        kuai.load(tmp_path / "model.pt")


def test_foreign_element_types_of_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    text = b'{"net.weight":{"dtype":"F4","shape":[8],"data_offsets":[0,4]}}'
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    way = r"'net\.weight' is of F4, .*tensor\.view\(torch\.uint8\)"
    with pytest.raises(FileFormatError, match=way):
        kuai.load(path)
    with kuai.safe_open(path) as file, pytest.raises(FileFormatError, match=way):
        file.get_tensor("net.weight")
    with pytest.raises(TypeError, match=way):
        convert(path, tmp_path / "model.pt")
    assert list_file(path).tensors[0].dtype == "F4"


# Devices of other machines ------------------------------------------------------------------------


def test_a_device_of_another_machine_is_loaded_as_it_is(tmp_path):
    torch.save({"w": torch.ones(2), "at": torch.device("mps")}, tmp_path / "model.pt")
    at = kuai.load(tmp_path / "model.pt")["at"]
    assert (str(at), at.type, at.index) == ("mps", "mps", None)
    assert repr(at) == repr(torch.device("mps")) and at == kuai.load(tmp_path / "model.pt")["at"]
    with pytest.raises(RuntimeError, match="not linked with support for mps"):
        kuai.ones(1).to(at)
    kuai.save(at, tmp_path / "again.pt")
    assert torch.load(tmp_path / "again.pt") == torch.device("mps")


def test_tensors_of_another_machine_need_map_location(tmp_path):
    code = b"}(" + value("w") + tensor(of=storage(place="mps:0"))
    code += value("at") + call("torch.device", "mps", 0) + b"u"
    (tmp_path / "model.pt").write_bytes(archive(OPEN + code + b".", {"0": FOUR}))
    with pytest.raises(FileFormatError, match="map_location='cpu'"):
        kuai.load(tmp_path / "model.pt")
    found = kuai.load(tmp_path / "model.pt", map_location="cpu")
    assert found["w"].tolist() == [[1, 2], [3, 4]] and str(found["at"]) == "mps:0"


# What is no file ----------------------------------------------------------------------------------

KEPT = "step-00000001.safetensors"
READERS = [kuai.load, kuai.load_file, kuai.load_exported, kuai.safe_open, list_file]


@pytest.mark.skipif(os.name == "nt", reason="pipes have no such names there")
@pytest.mark.parametrize("ending", [".pt", ".safetensors", ".safetensors.index.json", ".zip"])
def test_pipes_are_refused_by_name(ending, tmp_path):
    path = tmp_path / f"model{ending}"
    os.mkfifo(path)
    for read in READERS:
        with pytest.raises(FileFormatError, match=rf"model{ending} is a pipe, .*a file first"):
            read(path)


@pytest.mark.skipif(os.name == "nt", reason="pipes have no such names there")
def test_pipes_in_place_of_parts_are_refused_by_name(tmp_path):
    kuai.save_file({"a": kuai.ones(9), "b": kuai.ones(9)}, tmp_path, max_shard_size=40)
    kuai.Checkpointer(tmp_path / "run", a=[1], asynchronous=False).save(1)
    part, step = tmp_path / "model-00002-of-00002.safetensors", tmp_path / "run" / KEPT
    for path in (part, step):
        path.unlink()
        os.mkfifo(path)
    for read in (kuai.load_file, kuai.safe_open, list_file, verify):
        with pytest.raises(FileFormatError, match=f"{part.name} is a pipe"):
            read(tmp_path)
    with pytest.raises(FileFormatError, match=f"{KEPT} is a pipe"):
        kuai.Checkpointer(tmp_path / "run", a=[1]).restore()


@pytest.mark.skipif(os.name == "nt", reason="pipes have no such names there")
def test_saving_beside_pipes_waits_for_nobody(tmp_path):
    for name in ("other.safetensors.index.json", "model-00001-of-00002.safetensors"):
        os.mkfifo(tmp_path / name)
    for number in (1.0, 2.0):
        kuai.save_file(
            {name: kuai.full((9,), number) for name in "ab"}, tmp_path, max_shard_size=40
        )
    os.unlink(tmp_path / "other.safetensors.index.json")
    assert kuai.load_file(tmp_path)["b"].tolist() == [2.0] * 9
    assert (tmp_path / "model-00001-of-00002.safetensors").is_fifo()


@pytest.mark.skipif(os.name == "nt", reason="these have no such names there")
def test_devices_and_sockets_are_refused_by_name(tmp_path):
    with pytest.raises(FileFormatError, match="/dev/zero is a device"):
        kuai.load("/dev/zero")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s"))
        with pytest.raises(FileFormatError, match="is a socket"):
            kuai.load(tmp_path / "s")


@pytest.mark.skipif(os.name == "nt", reason="/dev/stdin is not there")
def test_standard_input_that_is_a_pipe(tmp_path):
    code = "import sys; from kuai.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "inspect", "/dev/stdin"], input=b"PK", capture_output=True
    )
    assert done.returncode == 1
    one_line(done.stderr.decode(), "/dev/stdin is a pipe")


def test_an_empty_path_is_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    kuai.save_file({"w": kuai.ones(1)}, "model.safetensors")
    before = sorted(os.listdir())
    for use in (*READERS, kuai.Checkpointer, lambda path: kuai.save([1], path)):
        with pytest.raises(FileNotFoundError):
            use("")
    with pytest.raises(FileNotFoundError):
        kuai.save_file({"w": kuai.ones(1)}, "", max_shard_size="1GB")
    for arguments in (
        ["inspect", ""],
        ["convert", "", "b.pt"],
        ["convert", "model.safetensors", ""],
    ):
        assert main(arguments) == 1
        one_line(capsys.readouterr().err, "'': No such file")
    with pytest.raises(SystemExit):
        main(["train", "lenet", "--out", ""])
    one_line(capsys.readouterr().err, "--out", "the name of a folder")
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("start", [b"", b"x", b"<html>", b"\x80\x02."])
def test_what_is_no_file_of_tensors_raises_what_programs_catch(start):
    expected = pickle.UnpicklingError if start else EOFError
    with pytest.raises(expected, match="not a PyTorch file") as caught:
        kuai.load(io.BytesIO(start))
    assert isinstance(caught.value, FileFormatError)
    with pytest.raises(expected):
        torch.load(io.BytesIO(start), weights_only=False)
