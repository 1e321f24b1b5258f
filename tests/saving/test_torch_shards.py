"""Checkpoints of several PyTorch files with an index."""

import json

import pytest
import torch

import kuai
from kuai.cli.main import main
from kuai.errors import BrokenFileError, FileFormatError, UnsafeFileError
from kuai.saving.converting import convert

INDEX = "pytorch_model.bin.index.json"


def parts():
    shared = torch.arange(6.0)
    return {
        "pytorch_model-00001-of-00002.bin": {"a": shared, "b": shared[2:]},
        "pytorch_model-00002-of-00002.bin": {"c": torch.ones(2, dtype=torch.bfloat16)},
    }


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, parts())
    return tmp_path


def write(folder, files, **changes):
    for name, found in files.items():
        torch.save(found, folder / name)
    weights = {key: name for name, found in files.items() for key in found}
    index = {"metadata": {"total_size": 28}, "weight_map": {**weights, **changes}}
    (folder / INDEX).write_text(json.dumps(index))


@pytest.mark.parametrize("mmap", [False, True])
def test_loaded_as_one_dict(folder, mmap):
    found = kuai.load(folder / INDEX, mmap=mmap)
    assert list(found) == ["a", "b", "c"]
    assert found["b"].tolist() == [2, 3, 4, 5] and found["c"].dtype is kuai.bfloat16
    found["a"][2] = 9
    assert found["b"][0] == 9


def test_inspected_and_converted(folder, capsys):
    assert main(["inspect", str(folder / INDEX)]) == 0
    printed = capsys.readouterr().out
    for expected in ("PyTorch checkpoint", "pytorch_model-00002-of-00002.bin", "bfloat16"):
        assert expected in printed
    assert main(["convert", str(folder / INDEX), str(folder / "one.safetensors")]) == 0
    expected, found = kuai.load(folder / INDEX), kuai.load(folder / "one.safetensors")
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        name: tensor.tolist() for name, tensor in expected.items()
    }


def test_an_index_is_trusted_as_little_as_a_file(folder):
    def refused(kind, match):
        with pytest.raises(kind, match=match):
            kuai.load(folder / INDEX)
        with pytest.raises(kind, match=match):
            convert(folder / INDEX, folder / "no.safetensors")

    write(folder, parts(), a="pytorch_model-00002-of-00002.bin")
    refused(BrokenFileError, "'a' stands in pytorch_model-00001-of-00002.bin, but the index says")
    write(folder, parts(), d="pytorch_model-00001-of-00002.bin")
    refused(BrokenFileError, "'d' does not stand in pytorch_model-00001-of-00002.bin")
    write(folder, parts(), d="pytorch_model-00003-of-00003.bin")
    refused(BrokenFileError, "its file pytorch_model-00003-of-00003.bin is missing")
    for name in ("../x.bin", "/etc/x.bin", ".x.bin", "x.safetensors"):
        write(folder, parts(), d=name)
        refused(UnsafeFileError, "it names the file")
    write(folder, {**parts(), "list.bin": [1]})
    (folder / INDEX).write_text(json.dumps({"weight_map": {"a": "list.bin"}}))
    refused(FileFormatError, "holds a list, not a dict of tensors")
    (folder / INDEX).write_text('{"weight_map": {"a": "x.bin", "a": "y.bin"}}')
    refused(BrokenFileError, "a name stands there twice")


def test_several_files_are_written_as_safetensors_only(tmp_path):
    with pytest.raises(FileFormatError, match="as safetensors only"):
        kuai.save({"a": kuai.ones(1)}, tmp_path / INDEX)
    assert not list(tmp_path.iterdir())
