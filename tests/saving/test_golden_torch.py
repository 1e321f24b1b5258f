"""Files that PyTorch 2.13 wrote: what stands in them is kept in the folder `golden`.

Today's PyTorch is the judge of what they hold. `python -m tests.saving.test_golden_torch` writes
them anew.
"""

import pathlib
from collections import Counter, OrderedDict

import pytest
import torch

import kuai
from tests.saving.sameness import assert_same_values

FOLDER = pathlib.Path(__file__).parent / "golden"
DTYPES = [kind.name for kind in kuai.engine.tensor.dtypes.DTYPES]


def dtypes() -> dict:
    return {name: torch.tensor([[0, 1], [1, 0]]).to(getattr(torch, name)) for name in DTYPES}


def shared() -> dict:
    """Views, tied tensors, parameters, buffers, tensors with attributes, conjugates."""
    x = torch.arange(12.0).view(3, 4)
    weight = torch.nn.Parameter(torch.tensor([0.5, -1.5]))
    weight.decay = 0.1
    z = torch.tensor([1 + 2j, 3 - 4j])
    return {
        "x": x,
        "views": [
            x.t(),
            x[1],
            x[:, 1:3],
            x[::2],
            x.diagonal(),
            x[0, 0],
            x[2:2],
            x[:, :1].expand(3, 2),
        ],
        "weight": weight,
        "again": weight,
        "data": weight.detach(),
        "frozen": torch.nn.Parameter(torch.ones(1), requires_grad=False),
        "buffer": torch.nn.Buffer(torch.ones(1), persistent=False),
        "requires_grad": torch.ones(1, requires_grad=True),
        "conjugate": [z, z.conj()],
        "negative": torch.tensor([1 + 2j, 3 - 4j]).conj().imag,
    }


def values() -> dict:
    inner = [1, 2]
    return {
        "constants": [None, True, False],
        "integers": [0, 255, 256, 65535, 65536, -1, -(1 << 31), 1 << 31, 1 << 63, 1 << 100],
        "floats": [0.5, -0.0, float("inf"), 1 + 2j],
        "strings": ["", "块", "a", "a", b"\x00\xff", bytearray(b"ab")],
        "containers": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}, {1, 2}, inner, inner],
        "keys": {1: 1, (1, "a"): 2, None: 3, 0.5: 4},
        "ordered": OrderedDict(b=1, a=OrderedDict()),
        "counter": Counter("aab"),
        "types": [torch.float32, torch.Size([1, 2]), torch.device("cpu"), torch.device("cuda", 1)],
    }


def training() -> dict:
    """A module, optimizers with their state, schedulers: what is saved to go on later."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2))
    made = {"model": net.state_dict()}
    for name, options in OPTIMIZERS.items():
        optimizer = getattr(torch.optim, name)(net.parameters(), lr=0.1, **options)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
        for _ in range(2):
            optimizer.zero_grad()
            net(torch.arange(12.0).view(4, 3)).pow(2).sum().backward()
            optimizer.step()
            scheduler.step()
        made[name] = {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
    return made


OPTIMIZERS = {
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "SGD": {"momentum": 0.9, "nesterov": True},
}
GOLDEN = {
    "torch_dtypes.pt": dtypes,
    "torch_shared.pt": shared,
    "torch_values.pt": values,
    "torch_training.pt": training,
}


@pytest.mark.parametrize("name", GOLDEN)
def test_they_load(name):
    assert (FOLDER / name).stat().st_size < 20_000
    theirs = torch.load(FOLDER / name, weights_only=True)
    assert_same_values(kuai.load(FOLDER / name), theirs)


@pytest.mark.parametrize("name", GOLDEN)
def test_saved_again_they_say_the_same(name, tmp_path):
    kuai.save(kuai.load(FOLDER / name), tmp_path / name)
    theirs = torch.load(tmp_path / name, weights_only=True)
    assert_same_values(kuai.load(tmp_path / name), theirs)
    assert_same_values(kuai.load(FOLDER / name), theirs)


def test_what_was_shared_is_shared():
    found = kuai.load(FOLDER / "torch_shared.pt")
    found["x"].fill_(7)
    assert all((view == 7).all() for view in found["views"])
    assert found["weight"] is found["again"]
    found["data"].fill_(3)
    assert found["weight"].tolist() == [3.0, 3.0]
    assert (found["weight"].decay, found["buffer"].persistent) == (0.1, False)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on(name):
    """Both go on from the file and take the same steps."""

    def program(lib, load):
        state = load(FOLDER / "torch_training.pt")
        net = lib.nn.Sequential(lib.nn.BatchNorm1d(3), lib.nn.Linear(3, 2))
        net.load_state_dict(state["model"])
        optimizer = getattr(lib.optim, name)(net.parameters(), lr=0.1, **OPTIMIZERS[name])
        scheduler = lib.optim.lr_scheduler.StepLR(optimizer, 2)
        optimizer.load_state_dict(state[name]["optimizer"])
        scheduler.load_state_dict(state[name]["scheduler"])
        for _ in range(2):
            optimizer.zero_grad()
            net(lib.arange(12.0).view(4, 3)).pow(2).sum().backward()
            optimizer.step()
            scheduler.step()
        return net.state_dict(), scheduler.get_last_lr(), scheduler.last_epoch

    assert_same_values(program(kuai, kuai.load), program(torch, torch.load), rtol=2e-5, atol=1e-6)


if __name__ == "__main__":
    for _name, _make in GOLDEN.items():
        torch.save(_make(), FOLDER / _name)
