"""Where tensors lie: making them, copying them, mixing them, writing into them."""

import copy

import kuai
from kuai import nn
from tests.gpu.card import DEVICE, IS_GPU, close, place, raises


def test_makers_put_tensors_where_they_are_told():
    made = [
        kuai.zeros(2, device=DEVICE),
        kuai.tensor([1, 2], device=DEVICE),
        kuai.arange(3, device=DEVICE),
        kuai.rand(2, device=DEVICE),
        kuai.eye(2, device=place()),
        kuai.empty(0, device=DEVICE),
        kuai.ones_like(kuai.zeros(2, device=DEVICE)),
        kuai.zeros(2, device=DEVICE).new_full((2,), 3.0),
        nn.Linear(2, 3, device=DEVICE).weight,
    ]
    assert {tensor.device for tensor in made} == {place()}


def test_a_device_is_a_context_and_a_default():
    with kuai.device(DEVICE):
        assert kuai.zeros(2).device == place()
    kuai.set_default_device(DEVICE)
    try:
        assert nn.Linear(2, 2).weight.device == place()
    finally:
        kuai.set_default_device("cpu")
    assert kuai.zeros(2).device.type == "cpu"


def test_printing_names_the_device():
    assert f"device='{place()}'" in repr(kuai.ones(2, device=DEVICE))


def test_copies_between_host_and_device():
    x = kuai.randn(3, 4)
    y = x.to(DEVICE)
    close(y, x, 0)
    close(y.cpu(), x, 0)
    assert (y.device, y.cpu().device) == (place(), x.device)
    assert y.to(DEVICE) is y
    assert y.to(DEVICE, copy=True) is not y
    y.zero_()
    assert x.abs().sum() > 0
    x.copy_(y)
    assert x.abs().sum() == 0
    assert y.to("cpu", kuai.float64).dtype == kuai.float64


def test_gradients_cross_devices():
    x = kuai.ones(3, requires_grad=True)
    (x.to(DEVICE) * 2).sum().backward()
    close(x.grad, kuai.full((3,), 2.0))
    assert x.grad.device == x.device


def test_mixing_devices_is_refused():
    x, y = kuai.ones(2, 2, device=DEVICE), kuai.ones(2, 2)
    for operation in (lambda: x + y, lambda: y @ x, lambda: kuai.cat([x, y])):
        with raises(RuntimeError, "Expected all tensors to be on the same device"):
            operation()
    with raises(RuntimeError, "same device"):
        nn.Linear(2, 2)(x)


def test_numbers_and_indices_may_come_from_the_host():
    x, number = kuai.arange(4.0, device=DEVICE), kuai.tensor(2.0, requires_grad=True)
    y = x * number
    y.sum().backward()
    close(y, kuai.tensor([0.0, 2.0, 4.0, 6.0]))
    assert (y.device, number.grad.device, number.grad.item()) == (place(), number.device, 6.0)
    close(x[kuai.tensor([3, 0])], kuai.tensor([3.0, 0.0]))
    close(x[kuai.tensor([True, False, True, False])], kuai.tensor([0.0, 2.0]))
    x[kuai.tensor([1, 2])] = 7.0
    x[0:1] = kuai.tensor([5.0])
    close(x, kuai.tensor([5.0, 7.0, 7.0, 3.0]))
    with raises(RuntimeError, "same device"):
        kuai.tensor(1.0, device=DEVICE) * kuai.ones(2)


def test_values_reach_python():
    x = kuai.arange(4.0, device=DEVICE)
    assert (x.tolist(), x.sum().item(), bool(x.any())) == ([0.0, 1.0, 2.0, 3.0], 6.0, True)
    assert [float(each) for each in x] == x.tolist()
    if IS_GPU:
        with raises(TypeError, "can't convert cuda:0 device type tensor to numpy"):
            x.numpy()


def test_views_share_memory():
    x = kuai.zeros(3, 4, device=DEVICE)
    x[0] += 1
    x.T[1, :] = 2
    x.view(-1)[-1] = 3
    x.diagonal().mul_(10)
    rows = x.chunk(3)
    rows[2].data.sub_(1)
    wanted = [[10.0, 2.0, 1.0, 1.0], [0.0, 20.0, 0.0, 0.0], [-1.0, 1.0, -1.0, 2.0]]
    close(x, kuai.tensor(wanted))
    assert rows[2].device == place()
    assert rows[0].untyped_storage().data_ptr() == x.untyped_storage().data_ptr()


def test_modules_move_with_buffers_and_tied_weights():
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3))
    net[2].weight = net[0].weight
    twin = copy.deepcopy(net)
    assert net.to(DEVICE) is net
    assert {t.device for t in (*net.parameters(), *net.buffers())} == {place()}
    assert net[2].weight is net[0].weight
    x = kuai.randn(5, 3)
    close(net(x.to(DEVICE)), twin(x), 1e-4)
    close(net[1].running_mean, twin[1].running_mean, 1e-4)
    assert next(net.cpu().parameters()).device.type == "cpu"


def test_optimizer_keeps_its_state_where_the_parameter_is():
    weight = nn.Parameter(kuai.ones(3, device=DEVICE))
    optimizer = kuai.optim.AdamW([weight], lr=0.1)
    (weight**2).sum().backward()
    optimizer.step()
    assert optimizer.state[weight]["exp_avg"].device == place()
    assert weight.grad.device == place()
    again = kuai.optim.AdamW([weight], lr=0.1)
    again.load_state_dict(optimizer.state_dict())
    assert again.state[weight]["exp_avg_sq"].device == place()


def test_what_cuda_is_asked_for():
    assert kuai.cuda.is_available() == (kuai.cuda.device_count() > 0)
    if IS_GPU:
        assert kuai.cuda.get_device_name(0)
        kuai.cuda.synchronize()
        held = kuai.ones(2**20, device=DEVICE)
        assert kuai.cuda.memory_allocated() >= held.nbytes
        assert kuai.cuda.max_memory_allocated() >= kuai.cuda.memory_allocated()
