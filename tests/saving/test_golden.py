"""Files written by earlier versions: they load, and the same objects still give the same bytes.

`python -m tests.saving.test_golden` writes them anew, which is right only for a change of the
format that is meant and that `docs/files.md` tells about.
"""

import pathlib
import shutil
from collections import OrderedDict

import numpy as np
import pytest
import torch

import kuai

FOLDER = pathlib.Path(__file__).parent / "golden"
FIRST = FOLDER / "0.1.0"  # without checksums, and without saying to which save a file belongs


def values() -> dict:
    x = kuai.arange(6).view(2, 3)
    weight = kuai.nn.Parameter(kuai.tensor([0.5, -1.5]))
    return {
        "x": x,
        "view": x.t(),
        "parameter": weight,
        "tied": weight.detach(),
        "plain": [None, True, 1, -1, 1 << 40, 0.5, 1 + 2j, "块", b"\x00\xff", (1, (2, 3)), {4, 5}],
        "types": [kuai.float32, kuai.Size([2, 3]), kuai.device("cpu")],
    }


def dtypes() -> dict:
    kinds = kuai.engine.tensor.dtypes.DTYPES
    old = [kind for kind in kinds if kind.name != "float8_e8m0fnu"]  # which came later
    return {kind.name: kuai.tensor([0, 1]).to(kind) for kind in old}


def state_dict() -> OrderedDict:
    net = kuai.nn.BatchNorm1d(2)
    return net.state_dict()


def tied() -> dict:
    x = kuai.arange(3)
    return {"a": x, "b": x, "c": kuai.ones(2, 1).bfloat16()}


def training() -> dict:
    """States of an optimizer and a scheduler after a step whose numbers are round."""
    weight = kuai.nn.Parameter(kuai.tensor([1.0, 2.0]))
    optimizer = kuai.optim.SGD([weight], lr=0.5, momentum=0.5)
    scheduler = kuai.optim.lr_scheduler.StepLR(optimizer, 2)
    weight.grad = kuai.tensor([0.5, -0.5])
    optimizer.step()
    scheduler.step()
    return {
        "model": OrderedDict(weight=weight.detach()),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
    }


GOLDEN = {
    "values.pt": values,
    "dtypes.pt": dtypes,
    "state_dict.pt": state_dict,
    "training.pt": training,
    "tied.safetensors": tied,
}
#: Files that are written in other bytes today: the tensors are aligned now.
OLDER = {"tied_unaligned.safetensors": tied}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_same_bytes(name, tmp_path):
    kuai.save(GOLDEN[name](), tmp_path / name)
    assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", GOLDEN | OLDER)
def test_they_load(name):
    found, expected = kuai.load(FOLDER / name), (GOLDEN | OLDER)[name]()
    assert sorted(found) == sorted(expected)
    for key, value in expected.items():
        assert_equal(found[key], value)


def assert_equal(found, value):
    assert type(found) is type(value)
    if isinstance(value, kuai.Tensor):
        assert found.dtype is value.dtype
        ours, wanted = np.asarray(found.detach()), np.asarray(value.detach())
        assert ours.tobytes() == wanted.tobytes()
    elif isinstance(value, dict):
        assert list(found) == list(value)
        assert_equal(list(found.values()), list(value.values()))
    elif isinstance(value, list):
        for ours, wanted in zip(found, value, strict=True):
            assert_equal(ours, wanted)
    else:
        assert found == value


SHARDS = ["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"]
SHARDED = [*SHARDS, "m.safetensors.index.json"]


def save_sharded(folder):
    tensors = {"a": kuai.arange(8), "b": kuai.ones(2, 2), "c": kuai.arange(4).bool()}
    tensors["tied"] = tensors["a"]
    kuai.save_file(tensors, folder / "m.safetensors", {"note": "块"}, max_shard_size=70)
    return tensors


def test_several_files_with_an_index(tmp_path):
    tensors = save_sharded(tmp_path)
    for name in SHARDED:
        assert (tmp_path / name).read_bytes() == (FOLDER / "sharded" / name).read_bytes()
    check_sharded(FOLDER / "sharded", tensors)
    check_sharded(FIRST / "sharded", tensors)


def check_sharded(folder, tensors):
    found = kuai.load(folder)
    assert sorted(found) == sorted(tensors)
    for name, tensor in tensors.items():
        assert_equal(found[name], tensor)
    found["a"].fill_(1)
    assert found["tied"].tolist() == [1] * 8


def checkpointer(folder):
    """A run of which every number is known."""
    net = kuai.nn.Linear(2, 1)
    with kuai.no_grad():
        net.weight.copy_(kuai.tensor([[1.0, 2.0]]))
        net.bias.fill_(3)
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.5, momentum=0.5)
    for weight in net.parameters():
        weight.grad = kuai.ones_like(weight)
    optimizer.step()
    return kuai.Checkpointer(folder, model=net, optimizer=optimizer), net, optimizer


@pytest.mark.parametrize("folder", [FOLDER, FIRST], ids=["now", "0.1.0"])
def test_a_checkpoint(folder, tmp_path):
    """It can still be restored; its bytes may change with what a run consists of."""
    saver, net, optimizer = checkpointer(tmp_path)
    shutil.copy(folder / "step-00000001.safetensors", tmp_path)
    expected = net.state_dict()["weight"].tolist(), optimizer.state_dict()["state"][1]
    with kuai.no_grad():
        net.weight.fill_(0)
        optimizer.state[net.bias]["momentum_buffer"].fill_(0)
    saver.restore(1)
    assert net.weight.tolist() == expected[0] == [[0.5, 1.5]]
    assert optimizer.state_dict()["state"][1]["momentum_buffer"].tolist() == [1.0]


@pytest.mark.parametrize("name", [name for name in GOLDEN if name.endswith(".pt")])
def test_torch_loads_them(name):
    assert sorted(torch.load(FOLDER / name, weights_only=True)) == sorted(GOLDEN[name]())


if __name__ == "__main__":
    for _name, _make in GOLDEN.items():
        kuai.save(_make(), FOLDER / _name)
    (FOLDER / "sharded").mkdir(exist_ok=True)
    save_sharded(FOLDER / "sharded")
    checkpointer(FOLDER)[0].save(1)
