"""Files know where tensors lay, autocast knows the device, and other libraries share memory."""

import pathlib
import tempfile

import numpy as np

import kuai
from kuai import nn
from tests.gpu.card import DEVICE, IS_GPU, close, place


def test_files_are_read_to_where_they_are_mapped():
    net = nn.Linear(3, 2).to(DEVICE)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "net.pt"
        kuai.save({"net": net.state_dict(), "step": 3}, path)
        found = {
            where: kuai.load(path, map_location=where)["net"]["weight"]
            for where in (None, "cpu", DEVICE)
        }
        mapped = kuai.load(path, map_location=lambda storage, location: storage.cpu())
    assert found["cpu"].device.type == "cpu"
    assert found[DEVICE].device == place()
    assert not IS_GPU or found[None].device == place()
    assert mapped["net"]["bias"].device == kuai.device("cpu")
    for each in found.values():
        close(each, net.weight)


def test_a_checkpoint_goes_on_where_it_was():
    def made():
        kuai.manual_seed(0)
        net = nn.Linear(3, 2).to(DEVICE)
        return net, kuai.optim.Adam(net.parameters(), lr=0.1)

    def step(net, optimizer):
        net(kuai.ones(1, 3, device=DEVICE)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    net, optimizer = made()
    step(net, optimizer)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "checkpoint.pt"
        kuai.save([net.state_dict(), optimizer.state_dict()], path)
        other, others = made()
        weights, state = kuai.load(path, map_location=DEVICE)
    other.load_state_dict(weights)
    others.load_state_dict(state)
    step(net, optimizer)
    step(other, others)
    close(other.weight, net.weight)


def test_autocast_lowers_and_keeps_what_pytorch_does():
    kind = place().type
    x, weight = kuai.randn(4, 4, device=DEVICE), kuai.randn(4, 4, device=DEVICE)
    with kuai.autocast(kind, dtype=kuai.bfloat16):
        product = x @ weight
        assert product.dtype == kuai.bfloat16
        assert (x + weight).dtype == kuai.float32
        if IS_GPU:
            assert product.softmax(-1).dtype == kuai.float32
    assert (x @ weight).dtype == kuai.float32
    close(product.float(), x @ weight, 0.1)


def test_scaled_gradients_of_half_precision():
    if not IS_GPU:
        return
    net = nn.Linear(4, 2).to(DEVICE)
    optimizer, scaler = kuai.optim.SGD(net.parameters(), lr=0.1), kuai.amp.GradScaler(DEVICE)
    before = net.weight.detach().clone()
    with kuai.autocast("cuda", dtype=kuai.float16):
        loss = net(kuai.ones(3, 4, device=DEVICE)).square().mean()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    assert not kuai.equal(net.weight, before)
    assert bool(kuai.isfinite(net.weight).all())


def test_dlpack_shares_with_jax_and_comes_back():
    import jax.numpy as jnp

    x = kuai.arange(6.0, device=DEVICE).reshape(2, 3)
    array = jnp.from_dlpack(x) if IS_GPU else jnp.asarray(x)
    np.testing.assert_array_equal(np.asarray(array), x.cpu().numpy())
    back = kuai.from_dlpack(array) if IS_GPU else kuai.as_tensor(array, device=DEVICE)
    assert back.device == place()
    close(back, x, 0)


def test_dlpack_shares_with_pytorch_s_own_tensors():
    try:
        import torch
    except ModuleNotFoundError:
        return
    if not (IS_GPU and torch.cuda.is_available()):
        return
    x = kuai.arange(6.0, device=DEVICE)
    theirs = torch.from_dlpack(x)
    assert theirs.device.type == "cuda"
    assert theirs.tolist() == x.tolist()
    close(kuai.from_dlpack(theirs), x, 0)
