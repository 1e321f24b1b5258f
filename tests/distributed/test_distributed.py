"""A group of one process beside PyTorch's, on gloo."""

import pytest
import torch.distributed

import kuai
import kuai.distributed as ours
from kuai.errors import UnavailableError


@pytest.fixture
def group():
    ours.init_process_group("gloo", rank=0, world_size=1)
    yield
    ours.destroy_process_group()


def test_before_the_group():
    assert ours.is_available() and not ours.is_initialized()
    for ask in (ours.get_rank, ours.get_world_size, ours.barrier):
        with pytest.raises(ValueError, match="Default process group has not been initialized"):
            ask()


def test_who_one_is(group):
    assert (ours.get_rank(), ours.get_world_size(), ours.get_backend()) == (0, 1, "gloo")
    with pytest.raises(ValueError, match="twice"):
        ours.init_process_group("gloo")


def test_exchanges_give_back_what_is_put_in(group):
    x = kuai.arange(3.0)
    ours.all_reduce(x)
    ours.broadcast(x, src=0)
    gathered = [kuai.empty(3)]
    assert ours.all_gather(gathered, x, async_op=True).wait()
    out = kuai.empty(3)
    ours.reduce_scatter(out, [x + 1])
    objects = [None]
    ours.all_gather_object(objects, "a")
    assert (x.tolist(), gathered[0].tolist()) == ([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])
    assert (out.tolist(), objects) == ([1.0, 2.0, 3.0], ["a"])
    with pytest.raises(ValueError, match="Invalid destination"):
        ours.send(x, 1)


def test_more_processes_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(UnavailableError, match="a group of 4 processes"):
        ours.init_process_group("gloo")


def test_every_name_is_pytorchs():
    modules = {"algorithms", "fsdp", "nn"}  # which PyTorch loads when they are imported
    assert not [n for n in set(ours.__all__) - modules if not hasattr(torch.distributed, n)]
