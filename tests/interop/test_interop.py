"""Between Kuai and PyTorch: no copy, the same numbers, clear errors."""

import numpy as np
import pytest
import torch

import kuai

DTYPES = (
    "float32 float64 float16 bfloat16 float8_e4m3fn float8_e5m2 int8 int16 int32 int64 uint8 "
    "uint16 uint32 bool complex64 complex128"
).split()


@pytest.mark.parametrize("name", DTYPES)
def test_tensors_go_and_come_without_a_copy(name):
    theirs = torch.ones(32, 32, dtype=getattr(torch, name))
    ours = kuai.from_torch(theirs)
    back = kuai.to_torch(ours)
    assert (ours.dtype, back.dtype) == (getattr(kuai, name), theirs.dtype)
    assert theirs.data_ptr() == ours.data_ptr() == back.data_ptr()


ODD = {
    "strided": lambda t: t.arange(10.0)[::2],
    "expanded": lambda t: t.ones(1, 3).expand(4, 3),
    "transposed": lambda t: t.arange(6.0).reshape(2, 3).T,
    "empty": lambda t: t.zeros(0, 3),
    "0-d": lambda t: t.tensor(3),
    "conjugate": lambda t: t.tensor([1 + 2j]).conj(),
    "leaf": lambda t: t.ones(2, requires_grad=True),
    "parameter": lambda t: t.nn.Parameter(t.ones(2), requires_grad=False),
}


@pytest.mark.parametrize("name", ODD)
def test_any_layout(name):
    theirs, ours = ODD[name](torch), ODD[name](kuai)
    assert repr(kuai.from_torch(theirs)) == repr(ours)
    assert repr(kuai.to_torch(ours)) == repr(theirs)
    assert type(kuai.to_torch(ours)) is type(theirs)


def test_gradients_come_along():
    layer = torch.nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    ours = kuai.from_torch(layer)
    assert ours.weight.grad.tolist() == [[1, 1]] == kuai.to_torch(ours).weight.grad.tolist()


def test_a_parametrized_layer_comes_along():
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 2))
    x = torch.randn(2, 3)
    ours = kuai.from_torch(layer)(kuai.from_torch(x))
    np.testing.assert_allclose(ours.tolist(), layer(x).tolist(), rtol=1e-5)


def test_writing_in_kuai_leaves_pytorchs_alone():
    theirs = torch.zeros(64, 64)
    ours = kuai.from_torch(theirs)
    add = kuai.compile(lambda x: x.add_(1))
    for _ in range(3):
        add(ours)
    assert ours[0, 0] == 3 and theirs[0, 0] == 0


