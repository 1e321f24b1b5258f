"""Files used as memory: nothing copied, nothing written back, no second copy of a model."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch

import kuai
from kuai.errors import BrokenFileError
from kuai.saving import safe_open

NAMES = ["model.pt", "model.safetensors"]


def state() -> dict:
    return {
        "large": kuai.arange(1 << 14).float().view(128, 128),
        "small": kuai.tensor([1, 2, 3], dtype=kuai.int8),
        "flags": kuai.tensor([True, False]),
        "half": kuai.ones(3).bfloat16(),
        "scalar": kuai.tensor(2.5),
        "nothing": kuai.zeros(0, 2),
    }


def same(found, expected):
    assert sorted(found) == sorted(expected)
    for name, tensor in expected.items():
        assert found[name].dtype is tensor.dtype and found[name].shape == tensor.shape
        assert np.asarray(found[name]).tobytes() == np.asarray(tensor).tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_mapped_values(name, tmp_path):
    kuai.save(state(), tmp_path / name)
    same(kuai.load(tmp_path / name, mmap=True), state())


def test_files_of_the_others(tmp_path):
    theirs = {"a": torch.arange(100.0), "b": torch.tensor([True]), "c": torch.ones(7).half()}
    torch.save(theirs, tmp_path / "a.pt")
    safetensors.torch.save_file(theirs, tmp_path / "a.safetensors")
    for name in ("a.pt", "a.safetensors"):
        found = kuai.load(tmp_path / name, mmap=True)
        assert {k: v.tolist() for k, v in found.items()} == {
            k: v.tolist() for k, v in theirs.items()
        }


@pytest.mark.parametrize("name", NAMES)
def test_aligned_values_are_the_file_itself(name, tmp_path):
    kuai.save(state(), tmp_path / name)
    found = kuai.load(tmp_path / name, mmap=True)["large"]
    address = found._storage.array.unsafe_buffer_pointer()
    with open("/proc/self/maps") as maps:
        ranges = [line.split()[0].split("-") for line in maps if str(tmp_path / name) in line]
    assert any(int(start, 16) <= address < int(end, 16) for start, end in ranges)


@pytest.mark.parametrize("name", NAMES)
def test_a_change_stays_out_of_the_file(name, tmp_path):
    path = tmp_path / name
    kuai.save(state(), path)
    content = path.read_bytes()
    found = kuai.load(path, mmap=True)
    found["large"][0, 0] = -1
    found["large"].mul_(2)
    net = kuai.nn.Linear(128, 128, bias=False)
    net.load_state_dict({"weight": kuai.load(path, mmap=True)["large"]})
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.1)

    @kuai.compile
    def step():
        optimizer.zero_grad()
        net(kuai.ones(1, 128)).sum().backward()
        optimizer.step()

    step()
    step()
    assert path.read_bytes() == content
    assert net.weight[0, 0].item() != 0


@pytest.mark.parametrize("name", NAMES)
def test_saved_onto_the_mapped_file(name, tmp_path):
    path = tmp_path / name
    kuai.save(state(), path)
    found = kuai.load(path, mmap=True)
    for _ in range(2):
        kuai.save(found, path)
        same(kuai.load(path), state())
    same(found, state())


def test_bools_of_other_bytes_are_true(tmp_path):
    path = tmp_path / "a.safetensors"
    kuai.save({"flags": kuai.tensor([True, False])}, path)
    path.write_bytes(path.read_bytes()[:-2] + b"\x07\x00")
    for mmap in (False, True):
        flags = kuai.load(path, mmap=mmap)["flags"]
        assert np.asarray(flags).view(np.uint8).tolist() == [1, 0]


def test_checksums_are_checked_without_mmap_only(tmp_path):
    path = tmp_path / "a.pt"
    kuai.save(kuai.ones(1000), path)
    content = path.read_bytes()
    place = content.index(np.ones(1000, np.float32).tobytes())
    path.write_bytes(content[:place] + b"\1" + content[place + 1 :])
    with pytest.raises(BrokenFileError, match="checksum"):
        kuai.load(path)
    assert kuai.load(path, mmap=True).shape == (1000,)


@pytest.mark.parametrize("shape", [[0, 1 << 62], [0] + [1] * 64, [0, 1 << 40, 1 << 40]])
def test_impossible_shapes(shape, tmp_path):
    path = tmp_path / "a.safetensors"
    text = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(BrokenFileError, match=r"a\.safetensors is not a complete"):
        kuai.load(path)


# One by one ---------------------------------------------------------------------------------------


def test_safe_open(tmp_path):
    w = kuai.arange(12).view(3, 4)
    path = tmp_path / "a.safetensors"
    kuai.save_file({"w": w, "again": w, "b": kuai.ones(2).bool()}, path, {"by": "hand"})
    with safe_open(path, framework="pt", device="cpu") as file:
        assert file.keys() == ["w", "b", "again"]
        assert file.metadata() == {"by": "hand"}
        assert file.get_tensor("again").tolist() == w.tolist()
        part = file.get_slice("w")
        assert part.get_shape() == [3, 4] and part.get_dtype() == "I64"
        for index in (1, slice(1, 3), (slice(None), 2), (..., slice(None, None, 2)), (0, 0)):
            assert part[index].tolist() == w[index].tolist()
        with pytest.raises(KeyError, match="does not contain tensor x"):
            file.get_tensor("x")
    with pytest.raises(ValueError, match="framework"):
        safe_open(path, framework="tf")


def test_safe_open_of_several_files(tmp_path):
    found = {f"w{k}": kuai.full((4,), float(k)) for k in range(4)}
    kuai.save_file(found, tmp_path, max_shard_size=32)
    with safe_open(tmp_path) as file:
        assert {name: file.get_tensor(name).tolist() for name in file.keys()} == {
            name: tensor.tolist() for name, tensor in found.items()
        }


# Memory -------------------------------------------------------------------------------------------

MEASURE = """
import json, os, sys
import kuai
from benchmarks.memory import Peak

def make():
    return kuai.nn.Sequential(*(kuai.nn.Linear(1024, 1024) for _ in range(16)))

found = []
for path in sys.argv[1:]:
    kuai.save(make().state_dict(), path)
    for mmap in (False, True):
        net = make()
        with Peak() as peak:
            net.load_state_dict(kuai.load(path, mmap=mmap))
        found.append([mmap, peak.all / os.path.getsize(path)])
print(json.dumps(found))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads /proc")
def test_a_model_is_not_in_memory_twice(tmp_path):
    """64 MB each, in a process of its own; what is counted is above the model as it was made."""
    root = str(pathlib.Path(__file__).parents[2])
    found = subprocess.run(
        [sys.executable, "-c", MEASURE, *(str(tmp_path / name) for name in NAMES)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([f"{root}/src", root])},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    for mmap, factor in json.loads(found.stdout):
        assert factor < (0.3 if mmap else 1.3)
