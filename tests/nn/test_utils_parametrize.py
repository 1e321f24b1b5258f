"""Parametrized tensors, and the parametrizations that come with them, against torch's."""

import copy
import pickle

import numpy as np
import pytest
import torch

import kuai

MAPS = ("matrix_exp", "cayley", "householder")


def pair(make):
    """A module of torch's and one of Kuai's with the same values, also after parametrization."""
    theirs, ours = make(torch), make(kuai)
    load(ours, theirs)
    return ours, theirs


def load(ours, theirs):
    state = {
        name: kuai.tensor(value.detach().numpy()) for name, value in theirs.state_dict().items()
    }
    assert list(state) == list(ours.state_dict())
    ours.load_state_dict(state)


def trained(t, net, steps=3):
    """Some steps of training: outputs, losses, and the weight at the end."""
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    x = t.linspace(-1, 1, 4 * net.weight.shape[1]).reshape(4, -1)
    found = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (net(x) ** 2).sum()
        loss.backward()
        optimizer.step()
        found.append(loss.detach().numpy())
    return [*found, net.weight.detach().numpy()]


def assert_trains_alike(ours, theirs):
    for found, expected in zip(trained(kuai, ours), trained(torch, theirs), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-5)
    assert repr(ours) == repr(theirs)


def parametrizations(t):
    return t.nn.utils.parametrizations


MAKERS = {
    "weight norm": lambda t: parametrizations(t).weight_norm(t.nn.Linear(5, 3)),
    "weight norm, one size": lambda t: parametrizations(t).weight_norm(
        t.nn.Linear(5, 3), "weight", None
    ),
    "weight norm, columns": lambda t: parametrizations(t).weight_norm(t.nn.Linear(5, 3), dim=1),
    "spectral norm": lambda t: parametrizations(t).spectral_norm(t.nn.Linear(5, 3)),
    "spectral norm, columns": lambda t: parametrizations(t).spectral_norm(
        t.nn.Linear(5, 3), "weight", 3, 1e-8, 1
    ),
    **{
        f"{name} {rows}x{columns} {base}": lambda t, n=name, r=rows, c=columns, b=base: (
            parametrizations(t).orthogonal(t.nn.Linear(c, r), "weight", n, use_trivialization=b)
        )
        for name in MAPS
        for rows, columns, base in ((4, 4, True), (5, 3, True), (3, 5, False))
    },
}


@pytest.mark.parametrize("name", MAKERS)
def test_trains_alike(name):
    assert_trains_alike(*pair(MAKERS[name]))


@pytest.mark.parametrize("name", ["weight norm", "spectral norm", "cayley 5x3 True"])
def test_removed_and_copied(name):
    remove = kuai.nn.utils.parametrize.remove_parametrizations
    ours = MAKERS[name](kuai).eval()
    twin = copy.deepcopy(ours)
    assert type(twin) is type(ours)
    np.testing.assert_array_equal(twin.weight.detach().numpy(), ours.weight.detach().numpy())
    assert twin.parametrizations is not ours.parametrizations
    before = ours.weight.detach().numpy()
    assert type(remove(ours, "weight")) is kuai.nn.Linear
    np.testing.assert_allclose(ours.weight.detach().numpy(), before, rtol=1e-6)
    assert isinstance(ours.weight, kuai.nn.Parameter)
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        pickle.dumps(twin)


@pytest.mark.parametrize("orthogonal_map", MAPS)
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 4, 3)])
def test_orthogonal_from_the_start(orthogonal_map, shape):
    net = kuai.nn.Module()
    net.weight = kuai.nn.Parameter(kuai.randn(*shape))
    parametrizations(kuai).orthogonal(net, "weight", orthogonal_map)
    weight = net.weight if shape[-2] >= shape[-1] else net.weight.mT
    product = (weight.mT @ weight).detach().numpy()
    expected = np.broadcast_to(np.eye(product.shape[-1]), product.shape)
    np.testing.assert_allclose(product, expected, atol=2e-5)


def test_an_orthogonal_matrix_stays_what_it_is_and_can_be_assigned():
    net = kuai.nn.Linear(3, 3)
    q, _ = kuai.linalg.qr(kuai.randn(3, 3))
    net.weight.data.copy_(q)
    parametrizations(kuai).orthogonal(net)
    np.testing.assert_allclose(net.weight.detach().numpy(), q.numpy(), atol=1e-6)
    other, _ = kuai.linalg.qr(kuai.randn(3, 3))
    net.weight = other
    np.testing.assert_allclose(net.weight.detach().numpy(), other.numpy(), atol=1e-6)
    tall = parametrizations(kuai).orthogonal(kuai.nn.Linear(3, 5), use_trivialization=False)
    q, _ = kuai.linalg.qr(kuai.randn(5, 3))
    tall.weight = q
    np.testing.assert_allclose(tall.weight.detach().numpy(), q.numpy(), atol=1e-5)