LAYERS = {
    "linear": (lambda nn: nn.Linear(4, 3), (2, 4)),
    "shared": (lambda nn: nn.Sequential(*[nn.Linear(4, 4)] * 2), (2, 4)),
    "conv": (lambda nn: nn.Conv2d(2, 4, 3, padding="same", padding_mode="reflect"), (1, 2, 5, 5)),
    "norm": (lambda nn: nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3)), (2, 2, 5)),
    "lstm": (lambda nn: nn.LSTM(4, 3, 2, bidirectional=True), (5, 2, 4)),
    "transformer": (lambda nn: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), (2, 3, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_become_the_layers_of_the_same_name(name):
    make, shape = LAYERS[name]
    theirs, x = make(torch.nn).eval(), torch.randn(shape)
    ours = kuai.from_torch(theirs)
    back = kuai.to_torch(ours)
    assert type(ours) is type(make(kuai.nn)) and type(back) is type(theirs)
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    assert not ours.training and vars(back).keys() == vars(theirs).keys()
    first = lambda out: out[0] if isinstance(out, tuple) else out  # noqa: E731
    wanted = first(theirs(x)).detach()
    np.testing.assert_allclose(first(ours(kuai.from_torch(x))).detach(), wanted, atol=1e-5)
    np.testing.assert_allclose(first(back(x)).detach(), wanted, atol=1e-6)


def test_a_shared_layer_stays_shared():
    layer = torch.nn.Linear(2, 2)
    ours = kuai.from_torch(torch.nn.ModuleDict({"a": layer, "b": layer}))
    assert ours["a"] is ours["b"]


def net_of(t):
    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = t.nn.Conv2d(3, 4, 3), t.nn.BatchNorm2d(4)
            self.gain = t.nn.Parameter(t.ones(4, 1, 1))
            self.register_buffer("shift", t.ones(1))

        def forward(self, x, factor=2.0):
            y = t.nn.functional.gelu(self.norm(self.conv(x))) * self.gain + self.shift
            y = t.cat([y, y.mean(dim=2, keepdim=True)], dim=2)[:, 1:]
            return y.view(y.size(0), -1).to(t.float64) * factor

    return Net()


def test_a_class_of_ones_own_becomes_a_graph():
    theirs, x = net_of(torch).eval(), torch.randn(2, 3, 5, 5)
    ours = kuai.from_torch(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    wanted = theirs(x, 3.0)
    np.testing.assert_allclose(ours(kuai.from_torch(x), 3.0).detach(), wanted.detach(), atol=1e-5)
    np.testing.assert_allclose(kuai.to_torch(ours)(x, 3.0).detach(), wanted.detach(), atol=1e-6)
    assert torch.is_tensor(kuai.to_torch(net_of(kuai))(x))


def test_state_dicts_and_containers():
    theirs = torch.nn.Linear(2, 3)
    ours = kuai.nn.Linear(2, 3)
    ours.load_state_dict(theirs.state_dict())
    theirs.bias.data.add_(1)
    assert (ours.bias.detach().numpy() + 1 == theirs.bias.detach().numpy()).all()  # a copy
    state = kuai.from_torch(theirs.state_dict())
    assert type(state) is type(theirs.state_dict()) and ours.load_state_dict(state)
    assert [type(x) for x in kuai.from_torch((torch.ones(1), [torch.ones(1)]))] == [
        kuai.Tensor,
        list,
    ]


class Branching(torch.nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


WRONG = {
    "a number": (lambda: kuai.from_torch(3), TypeError, "expected a tensor or a module of PyTorch"),
    "Kuai's": (lambda: kuai.from_torch(kuai.ones(1)), TypeError, "got kuai"),
    "PyTorch's": (lambda: kuai.to_torch(torch.ones(1)), TypeError, "got torch"),
    "a history": (lambda: kuai.from_torch(torch.ones(1, requires_grad=True) * 2), RuntimeError,
        "detach"),
    "our history": (lambda: kuai.to_torch(kuai.ones(1, requires_grad=True) * 2), RuntimeError,
        "detach"),
    "mkldnn": (lambda: kuai.from_torch(torch.ones(2, 2).to_mkldnn()), TypeError, "_mkldnn"),
    "meta": (lambda: kuai.from_torch(torch.ones(2, device="meta")), TypeError, "meta"),
    "a branch": (lambda: kuai.from_torch(Branching()), TypeError, "load_state_dict"),
    "hooks": (lambda: kuai.from_torch(hooked()), TypeError, "hooks"),
    "mixed sum": (lambda: kuai.ones(2) + torch.ones(2), TypeError, "from_torch"),
    "mixed sum, theirs first": (lambda: torch.ones(2) + kuai.ones(2), TypeError, "from_torch"),
    "mixed product": (lambda: kuai.ones(2, 2) @ torch.ones(2, 2), TypeError, "from_torch"),
    "mixed list": (lambda: kuai.cat([torch.ones(2), kuai.ones(2)]), TypeError, "from_torch"),
    "assigned": (lambda: kuai.ones(2).__setitem__(0, torch.ones(())), TypeError, "from_torch"),
    "child": (lambda: kuai.nn.Sequential(torch.nn.ReLU()), TypeError, "from_torch"),
    "optimizer": (lambda: kuai.optim.SGD([torch.ones(1)]), TypeError, "from_torch"),
    "index": (lambda: kuai.ones(2)[torch.tensor([0])], TypeError, "from_torch"),
    "dtype": (lambda: kuai.ones(2, dtype=torch.float16), TypeError, "write kuai.float16"),
    "device": (lambda: kuai.ones(2, device=torch.device("cpu")), TypeError, "write 'cpu'"),
    "batch": (lambda: kuai.utils.data.default_collate([torch.ones(1)]), TypeError, "from_torch"),
}  # fmt: skip


def hooked():
    layer = torch.nn.Linear(1, 1)
    layer.register_forward_hook(lambda *args: None)
    return layer


@pytest.mark.parametrize("name", WRONG)
def test_errors_say_what_to_do(name):
    call, kind, text = WRONG[name]
    with pytest.raises(kind, match=text):
        call()


def test_dlpack_shares_memory_unless_a_copy_is_asked_for():
    theirs = torch.zeros(64, 64)
    shared, copied = kuai.from_dlpack(theirs), kuai.from_dlpack(theirs, copy=True)
    theirs += 1
    assert shared.sum() == 64 * 64 and copied.sum() == 0
    assert kuai.from_dlpack(np.arange(6.0)[::2]).tolist() == [0, 2, 4]
