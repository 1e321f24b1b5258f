"""Programs that carry values with their channels last: the same values, without transpositions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import kuai
from kuai import nn
from kuai.backends import mkldnn
from kuai.engine.compile.additions import Additions
from kuai.engine.compile.calls import Search
from kuai.engine.compile.layouts import interpret_channels_last

SHAPE = (2, 4, 6, 3)  # (N, H, W, C)
LOW, HIGH = np.float32(-1), np.float32(1)


def _first(x):
    return jnp.moveaxis(x, -1, 1)


def _last(x):
    return jnp.moveaxis(x, 1, -1)


#: Functions of (N, C, H, W), and how many transpositions of them are left.
RULES = {
    "elementwise": (lambda x: jnp.tanh(x) * 2 + jnp.where(x > 0, x, -x), 0),
    "two branches": (lambda x: jax.nn.relu6(x) + lax.clamp(LOW, x, HIGH), 0),
    "normalization": (lambda x: x - x.mean((0, 2, 3), keepdims=True), 0),
    "a factor for each channel": (lambda x: x * jax.nn.sigmoid(x.mean((2, 3), keepdims=True)), 0),
    "padding": (lambda x: jnp.pad(x, [(0, 0), (0, 0), (1, 2), (0, 1)]), 0),
    "slices": (lambda x: x[:, 1:, ::2, 1:3], 0),
    "joined": (lambda x: jnp.concatenate([x, x * 2], 1), 0),
    "joined along the width": (lambda x: jnp.concatenate([x, x * 2], 3), 0),
    "split": (lambda x: jnp.subtract(*jnp.split(x[:, :2], 2, 1)), 0),
    "reversed": (lambda x: jnp.flip(x, (1, 3)), 0),
    "taken": (lambda x: jnp.take(x, jnp.array([3, 0, 0]), axis=2), 0),
    "other sizes": (lambda x: x.reshape(2, 3, 24).reshape(2, 3, 8, 3), 0),
    "spread": (lambda x: jnp.broadcast_to(x[:, :, :1], (2, 3, 5, 6)), 0),
    "an own derivative": (lambda x: jax.nn.relu(x) + jax.nn.silu(x), 0),
    "an array that is not": (lambda x: x + jnp.arange(72.0).reshape(3, 4, 6), 1),
    "transposed otherwise": (lambda x: x.transpose(0, 1, 3, 2) + 1, 2),
    "sums that keep two sizes": (lambda x: x.sum(0)[None] + x[:1], 2),
    "no rule": (lambda x: jax.lax.cumsum(x, 3) + x, 2),
    "sums over some sizes": (lambda x: x + x.sum(2)[:, :, None], 2),
}


def _transpositions(jaxpr):
    """How many large arrays are transposed."""
    inner = [e.params["jaxpr"].jaxpr for e in jaxpr.eqns if e.primitive.name in ("jit", "pjit")]
    own = [e for e in jaxpr.eqns if e.primitive.name == "transpose" and e.invars[0].aval.size > 9]
    return len(own) + sum(map(_transpositions, inner))


@pytest.mark.parametrize("name", RULES)
def test_values_are_the_same_and_few_are_transposed(name):
    function, left = RULES[name]
    x = jnp.asarray(np.random.default_rng(0).standard_normal(SHAPE), jnp.float32)
    closed = jax.make_jaxpr(lambda x: _last(function(_first(x))))(x)

    def run(x):
        environment = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
        environment[closed.jaxpr.invars[0]] = x
        wanted = closed.jaxpr.outvars
        return interpret_channels_last(closed.jaxpr.eqns, environment, wanted, Additions())[0]

    np.testing.assert_allclose(run(x), _last(function(_first(x))), rtol=1e-6, atol=1e-6)
    assert _transpositions(jax.make_jaxpr(run)(x).jaxpr) <= left


def test_anchors_are_found_inside_of_calls():
    closed = jax.make_jaxpr(jax.jit(lambda x: jnp.sin(x)))(1.0)
    for name, is_there in (("sin", True), ("cos", False)):
        search = Search(lambda equation, name=name: equation.primitive.name == name)
        assert search.is_in(closed.jaxpr.eqns) is is_there


class Net(nn.Module):
    """Convolutions, and much of what stands between them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU6())
        self.down = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1, groups=4))
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")
        self.last = nn.Sequential(nn.Conv2d(8, 4, 1), nn.GroupNorm(2, 4), nn.GELU())

    def forward(self, x):
        x = self.first(x)
        return self.last(kuai.cat([x, self.up(self.down(x))], 1)).mean((2, 3))


def test_a_step_gives_what_operations_one_by_one_give():
    kuai.manual_seed(0)
    net, again = Net(), Net()
    again.load_state_dict(net.state_dict())
    x = kuai.randn(2, 3, 8, 8)
    results = []
    for model, compiled in ((net, True), (again, False)):
        optimizer = kuai.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(model=model, optimizer=optimizer):
            loss = model(x).square().sum()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

        step = kuai.compile(step) if compiled else step
        results.append([step().item() for _ in range(3)])
    assert results[0] == pytest.approx(results[1], rel=1e-4)
    for one, other in zip(net.state_dict().values(), again.state_dict().values(), strict=True):
        assert kuai.allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.skipif(not mkldnn.is_available(), reason="oneDNN is not installed here")
@pytest.mark.parametrize("has_convolution", [True, False])
def test_only_programs_with_convolutions_have_channels_last(has_convolution):
    layers = [nn.BatchNorm2d(3), nn.ReLU()] + [nn.Conv2d(3, 3, 1)] * has_convolution
    net = nn.Sequential(*layers)
    step = kuai.compile(lambda x: net(x))
    step(kuai.randn(2, 3, 4, 4))
    program = step.programs[0]
    text = program.function.lower(*program.avals).as_text()
    assert ("transpose" in text) == has_convolution


def test_convolutions_of_16_bits_are_rounded_once():
    x, layer = kuai.randn(2, 3, 6, 6), nn.Conv2d(3, 4, 3, bias=False)
    narrow = nn.functional.conv2d(x.bfloat16(), layer.weight.bfloat16())
    wide = nn.functional.conv2d(x.bfloat16().float(), layer.weight.bfloat16().float())
    assert narrow.dtype == kuai.bfloat16
    assert kuai.equal(narrow, wide.bfloat16())
