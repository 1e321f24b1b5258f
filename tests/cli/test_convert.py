"""`kuai convert`: every format into every other, and what it refuses."""

import io
import os

import pytest
import safetensors
import torch
from rich.console import Console

import kuai
from kuai.cli import converting
from kuai.cli.main import main
from kuai.saving import load_metadata
from kuai.saving.converting import convert
from kuai.saving.safetensors_format import CODE_OF_DTYPE
from tests.cli.test_cli import one_line
from tests.saving.hostile import OPEN, archive, call
from tests.saving.test_sharded import same

TARGETS = ["b.pt", "b.pth", "b.safetensors", "b.safetensors.index.json"]


def state() -> dict:
    found = {kind.name: kuai.tensor([0, 1, 1]).to(kind) for kind in CODE_OF_DTYPE}
    found |= {"scalar": kuai.tensor(1.5), "nothing": kuai.zeros(0, 2), "a/块.b": kuai.ones(2, 3)}
    found["tied"] = found["float32"]
    return found


def run(*arguments) -> int:
    return main(["convert", *map(str, arguments)])


@pytest.mark.parametrize("source", ["a.pt", "a.safetensors", "a.safetensors.index.json"])
@pytest.mark.parametrize("target", TARGETS)
def test_every_format_into_every_other(source, target, tmp_path, capsys):
    kuai.save(state(), tmp_path / source)
    assert run(tmp_path / source, tmp_path / target) == 0
    assert "tensors" in capsys.readouterr().out
    found = kuai.load(tmp_path / target)
    expected = {name: state()[name] for name in found}
    assert set(found) == set(state())
    same(found, expected)
    found["tied"].zero_()
    assert found["float32"].tolist() == [0, 0, 0]


