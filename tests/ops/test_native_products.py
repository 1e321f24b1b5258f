"""Products of bfloat16 by oneDNN inside compiled programs, against sums in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import kuai
from kuai.backends import mkldnn
from kuai.ops.native import library, products

needs_instructions = pytest.mark.skipif(
    not library.multiplies_bfloat16(), reason="no oneDNN, or no instructions for bfloat16"
)

#: Two shapes; axes that are summed; axes of the batch.
CASES = {
    "matrices": ((64, 96), (96, 128), ((1,), (0,)), ((), ())),
    "left exchanged": ((96, 64), (96, 128), ((0,), (0,)), ((), ())),
    "right exchanged": ((64, 96), (128, 96), ((1,), (1,)), ((), ())),
    "a batch": ((8, 32, 48), (8, 48, 64), ((2,), (1,)), ((0,), (0,))),
    "two batches, exchanged": ((2, 4, 48, 32), (2, 4, 64, 48), ((2,), (3,)), ((0, 1), (0, 1))),
    "a batch inside": ((32, 8, 48), (48, 8, 64), ((2,), (0,)), ((1,), (1,))),
    "two sums": ((8, 64, 96), (8, 64, 80), ((0, 1), (0, 1)), ((), ())),
    "two sums, apart": ((8, 96, 64), (64, 80, 8), ((2, 0), (0, 2)), ((), ())),
    "a vector": ((2048,), (2048, 512), ((0,), (0,)), ((), ())),
}


def _numbers(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.bfloat16)


@needs_instructions
@pytest.mark.parametrize("dtype", [None, jnp.float32])
@pytest.mark.parametrize("case", CASES)
def test_equals_the_sum(case, dtype):
    left, right, contracted, batch = CASES[case]
    x, y, numbers = _numbers(*left), _numbers(*right, seed=1), (contracted, batch)
    closed = jax.make_jaxpr(lambda x, y: lax.dot_general(x, y, numbers, None, dtype))(x, y)
    (equation,) = closed.jaxpr.eqns
    assert products.computes(equation)
    made = jax.jit(lambda x, y: products.product(equation, x, y))(x, y)
    expected = lax.dot_general(*(a.astype(jnp.float32) for a in (x, y)), numbers)
    assert (made.dtype, made.shape) == (dtype or jnp.bfloat16, expected.shape)
    tolerance = 1e-5 if dtype else 2**-8
    largest = float(jnp.abs(expected).max())
    np.testing.assert_allclose(
        np.asarray(made, np.float32), expected, rtol=tolerance, atol=tolerance * largest / 8
    )


def _step(size):
    net = kuai.nn.Sequential(
        kuai.nn.Linear(size, size), kuai.nn.ReLU(), kuai.nn.Linear(size, size)
    ).to(kuai.bfloat16)

    @kuai.compile
    def step(x):
        loss = net(x).float().square().mean()
        loss.backward()
        return loss

    return net, step, kuai.ones(128, size, dtype=kuai.bfloat16)


def _text(compiled):
    program = compiled.programs[0]
    return program.function.lower(*program.avals).as_text()


@needs_instructions
@pytest.mark.parametrize(("size", "count"), [(128, 5), (8, 0)])
def test_forward_and_backward_passes_have_it_where_it_pays(size, count):
    net, step, x = _step(size)
    step(x)
    assert _text(step).count("@kuai_product") == count
    compiled = [parameter.grad for parameter in net.parameters()]
    net.zero_grad()
    net(x).float().square().mean().backward()
    for parameter, grad in zip(net.parameters(), compiled, strict=True):
        kuai.testing.assert_close(grad, parameter.grad, rtol=2e-2, atol=1e-3)


@needs_instructions
def test_there_is_none_where_oneDNN_is_off():
    with mkldnn.flags(enabled=False):
        _, step, x = _step(128)
        step(x)
        assert "@kuai_product" not in _text(step)


@needs_instructions
def test_beside_a_convolution():
    """Layouts and products are both the work of one interpreter."""
    net = kuai.nn.Sequential(
        kuai.nn.Conv2d(16, 32, 3, padding=1), kuai.nn.Flatten(), kuai.nn.Linear(32 * 64, 64)
    ).to(kuai.bfloat16)
    x = kuai.randn(8, 16, 8, 8, dtype=kuai.bfloat16)
    compiled = kuai.compile(lambda x: net(x))
    kuai.testing.assert_close(compiled(x), net(x), rtol=2e-2, atol=2e-2)
    text = _text(compiled)
    assert "@kuai_product" in text
    assert "@kuai_convolution_forward" in text
