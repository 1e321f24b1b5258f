"""Convolutions that compute what follows them, against the same layers one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kuai
import kuai.nn.functional as F
from kuai import nn
from kuai.backends import mkldnn
from kuai.ops.native import epilogues
from kuai.ops.nn.convolution_kernels import Window

pytestmark = pytest.mark.skipif(not mkldnn.is_available(), reason="oneDNN is not installed here")

ONE, SAME = (1, 1), ((1, 1), (1, 1))


@pytest.fixture
def taken(monkeypatch):
    """What has been taken into each convolution that a kernel computes with it."""
    found = []
    computed = epilogues._Convolution._computed

    def noting(self):
        if self.is_written:
            found.append(tuple(self.after))
        return computed(self)

    monkeypatch.setattr(epilogues._Convolution, "_computed", noting)
    return found


def normalized(inputs, outputs, size=3, kind=2, **options):
    """A convolution and a batch normalization that has seen something."""
    convolution = getattr(nn, f"Conv{kind}d")(inputs, outputs, size, padding=size // 2, **options)
    norm = getattr(nn, f"BatchNorm{kind}d")(outputs)
    with kuai.no_grad():
        for each in (norm.running_mean, norm.weight, norm.bias):
            each.normal_()
        norm.running_var.uniform_(0.5, 2.0)
    return nn.Sequential(convolution, norm)


def equal_compiled(function, *inputs, atol=2e-5):
    """A function gives compiled what it gives eagerly, nan included."""
    with kuai.no_grad():
        expected = function(*inputs)
        found = kuai.compile(function)(*inputs)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=atol)


class Shortcut(nn.Module):
    """A residual block whose shortcut may be a convolution, too."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.body = nn.Sequential(
            *normalized(inputs, outputs), nn.ReLU(), *normalized(outputs, outputs)
        )
        self.aside = normalized(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x):
        return F.relu(self.body(x) + self.aside(x))


NETS = {
    "relu": (lambda: nn.Sequential(normalized(8, 16), nn.ReLU()), [("shift", "scale", "least")]),
    "relu6": (
        lambda: nn.Sequential(normalized(8, 16, bias=False), nn.ReLU6()),
        [("shift", "scale", "least", "most")],
    ),
    "hardtanh": (
        lambda: nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.Hardtanh(-0.1, 0.2)),
        [("shift", "least", "most")],
    ),
    "norm alone": (lambda: normalized(8, 16), [("shift", "scale")]),
    "depthwise": (
        lambda: nn.Sequential(normalized(8, 8, groups=8), nn.ReLU6()),
        [("shift", "scale", "least", "most")],
    ),
    "shortcut": (
        lambda: Shortcut(8, 8),
        [("shift", "scale", "least"), ("shift", "scale", "added", "least")],
    ),
    "shortcut of convolutions": (
        lambda: Shortcut(8, 16),
        [
            ("shift", "scale", "least"),
            ("shift", "scale"),
            ("shift", "scale", "added", "least"),
        ],
    ),
    "another order": (
        lambda: nn.Sequential(nn.Conv2d(8, 16, 1), nn.ReLU(), normalized(16, 16)[1]),
        [("shift", "least")],
    ),
    "a bias alone": (lambda: nn.Sequential(nn.Conv2d(8, 16, 3), nn.Sigmoid()), []),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("values", ["usual", "nan", "inf", "large", "zero"])
def test_equals_the_layers_one_by_one(name, values, taken):
    make, expected = NETS[name]
    net = make().eval()
    x = kuai.randn(4, 8, 40, 40)
    if values in ("nan", "inf"):
        x[1, 2, 3, 4] = float(values)
    elif values != "usual":
        x *= 1e25 if values == "large" else 0.0
    with kuai.no_grad():
        eager = net(x)
        found = kuai.compile(lambda x: net(x))(x)
    size = float(eager[kuai.isfinite(eager)].abs().max())
    np.testing.assert_allclose(found.numpy(), eager.numpy(), rtol=1e-4, atol=1e-5 * (1 + size))
    assert sorted(taken) in ([], sorted(expected))  # programs that are alike are made once