def test_the_others_read_it(tmp_path):
    theirs = {"a": torch.arange(6.0).view(2, 3).t(), "b": torch.ones(2).bfloat16()}
    torch.save(theirs, tmp_path / "a.pt")
    assert run(tmp_path / "a.pt", tmp_path / "b.safetensors") == 0
    with safetensors.safe_open(tmp_path / "b.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
        for name, tensor in theirs.items():
            assert torch.equal(file.get_tensor(name), tensor)
    assert run(tmp_path / "b.safetensors", tmp_path / "c.pt") == 0
    found = torch.load(tmp_path / "c.pt", weights_only=True)
    for name, tensor in theirs.items():
        assert torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype


def test_between_pytorch_files_everything_stays(tmp_path):
    weight = torch.nn.Parameter(torch.ones(2))
    content = {"w": weight, "n": {"tied": weight.detach(), "epoch": 3}, "c": kuai_buffer()}
    torch.save(content, tmp_path / "a.pt")
    assert run(tmp_path / "a.pt", tmp_path / "b.pt", "--dtype", "bfloat16") == 0
    found = torch.load(tmp_path / "b.pt", weights_only=True)
    assert isinstance(found["w"], torch.nn.Parameter) and found["w"].requires_grad
    assert found["w"].dtype is torch.bfloat16 and found["n"]["epoch"] == 3
    assert found["w"].data_ptr() == found["n"]["tied"].data_ptr()
    assert isinstance(found["c"], torch.nn.Buffer)


def kuai_buffer():
    return torch.nn.Buffer(torch.zeros(2, dtype=torch.int64))


def test_into_a_folder_in_parts(tmp_path, capsys):
    kuai.save({f"w{k}": kuai.ones(10) for k in range(4)}, tmp_path / "a.pt")
    folder = tmp_path / "out"
    folder.mkdir()
    assert run(tmp_path / "a.pt", folder, "--max-shard-size", "80") == 0
    assert len(os.listdir(folder)) == 3
    assert "4 tensors" in capsys.readouterr().out
    assert list(kuai.load(folder)) == ["w0", "w1", "w2", "w3"]
    assert run(tmp_path / "a.pt", folder) == 1
    one_line(capsys.readouterr().err, "is there already", "--force")
    assert run(tmp_path / "a.pt", folder, "--force") == 0
    assert os.listdir(folder) == ["model.safetensors"]


def test_views_and_values_are_spoken_of(tmp_path, capsys):
    x = kuai.arange(6.0)
    kuai.save({"x": x, "view": x[2:], "epoch": 3, "deep": {"y": [kuai.ones(1)]}}, tmp_path / "a.pt")
    assert run(tmp_path / "a.pt", tmp_path / "b.safetensors") == 1
    one_line(capsys.readouterr().err, "'epoch'", "--tensors-only")
    assert os.listdir(tmp_path) == ["a.pt"]
    assert run(tmp_path / "a.pt", tmp_path / "b.safetensors", "--tensors-only") == 0
    err = capsys.readouterr().err
    assert "left out: 'epoch'" in err and "'view'" in err
    found = kuai.load(tmp_path / "b.safetensors")
    assert list(found) == ["x", "view", "deep.y.0"] and found["view"].tolist() == [2, 3, 4, 5]


def test_metadata(tmp_path, capsys):
    kuai.save_file({"a": kuai.ones(1)}, tmp_path / "a.safetensors", {"by": "hand"})
    assert run(tmp_path / "a.safetensors", tmp_path / "b.safetensors.index.json") == 0
    assert load_metadata(tmp_path / "b.safetensors.index.json") == {"by": "hand"}
    assert run(tmp_path / "a.safetensors", tmp_path / "b.pt") == 0
    assert "left out: metadata 'by'" in capsys.readouterr().err


def test_dtype(tmp_path, capsys):
    kuai.save({"a": kuai.tensor([1.0, 1e30]), "n": kuai.arange(2)}, tmp_path / "a.pt")
    assert run(tmp_path / "a.pt", tmp_path / "b.safetensors", "--dtype", "float16") == 0
    assert "'a' has values too large for float16" in capsys.readouterr().err
    found = kuai.load(tmp_path / "b.safetensors")
    assert found["a"].dtype is kuai.float16 and found["n"].dtype is kuai.int64


def test_what_does_not_fit(tmp_path, capsys):
    kuai.save({"c": kuai.ones(1).to(kuai.complex128)}, tmp_path / "a.pt")
    assert run(tmp_path / "a.pt", tmp_path / "b.safetensors") == 1
    one_line(capsys.readouterr().err, "'c'", "complex128")
    kuai.save({"a.b": kuai.ones(1), "a": {"b": kuai.ones(1)}}, tmp_path / "a.pt")
    assert run(tmp_path / "a.pt", tmp_path / "b.safetensors") == 1
    one_line(capsys.readouterr().err, "two tensors", "'a.b'")
    assert run(tmp_path / "a.pt", tmp_path / "b.txt") == 1
    one_line(capsys.readouterr().err, "to what format?")
    assert run(tmp_path / "a.pt", tmp_path / "b.pt", "--max-shard-size", "1GB") == 1
    one_line(capsys.readouterr().err, "only safetensors")
    assert os.listdir(tmp_path) == ["a.pt"]
    for flags in (["--max-shard-size", "much"], ["--dtype", "int8"]):
        with pytest.raises(SystemExit) as exit_:
            run(tmp_path / "a.pt", tmp_path / "b.pt", *flags)
        assert exit_.value.code == 2
        one_line(capsys.readouterr().err)


@pytest.mark.parametrize("target", ["b.pt", "b.safetensors", "b.safetensors.index.json"])
def test_broken_hostile_and_interrupted(target, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pt").write_bytes(archive(OPEN + call("os.system", "touch there") + b"."))
    assert run("a.pt", target) == 1
    one_line(capsys.readouterr().err, "a.pt was not loaded")
    kuai.save({"a": kuai.ones(1000), "b": kuai.zeros(1000)}, "a.pt")
    content = (tmp_path / "a.pt").read_bytes()
    place = content.index(b"\0\0\x80?" * 1000)
    (tmp_path / "a.pt").write_bytes(content[:place] + b"\1" + content[place + 1 :])
    assert run("a.pt", target) == 1
    one_line(capsys.readouterr().err, "a.pt is not a complete PyTorch file", "checksum")
    assert os.listdir(tmp_path) == ["a.pt"]


def test_onto_itself(tmp_path):
    kuai.save(state(), tmp_path / "a.pt")
    assert run(tmp_path / "a.pt", tmp_path / "a.pt", "--force") == 0
    assert set(kuai.load(tmp_path / "a.pt")) == set(state())


def test_the_bar(tmp_path, monkeypatch, capsys):
    kuai.save({"a": kuai.ones(1000), "b": kuai.ones(10)}, tmp_path / "a.pt")
    steps = []
    made = convert(
        tmp_path / "a.pt", tmp_path / "b.safetensors", progress=lambda *s: steps.append(s)
    )
    assert steps == [(4000, 4040), (4040, 4040)] and made.notes == []
    terminal = io.StringIO()
    make = lambda **_: Console(file=terminal, force_terminal=True)  # noqa: E731
    monkeypatch.setattr(converting, "Console", make)
    assert run(tmp_path / "a.pt", tmp_path / "c.safetensors") == 0
    assert "converting" in terminal.getvalue()
    monkeypatch.undo()
    assert run(tmp_path / "a.pt", tmp_path / "d.safetensors") == 0
    assert capsys.readouterr().err == ""


def test_a_download_without_its_index_loses_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    kuai.save_file({f"w{k}": kuai.ones(10) for k in range(4)}, ".", max_shard_size=80)
    os.unlink("model.safetensors.index.json")
    parts = sorted(os.listdir())
    assert run(parts[0], ".") == 0
    assert sorted(os.listdir()) == [*parts, "model.safetensors"]
    assert run(parts[1], ".") == 1
    one_line(capsys.readouterr().err, "is there already", "--force")
    assert run(parts[1], ".", "--max-shard-size", "50", "--force") == 0
    assert set(parts) < set(os.listdir())
    assert list(kuai.load(".")) == ["w2", "w3"]


@pytest.mark.parametrize("there", ["b.safetensors", "b.safetensors.index.json"])
def test_whatever_would_go_needs_force(there, tmp_path, capsys):
    kuai.save({"a": kuai.ones(10), "b": kuai.ones(10)}, tmp_path / "a.pt")
    kuai.save({"old": kuai.ones(1)}, tmp_path / there)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    arguments = (tmp_path / "a.pt", tmp_path / "b.safetensors", "--max-shard-size", "50")
    assert run(*arguments) == 1
    one_line(capsys.readouterr().err, there, "is there already", "--force")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert run(*arguments, "--force") == 0
    assert sorted(kuai.load(tmp_path / "b.safetensors.index.json")) == ["a", "b"]
    assert len(os.listdir(tmp_path)) == 4


def test_progress_and_notes_of_several_files(tmp_path):
    """Each tensor is read twice, which counts, and said once."""
    kuai.save({"a": kuai.tensor([1e30] * 10), "b": kuai.ones(10)}, tmp_path / "a.pt")
    steps = []
    made = convert(
        tmp_path / "a.pt",
        tmp_path / "b.safetensors.index.json",
        max_shard_size=20,
        dtype=kuai.float16,
        progress=lambda *s: steps.append(s),
    )
    assert steps == [(40, 160), (80, 160), (120, 160), (160, 160)]
    assert made.notes == ["'a' has values too large for float16"]
