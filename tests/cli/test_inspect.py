"""`kuai inspect`: what it lists, how fast, and what it refuses."""

import json
import os
import subprocess
import sys
import time
import zipfile

import pytest
import torch

import kuai
from kuai.cli import inspecting
from kuai.cli.inspecting import size_text
from kuai.cli.main import main
from tests.cli.test_cli import one_line
from tests.saving.hostile import OPEN, archive, call, storage, tensor


def tied() -> dict:
    w = kuai.ones(4, 2)
    return {"w": w, "again": w, "b": kuai.zeros(3).bfloat16(), "scalar": kuai.tensor(True)}


def listed(path, capsys) -> dict:
    assert main(["inspect", str(path), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.safetensors", "model.safetensors.index.json"])
def test_every_format(name, tmp_path, capsys):
    kuai.save(tied(), tmp_path / name)
    found = listed(tmp_path / name, capsys)
    by_name = {line["name"]: line for line in found["tensors"]}
    assert set(by_name) == set(tied())
    assert by_name["w"]["shape"] == [4, 2] and by_name["w"]["dtype"] == "float32"
    assert by_name["again"]["same_as"] == "w" and by_name["w"]["same_as"] is None
    assert by_name["b"]["nbytes"] == 6 and by_name["scalar"]["shape"] == []
    assert found["nbytes"] == 32 + 6 + 1 and found["elements"] == 8 + 3 + 1


def test_a_file_of_torch(tmp_path, capsys):
    net = torch.nn.BatchNorm1d(3)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    x = torch.arange(6.0)
    content = {
        "net": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "weight": net.weight,
        "views": [x, x[1:].view(5, 1)],
        "epoch": 3,
        "lazy": torch.ones(2, dtype=torch.complex64).conj(),
    }
    torch.save(content, tmp_path / "a.pt")
    found = listed(tmp_path / "a.pt", capsys)
    by_name = {line["name"]: line for line in found["tensors"]}
    assert by_name["weight"]["role"] == "parameter"
    assert by_name["weight"]["same_as"] == "net.weight"
    assert by_name["views.1"]["shares_with"] == "views.0"
    assert by_name["optimizer.state.0.exp_avg"]["shape"] == [3]
    assert found["others"]["epoch"] == "int"
    assert found["others"]["optimizer.param_groups.0.lr"] == "float"


def test_plain_lines_for_a_pipe(tmp_path, capsys):
    kuai.save_file(tied(), tmp_path / "a.safetensors", {"by": "hand\x1b[2J"})
    assert main(["inspect", str(tmp_path / "a.safetensors")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(str(tmp_path)) and "safetensors file" in lines[0]
    assert lines[2].split() == ["w", "float32", "[4,", "2]", "32", "B"]
    assert "4 tensors (1 float32, 1 bfloat16, 1 bool; 1 tied), 12 elements, 39 B" in lines
    assert lines[-1] == "metadata by: hand\\x1b[2J"


def test_a_table_for_a_terminal(tmp_path, capsys, monkeypatch):
    kuai.save({"w[bold]": kuai.ones(2), "e": 1}, tmp_path / "a.pt")
    monkeypatch.setattr(inspecting.sys.stdout, "isatty", lambda: True, raising=False)
    assert main(["inspect", str(tmp_path / "a.pt")]) == 0
    out = capsys.readouterr().out
    assert "w[bold]" in out and "e: int" in out and "─" in out


AWKWARD = {"nothing": {}, "a tensor": kuai.ones(2), "a number": 3, "empty": {"a": kuai.zeros(0, 3)}}


@pytest.mark.parametrize("kind", AWKWARD)
def test_awkward_files(kind, tmp_path, capsys):
    kuai.save(AWKWARD[kind], tmp_path / "a.pt")
    found = listed(tmp_path / "a.pt", capsys)
    assert len(found["tensors"]) == (kind in ("a tensor", "empty"))
    assert main(["inspect", str(tmp_path / "a.pt")]) == 0


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_a_large_file_is_not_read(kind, tmp_path, capsys):
    count = 10 * 10**9 // 4
    path = tmp_path / f"large.{kind}"
    if kind == "safetensors":
        entry = {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}
        text = json.dumps({"w": entry}).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text)
        with open(path, "r+b") as file:
            file.truncate(8 + len(text) + 4 * count)
    else:
        sparse_archive(path, count)
    started = time.process_time()
    found = listed(path, capsys)
    assert time.process_time() - started < 2
    assert found["tensors"][0]["shape"] == [count] and found["file_bytes"] > 4 * count


def sparse_archive(path, count):
    """A PyTorch file of zeros that take up no place on the disk."""
    code = OPEN + tensor((count,), (1,), of=storage(length=count)) + b"."
    with open(path, "w+b") as file:
        with zipfile.ZipFile(file, "w") as entries:
            entries.writestr("archive/data.pkl", code)
            entry = zipfile.ZipInfo("archive/data/0")
            entry.file_size = entry.compress_size = 4 * count
            entry.header_offset = file.tell()
            entry.CRC = 0
            file.write(entry.FileHeader(zip64=True))
            file.seek(4 * count, os.SEEK_CUR)
            entries.filelist.append(entry)
            entries.NameToInfo[entry.filename] = entry
            entries.start_dir = file.tell()
            entries._didModify = True


def test_hostile_files(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pt"
    path.write_bytes(archive(OPEN + call("os.system", "touch there") + b"."))
    assert main(["inspect", str(path)]) == 1
    one_line(capsys.readouterr().err, str(path), "was not loaded", "os.system")
    assert os.listdir(tmp_path) == ["a.pt"]
    shared = b"]q\1" + b"".join(b"h%c\x86q%c" % (k, k + 1) for k in range(1, 60))  # 2**59 values
    path.write_bytes(archive(OPEN + shared + b"."))
    assert main(["inspect", str(path)]) == 1
    one_line(capsys.readouterr().err, str(path), "was not loaded")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04broken", b"\xff" * 8 + b"{"])
@pytest.mark.parametrize("name", ["a.pt", "a.safetensors", "a.safetensors.index.json"])
def test_bad_files(content, name, tmp_path, capsys):
    (tmp_path / name).write_bytes(content)
    assert main(["inspect", str(tmp_path / name)]) == 1
    one_line(capsys.readouterr().err, str(tmp_path / name))


def test_missing_files(tmp_path, capsys):
    for path in (tmp_path / "no.pt", tmp_path / "no.safetensors", tmp_path):
        assert main(["inspect", str(path)]) == 1
        one_line(capsys.readouterr().err, str(path))


def test_piped_for_real(tmp_path):
    kuai.save(tied(), tmp_path / "a.pt")
    command = "import sys; from kuai.cli.main import main; sys.exit(main())"
    found = subprocess.run(
        [sys.executable, "-c", command, "inspect", str(tmp_path / "a.pt")],
        env={**os.environ, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0 and not found.stderr
    assert "\x1b" not in found.stdout and "again" in found.stdout


def test_size_text():
    sizes = [0, 999, 1000, 999_949, 10**9, 10**16]
    assert [size_text(n) for n in sizes] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "999.9 kB",
        "1.0 GB",
        "10000.0 TB",
    ]


def verify(path, capsys, *flags):
    status = main(["inspect", str(path), "--verify", *flags])
    return status, capsys.readouterr()


def flip(path, needle):
    content = bytearray(path.read_bytes())
    content[bytes(content).index(needle)] ^= 1
    path.write_bytes(content)


def test_verify(tmp_path, capsys):
    ones = b"\0\0\x80?" * 30
    tensors = {"a": kuai.ones(30), "b": kuai.zeros(5)}
    kuai.save(tensors, tmp_path / "a.pt")
    kuai.save(tensors, tmp_path / "a.safetensors")
    kuai.Checkpointer(tmp_path, asynchronous=False, state=tensors).save(1)
    step = tmp_path / "step-00000001.safetensors"
    for path, text in {
        tmp_path / "a.pt": "verified: all 2 tensors have their checksums",
        tmp_path / "a.safetensors": "verified: the file is whole, but has no checksums",
        step: "tensors have their checksums",
    }.items():
        status, found = verify(path, capsys)
        assert status == 0 and text in found.out.splitlines()[-1]
    status, found = verify(tmp_path / "a.pt", capsys, "--json")
    assert json.loads(found.out)["verified"] == {"intact": 2, "unknown": 0}
    for path, name in ((tmp_path / "a.pt", "'a'"), (step, "'state.a'")):
        flip(path, ones)
        status, found = verify(path, capsys)
        assert status == 1 and found.out == ""
        one_line(found.err, str(path), f"{name} does not have its checksum")
    name = "\x1b[31m" + "k" * 1000
    kuai.save({name: kuai.ones(30)}, tmp_path / "a.pt")
    flip(tmp_path / "a.pt", ones)
    status, found = verify(tmp_path / "a.pt", capsys)
    one_line(found.err, r"'\x1b[31mkkk", "kkk' does not have its checksum")
    assert len(found.err) < 500 + len(str(tmp_path))
    flip(step, b"state.b")
    status, found = verify(step, capsys)
    assert status == 1
    one_line(found.err, str(step), "checksum")