def test_what_is_taken_in(taken):
    for make, expected in NETS.values():
        taken.clear()
        net, shift = make().eval(), len(taken) + 0.5
        with kuai.no_grad():  # with a number that no other program has
            kuai.compile(lambda x, net=net, shift=shift: net(x).sin() * shift)(
                kuai.randn(5, 8, 40, 40)
            )
        assert sorted(taken) == sorted(expected)


@pytest.mark.parametrize("kind", [1, 3])
def test_signals_and_volumes(kind):
    net = nn.Sequential(normalized(8, 8, kind=kind), nn.ReLU()).eval()
    equal_compiled(lambda x: net(x), kuai.randn(4, 8, *[2048] if kind == 1 else [12, 12, 12]))


def test_numbers_on_either_side():
    layer = nn.Conv2d(8, 16, 3, padding=1)
    x, limit = kuai.randn(4, 8, 40, 40), kuai.tensor(0.3)
    equal_compiled(lambda x: (2.0 * layer(x) - 1.0).clamp(min=0.0), x)
    equal_compiled(lambda x: F.relu(1.0 - layer(x)), x)
    equal_compiled(lambda x: kuai.minimum(F.relu(layer(x)), limit), x)
    equal_compiled(lambda x: F.relu(kuai.minimum(layer(x), limit) * 2.0 + 1.0), x)
    equal_compiled(lambda x: F.relu(layer(x) + layer.weight.sum()), x)
    equal_compiled(lambda x: F.relu(layer(x) * x.mean((0, 2, 3))[:1, None, None]), x)
    equal_compiled(lambda x: F.relu(layer(x) + layer(x)[:1]), x)


def test_a_value_that_two_read_is_computed_once():
    layer, x = nn.Conv2d(8, 16, 3, padding=1), kuai.randn(4, 8, 40, 40)

    def both(x):
        y = layer(x)
        return F.relu(y), F.hardtanh(y) * y

    compiled = kuai.compile(both)
    with kuai.no_grad():
        for found, expected in zip(compiled(x), both(x), strict=True):
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_training_goes_through_the_same_layers():
    net, x = nn.Sequential(normalized(8, 16), nn.ReLU6(), normalized(16, 8), nn.ReLU()), None
    x = kuai.randn(4, 8, 40, 40)
    net.eval()  # running statistics, and gradients all the same

    def step():
        net.zero_grad()
        net(x).square().mean().backward()
        return [each.grad.clone() for each in net.parameters()]

    compiled = kuai.compile(step)
    for found, expected in zip(compiled(), step(), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("known", [False, True])
def test_bounds(known):
    """What the kernel says of its value is true, and nan is not hidden by a bound."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((2, 16, 16, 8)), jnp.float32)
    weight = jnp.asarray(rng.standard_normal((16, 8, 3, 3)), jnp.float32)
    shift, added = jnp.arange(16.0, dtype=jnp.float32), jnp.ones((2, 16, 16, 16), jnp.float32)
    window = Window(ONE, SAME, ONE, 1)

    @jax.jit
    def run(x, weight, shift, least, most, added):
        bounds = [jnp.abs(each).max() if known else jnp.float32(np.inf) for each in (x, added)]
        arrays = (x, weight, shift, bounds[0], least, most, added, bounds[1])
        return epilogues._epilogue.bind(*arrays, window=window)

    for least, most in [(-np.inf, np.inf), (0, np.inf), (0, 6), (-1, 1)]:
        limits = np.float32(least), np.float32(most)
        found, bound = run(x, weight, shift, *limits, added)
        expected, _ = epilogues._on_xla(x, weight, shift, None, *limits, added, window=window)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
        assert np.abs(found).max() <= bound < np.inf
        for place in range(4):
            arrays = [x, weight, shift, added]
            middle = tuple([n // 2 for n in arrays[place].shape])  # where no padding is
            arrays[place] = arrays[place].at[middle].set(np.nan)
            spoilt = arrays[0], arrays[1], arrays[2], *limits, arrays[3]
            found, bound = run(*spoilt)
            expected, _ = epilogues._on_xla(*arrays[:3], None, *limits, arrays[3], window=window)
            np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
            assert bound == np.inf, (least, most, place)