def test_spectral_norm_of_transposed_convolutions():
    ours, theirs = pair(
        lambda t: parametrizations(t).spectral_norm(t.nn.ConvTranspose2d(3, 2, 2), "weight", 2)
    )
    x = np.ones((1, 3, 2, 2), "float32")
    found, expected = ours(kuai.tensor(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-4)
    load(ours, theirs)


def own(t):
    class Symmetric(t.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).transpose(-1, -2)

        def right_inverse(self, x):
            return x.triu()

    class Doubled(t.nn.Module):
        def forward(self, x):
            return 2 * x

        def right_inverse(self, x):
            return x / 2

    class RankOne(t.nn.Module):
        def forward(self, x, y):
            return x.unsqueeze(-1) @ y.unsqueeze(-2)

        def right_inverse(self, z):
            return z[:, 0].clone(), z[0] / z[0, 0]

    class Long(t.nn.Module):
        def forward(self, x):
            return x.reshape(-1)

    class Whole(t.nn.Module):
        def forward(self, x):
            return x.double()

    return Symmetric(), Doubled(), RankOne(), Long(), Whole()


def registered(t, *numbers, **options):
    net = t.nn.Linear(3, 3)
    with t.no_grad():
        net.weight.copy_(t.arange(1.0, 10.0).reshape(3, 3))
        net.bias.zero_()
    for number in numbers:
        t.nn.utils.parametrize.register_parametrization(net, "weight", own(t)[number], **options)
    return net


@pytest.mark.parametrize("numbers", [(0,), (0, 1), (1, 0), (2,)])
def test_own_parametrizations(numbers):
    ours, theirs = registered(kuai, *numbers), registered(torch, *numbers)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy())
    assert type(ours).__name__ == type(theirs).__name__ == "ParametrizedLinear"
    for t, net in ((kuai, ours), (torch, theirs)):
        net.weight = t.full((3, 3), 4.0)
        assert net.weight.detach().numpy().tolist() == [[4.0] * 3] * 3
        net.weight.sum().backward()
    for found, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        if expected.grad is not None:
            np.testing.assert_allclose(found.grad.numpy(), expected.grad.numpy())


