"""Files: whole or not at all, and readable by others."""

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
