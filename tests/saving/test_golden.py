"""Files written by earlier versions: they load, and the same objects still give the same bytes.

`python -m tests.saving.test_golden` writes them anew, which is right only for a change of the
format that is meant and that `docs/files.md` tells about.
"""

import pathlib
from collections import OrderedDict

import numpy as np
import pytest
import torch

import kuai

FOLDER = pathlib.Path(__file__).parent / "golden"


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
    kinds = kuai.engine.dtypes.DTYPES
    return {kind.name: kuai.tensor([0, 1]).to(kind) for kind in kinds}


def state_dict() -> OrderedDict:
    net = kuai.nn.BatchNorm1d(2)
    return net.state_dict()


def tied() -> dict:
    x = kuai.arange(3)
    return {"a": x, "b": x, "c": kuai.ones(2, 1).bfloat16()}


GOLDEN = {
    "values.pt": values,
    "dtypes.pt": dtypes,
    "state_dict.pt": state_dict,
    "tied.safetensors": tied,
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_same_bytes(name, tmp_path):
    kuai.save(GOLDEN[name](), tmp_path / name)
    assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", GOLDEN)
def test_they_load(name):
    found, expected = kuai.load(FOLDER / name), GOLDEN[name]()
    assert sorted(found) == sorted(expected)
    for key, value in expected.items():
        if isinstance(value, kuai.Tensor):
            assert found[key].dtype is value.dtype
            ours, wanted = np.asarray(found[key].detach()), np.asarray(value.detach())
            assert ours.tobytes() == wanted.tobytes()
        else:
            assert found[key] == value


@pytest.mark.parametrize("name", [name for name in GOLDEN if name.endswith(".pt")])
def test_torch_loads_them(name):
    assert sorted(torch.load(FOLDER / name, weights_only=True)) == sorted(GOLDEN[name]())


if __name__ == "__main__":
    for _name, _make in GOLDEN.items():
        kuai.save(_make(), FOLDER / _name)
