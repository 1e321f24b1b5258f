"""Downloads: whole, with the right checksum, or not there at all; local folders of models."""

import hashlib
import os

import pytest
import torch

import kuai
import kuai.hub
from kuai.errors import UnavailableError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "there" / "weights.pth"
    path.parent.mkdir()
    torch.save({"w": torch.arange(3.0)}, path)
    return path


def test_a_file_is_downloaded_once(file, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    found = kuai.hub.load_state_dict_from_url(file.as_uri(), progress=False)
    assert found["w"].tolist() == [0.0, 1.0, 2.0]
    file.unlink()
    again = kuai.hub.load_state_dict_from_url(file.as_uri(), progress=False)
    assert again["w"].tolist() == [0.0, 1.0, 2.0]
    assert os.listdir(tmp_path / "home/hub/checkpoints") == ["weights.pth"]


def test_a_wrong_checksum_leaves_nothing(file, tmp_path):
    target = tmp_path / "got.pth"
    right = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(RuntimeError, match="invalid hash value"):
        kuai.hub.download_url_to_file(file.as_uri(), str(target), "0123", progress=False)
    assert sorted(os.listdir(tmp_path)) == ["there"]
    kuai.hub.download_url_to_file(file.as_uri(), str(target), right[:8], progress=False)
    assert target.read_bytes() == file.read_bytes()


def test_a_local_folder(tmp_path):
    (tmp_path / "helper.py").write_text("SIZE = 3\n")
    (tmp_path / "hubconf.py").write_text(
        "import helper, kuai\n"
        "def line(out=1):\n    'A line.'\n    return kuai.nn.Linear(helper.SIZE, out)\n"
        "def _hidden(): pass\n"
    )
    folder = str(tmp_path)
    assert kuai.hub.load(folder, "line", source="local", out=2).weight.shape == (2, 3)
    assert kuai.hub.list(folder) == ["line"] and kuai.hub.help(folder, "line") == "A line."
    with pytest.raises(RuntimeError, match="Cannot find callable nothing in hubconf"):
        kuai.hub.load(folder, "nothing", source="local")


def test_a_repository_is_not_run():
    with pytest.raises(UnavailableError, match="Clone the repository"):
        kuai.hub.load("pytorch/vision", "resnet18")
