"""Compiled code rounds numbers of 16 bits wherever its Python does."""

import pytest

import kuai

DTYPES = [kuai.bfloat16, kuai.float16]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_chain_rounds_at_every_link(dtype):
    def chain(x):
        for _ in range(4):
            x = x * 1.37 + 0.3
        return x.sqrt() - x

    x = kuai.rand(1000).to(dtype)
    assert kuai.equal(kuai.compile(chain)(x), chain(x))


def test_a_chain_of_doubles_rounds_to_floats_and_back():
    x = kuai.rand(1000, dtype=kuai.float64)

    def chain(x):
        return x.float().double() * 3

    assert kuai.equal(kuai.compile(chain)(x), chain(x))


def _trained(compiled):
    kuai.manual_seed(0)
    layers = kuai.nn.Linear(16, 32), kuai.nn.GELU(), kuai.nn.LayerNorm(32), kuai.nn.Linear(32, 8)
    net, x = kuai.nn.Sequential(*layers), kuai.randn(4, 16)
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.05)

    def step():
        optimizer.zero_grad()
        with kuai.autocast("cpu", dtype=kuai.bfloat16):
            loss = net(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    run = kuai.compile(step) if compiled else step
    return [run().item() for _ in range(5)], [p.detach() for p in net.parameters()]


def test_a_step_under_autocast_is_that_of_eager_code():
    (losses, eager), (others, compiled) = _trained(False), _trained(True)
    assert others == losses
    for one, other in zip(eager, compiled, strict=True):
        kuai.testing.assert_close(other, one, rtol=1e-6, atol=1e-8)