WRONG = {
    "shape": lambda t: registered(t, 3),
    "dtype": lambda t: registered(t, 4),
    "second shape": lambda t: registered(t, 0, 3),
    "no tensor": lambda t: t.nn.utils.parametrize.register_parametrization(
        t.nn.Linear(1, 1), "other", t.nn.Identity()
    ),
    "nothing to remove": lambda t: t.nn.utils.parametrize.remove_parametrizations(
        t.nn.Linear(1, 1), "weight"
    ),
    "several tensors": lambda t: t.nn.utils.parametrize.remove_parametrizations(
        registered(t, 2), "weight", leave_parametrized=False
    ),
    "no matrix": lambda t: parametrizations(t).orthogonal(t.nn.Linear(1, 1), "bias"),
    "no map": lambda t: parametrizations(t).orthogonal(t.nn.Linear(1, 1), "weight", "x"),
    "no iterations": lambda t: parametrizations(t).spectral_norm(t.nn.Linear(1, 1), "weight", 0),
    "dim": lambda t: parametrizations(t).spectral_norm(t.nn.Linear(1, 1), dim=3),
    "no name": lambda t: parametrizations(t).spectral_norm(t.nn.Linear(1, 1), "w"),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors(name):
    said = []
    for t in (torch, kuai):
        with pytest.raises((ValueError, IndexError)) as found:
            WRONG[name](t)
        said.append((found.type, str(found.value)))
    assert said[0] == said[1]


def test_unsafe_changes_the_shape_and_removal_gives_the_original_back():
    net = registered(kuai, 3, unsafe=True)
    assert net.weight.shape == (9,)
    original = net.parametrizations.weight.original
    kuai.nn.utils.parametrize.remove_parametrizations(net, "weight", leave_parametrized=False)
    assert net.weight is original and net.weight.shape == (3, 3)


def test_cached_and_transferred():
    parametrize = kuai.nn.utils.parametrize
    net = registered(kuai, 0)
    assert net.weight is not net.weight
    with parametrize.cached():
        assert net.weight is net.weight
    target = kuai.nn.Linear(3, 3)
    parametrize.transfer_parametrizations_and_params(net, target)
    assert target.parametrizations.weight.original is net.parametrizations.weight.original
    assert parametrize.is_parametrized(target, "weight")
    assert parametrize.type_before_parametrizations(target) is kuai.nn.Linear


def test_compiled_and_functional():
    net = MAKERS["weight norm"](kuai)
    x = kuai.ones(2, 5)
    wanted = net(x).detach().numpy()
    compiled = kuai.compile(lambda x: net(x))
    for _ in range(2):
        np.testing.assert_allclose(compiled(x).detach().numpy(), wanted, rtol=1e-5)
    state = {name: value * 0 for name, value in net.state_dict().items() if name == "bias"}
    with pytest.warns(FutureWarning, match="deprecated"):
        made = kuai.nn.utils.stateless.functional_call(net, state, x)
    np.testing.assert_allclose(made.detach().numpy(), wanted - net.bias.detach().numpy(), atol=1e-5)


def test_compiled_code_sees_what_an_own_parametrization_reads():
    class Scaled(kuai.nn.Module):
        factor = 1.0

        def forward(self, x):
            return x * self.factor

    net, scaled = kuai.nn.Linear(2, 1, bias=False), Scaled()
    kuai.nn.utils.parametrize.register_parametrization(net, "weight", scaled)
    compiled, x = kuai.compile(lambda x: net(x)), kuai.ones(1, 2)
    first = [compiled(x).item() for _ in range(4)][-1]
    scaled.factor = 3.0
    assert abs(compiled(x).item() - 3 * first) < 1e-5


# The hooks of old ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.parametrize("name", ["weight_norm", "spectral_norm"])
def test_old_hooks(name):
    ours, theirs = pair(lambda t: getattr(t.nn.utils, name)(t.nn.Linear(5, 3)))
    assert_trains_alike(ours, theirs)
    x = kuai.ones(2, 5)
    wanted = ours.eval()(x).detach().numpy()
    getattr(kuai.nn.utils, f"remove_{name}")(ours)
    np.testing.assert_allclose(ours(x).detach().numpy(), wanted, rtol=1e-5)
    assert [key for key, _ in ours.named_parameters()] == ["bias", "weight"]
    with pytest.raises(ValueError, match="not found"):
        getattr(kuai.nn.utils, f"remove_{name}")(ours)
    with pytest.raises(RuntimeError, match="Cannot register two"):
        getattr(kuai.nn.utils, name)(getattr(kuai.nn.utils, name)(ours))


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_old_names_in_a_state_dict_are_taken():
    old = kuai.nn.utils.weight_norm(kuai.nn.Linear(5, 3))
    new = parametrizations(kuai).weight_norm(kuai.nn.Linear(5, 3))
    new.load_state_dict(old.state_dict())
    x = kuai.ones(1, 5)
    np.testing.assert_allclose(new(x).detach().numpy(), old(x).detach().numpy(), rtol=1e-6)


# Fusion and making --------------------------------------------------------------------------------


@pytest.mark.parametrize("transposed", [False, True])
def test_fused_convolution(transposed):
    kind = kuai.nn.ConvTranspose2d if transposed else kuai.nn.Conv2d
    conv, bn = kind(2, 3, 3, bias=not transposed), kuai.nn.BatchNorm2d(3)
    bn.running_mean.copy_(kuai.randn(3))
    bn.running_var.copy_(kuai.rand(3) + 0.5)
    x = kuai.randn(1, 2, 5, 5)
    fused = kuai.nn.utils.fuse_conv_bn_eval(conv.eval(), bn.eval(), transposed)
    wanted = bn(conv(x)).detach().numpy()
    np.testing.assert_allclose(fused(x).detach().numpy(), wanted, rtol=1e-3, atol=1e-5)
    assert conv.weight is not fused.weight
    with pytest.raises(AssertionError, match="eval"):
        kuai.nn.utils.fuse_conv_bn_eval(conv.train(), bn)


def test_fused_linear():
    linear, bn = kuai.nn.Linear(4, 3).eval(), kuai.nn.BatchNorm1d(3).eval()
    bn.running_mean.copy_(kuai.randn(3))
    x = kuai.randn(5, 4)
    fused = kuai.nn.utils.fuse_linear_bn_eval(linear, bn)
    np.testing.assert_allclose(
        fused(x).detach().numpy(), bn(linear(x)).detach().numpy(), rtol=1e-4, atol=1e-5
    )


def test_skip_init():
    assert kuai.nn.utils.skip_init(kuai.nn.Linear, 5, 1).weight.shape == (1, 5)
    with pytest.raises(RuntimeError, match="Expected a Module"):
        kuai.nn.utils.skip_init(dict)
    with pytest.raises(RuntimeError, match="'device'"):
        kuai.nn.utils.skip_init(kuai.nn.ReLU)
