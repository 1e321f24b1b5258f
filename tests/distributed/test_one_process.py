"""Stores, meshes, optimizers and checkpoints of a single process."""

import datetime

import pytest
import torch

import kuai
import kuai.distributed.checkpoint as dcp
from kuai.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from kuai.distributed.device_mesh import init_device_mesh
from kuai.errors import UnavailableError


def told(t):
    """What a store answers."""
    store = t.distributed.HashStore()
    store.set("a", "b")
    store.append("a", "c")
    part = t.distributed.PrefixStore("p", store)
    part.set("x", "1")
    answers = [store.get("a"), store.add("n", 2), store.add("n", 3), store.check(["n", "q"])]
    answers += [store.compare_set("k", "x", "y"), store.compare_set("n", "5", "7")]
    answers += [sorted(store.list_keys()), store.delete_key("a"), store.multi_get(["n"])]
    return [*answers, part.get("x"), store.get("p/x"), store.num_keys(), store.timeout]


def test_a_store_answers_as_pytorchs():
    assert told(kuai) == told(torch)
    store = kuai.distributed.HashStore()
    with pytest.raises(kuai.distributed.DistStoreError, match="Wait timeout"):
        store.wait(["a"], datetime.timedelta(seconds=0.01))


def test_more_than_one_process_is_refused():
    with pytest.raises(UnavailableError, match="a store of 2 processes"):
        kuai.distributed.FileStore("x", 2)
    with pytest.raises(UnavailableError, match="a mesh of 2 processes"):
        init_device_mesh("cpu", (2,))


def test_a_mesh_of_one_process():
    mesh = init_device_mesh("cpu", (1, 1), mesh_dim_names=("dp", "tp"))
    assert (mesh.shape, mesh.ndim, mesh.size(), mesh["tp"].ndim) == ((1, 1), 2, 1, 1)
    assert mesh.get_local_rank("dp") == 0 and mesh == init_device_mesh(
        "cpu", (1, 1), mesh_dim_names=("dp", "tp")
    )
    with pytest.raises(KeyError, match="Invalid mesh_dim_names"):
        mesh["pp"]


def test_a_checkpoint_is_loaded_in_place(tmp_path):
    def made():
        net = kuai.nn.Linear(2, 1)
        return net, kuai.optim.Adam(net.parameters(), lr=0.1)

    (net, opt), (other, other_opt) = made(), made()
    net(kuai.ones(1, 2)).sum().backward()
    opt.step()
    model, state = get_state_dict(net, opt)
    assert state["param_groups"][0]["params"] == ["weight", "bias"]
    dcp.save({"model": model, "optim": state, "step": 3}, checkpoint_id=tmp_path)
    model, state = get_state_dict(other, other_opt)
    wanted = {"model": model, "optim": state, "step": 0}
    dcp.load(wanted, checkpoint_id=tmp_path)
    set_state_dict(
        other, other_opt, model_state_dict=wanted["model"], optim_state_dict=wanted["optim"]
    )
    assert wanted["step"] == 3 and kuai.equal(net.weight, other.weight)
    moments = (o.state[n.weight]["exp_avg"] for n, o in ((net, opt), (other, other_opt)))
    assert kuai.equal(*moments) and other_opt.param_groups[0]["lr"] == 0.1
    with pytest.raises(RuntimeError, match="Missing key in checkpoint state_dict: nothing"):
        dcp.load({"nothing": 0}, checkpoint_id=tmp_path)


def test_gradients_go_through_exchanges():
    from kuai.distributed.nn import functional

    kuai.distributed.init_process_group(rank=0, world_size=1)
    try:
        x = kuai.ones(2, requires_grad=True)
        (functional.all_reduce(x) * functional.all_gather(x)[0]).sum().backward()
    finally:
        kuai.distributed.destroy_process_group()
    assert x.grad.tolist() == [2.0, 2.0]
