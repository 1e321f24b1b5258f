"""Files: whole or not at all, and readable by others."""

import json
import os

import numpy as np
import pytest
import safetensors.torch
import torch

import kuai
from kuai.saving import BrokenFileError, load_file, load_metadata, save_file, write_atomically

TENSORS = {
    "vector": kuai.arange(3),
    "matrix": kuai.ones(2, 3).T,
    "scalar": kuai.tensor(2.5, dtype=kuai.float64),
    "empty": kuai.zeros(0, 4),
    "bool": kuai.tensor([True, False]),
}


def test_there_and_back(tmp_path):
    path = tmp_path / "file.safetensors"
    save_file(TENSORS, path, {"note": "块"})
    found = load_file(path)
    assert set(found) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert found[name].dtype is tensor.dtype
        assert found[name].shape == tensor.shape
        np.testing.assert_array_equal(found[name].numpy(), tensor.numpy())
    assert load_metadata(path) == {"note": "块"}


def test_torch_reads_it_and_we_read_torchs(tmp_path):
    path = tmp_path / "file.safetensors"
    save_file(TENSORS, path)
    theirs = safetensors.torch.load_file(path)
    np.testing.assert_array_equal(theirs["matrix"].numpy(), TENSORS["matrix"].numpy())
    safetensors.torch.save_file({"w": torch.arange(4)}, path)
    assert load_file(path)["w"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"\xff" * 100])
def test_broken_files(content, tmp_path):
    path = tmp_path / "file.safetensors"
    path.write_bytes(content)
    for read in (load_file, load_metadata):
        with pytest.raises(BrokenFileError, match=r"file\.safetensors is not a complete"):
            read(path)


def test_a_file_that_is_cut_off(tmp_path):
    path = tmp_path / "file.safetensors"
    save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(BrokenFileError):
        load_file(path)


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*names):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_tied_tensors_are_kept_once(tmp_path):
    path = tmp_path / "file.safetensors"
    w = kuai.ones(2, 3)
    save_file({"a": w, "b": w.detach(), "row": w[0], "again": w[0]}, path, {"note": "1"})
    theirs = safetensors.torch.load_file(path)
    assert sorted(theirs) == ["a", "row"]
    found = load_file(path)
    found["b"].fill_(2)
    assert found["a"].tolist() == [[2.0] * 3] * 2
    assert found["again"].tolist() == [1.0] * 3
    assert load_metadata(path) == {"note": "1"}


@pytest.mark.parametrize("aliases", ["no JSON", "[1]", '{"b": "c"}', '{"a": "a"}', '{"b": 1}'])
def test_aliases_that_lead_nowhere(aliases, tmp_path):
    path = tmp_path / "file.safetensors"
    save_file({"a": kuai.ones(1)}, path, {"kuai.aliases": aliases})
    with pytest.raises(BrokenFileError, match=r"file\.safetensors"):
        load_file(path)


@pytest.mark.parametrize(
    "kind", [d.name for d in kuai.engine.tensor.dtypes.DTYPES if d.itemsize < 16]
)
def test_dtypes_in_safetensors(kind, tmp_path):
    path = tmp_path / "file.safetensors"
    tensor = kuai.tensor([0, 1]).to(getattr(kuai, kind))
    save_file({"a": tensor}, path)
    found = load_file(path, "cpu")["a"]
    assert found.dtype is tensor.dtype
    assert np.asarray(found).tobytes() == np.asarray(tensor).tobytes()


def test_what_safetensors_cannot_hold(tmp_path):
    path = tmp_path / "file.safetensors"
    for tensors in ([kuai.ones(1)], {1: kuai.ones(1)}, {"a": 1}):
        with pytest.raises(TypeError, match="safetensors file holds"):
            save_file(tensors, path)
    with pytest.raises(TypeError, match="complex128"):
        save_file({"a": kuai.ones(1, dtype=kuai.complex128)}, path)
    assert os.listdir(tmp_path) == []


def test_the_suffix_chooses_safetensors(tmp_path):
    path = str(tmp_path / "file.safetensors")
    net = kuai.nn.Linear(2, 1)
    kuai.save(net.state_dict(), path)
    assert sorted(safetensors.torch.load_file(path)) == ["bias", "weight"]
    net.load_state_dict(kuai.load(path, map_location="cpu"))
    with pytest.raises(TypeError, match="dict of tensors"):
        kuai.save([1], path)
    with pytest.raises(TypeError, match="knows no places"):
        kuai.load(path, map_location={"cpu": "cpu"})


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_a_write_that_fails_leaves_the_old_file(name, tmp_path, monkeypatch):
    path = tmp_path / name
    kuai.save({"a": kuai.ones(1)}, path)

    def fail(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        kuai.save({"a": kuai.zeros(1000)}, path)
    monkeypatch.undo()
    with pytest.raises(TypeError):
        kuai.save({"a": lambda: 0}, path)
    assert os.listdir(tmp_path) == [name]
    assert kuai.load(path)["a"].tolist() == [1.0]


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_saving_onto_the_file_being_read(name, tmp_path):
    path = tmp_path / name
    kuai.save({"a": kuai.arange(4)}, path)
    found = kuai.load(path, mmap=True)
    with open(path, "rb") as old:
        kuai.save({"a": found["a"] + 1}, path)
        assert old.read() != path.read_bytes()
    assert found["a"].tolist() == [0, 1, 2, 3]
    assert kuai.load(path)["a"].tolist() == [1, 2, 3, 4]


def test_a_missing_file_is_the_usual_error(tmp_path):
    for name in ("model.pt", "model.safetensors"):
        with pytest.raises(FileNotFoundError):
            kuai.load(tmp_path / name)


def test_the_kept_aliases_are_json(tmp_path):
    path = tmp_path / "file.safetensors"
    w = kuai.ones(1)
    save_file({"a": w, "b": w}, path)
    with safetensors.safe_open(path, framework="numpy") as file:
        assert json.loads(file.metadata()["kuai.aliases"]) == {"b": "a"}
