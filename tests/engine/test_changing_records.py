"""Records that keep changing, and programs that XLA would compute many times over."""

import jax
import jax.numpy as jnp
import pytest

import kuai
from kuai import nn
from kuai.engine.compile.fusion import recomputes_much
from kuai.engine.compile.pause import Pause
from kuai.engine.compile.worth import Worth


class Node:
    """As much of a node as is looked at."""

    visits = 0


def unrolled(turns):
    def function(x, w):
        cell = x
        for _ in range(turns):
            gates = jnp.tanh(x @ w)
            cell = gates * cell + gates
            x = jnp.tanh(cell)
        return x

    return jax.make_jaxpr(jax.grad(lambda x, w: function(x, w).sum()))(
        jnp.ones((2, 3)), jnp.ones((3, 3))
    ).jaxpr


def layers(turns):
    def function(x, w):
        for _ in range(turns):
            x = jnp.maximum(x @ w + 1, 0)
        return x.sum()

    return jax.make_jaxpr(jax.grad(function))(jnp.ones((2, 3)), jnp.ones((3, 3))).jaxpr


def test_a_cell_state_is_told_from_layers():
    assert recomputes_much(unrolled(200))
    assert not recomputes_much(layers(400))
    assert not recomputes_much(unrolled(3))  # soon compiled, whatever it is


def test_calls_are_opened():
    inner = jax.jit(lambda a, b: a * b + a)

    def function(x):
        before, last, sums = x, x * 2, []
        for _ in range(400):
            before, last = last, inner(last, before)
            sums.append(jnp.tanh(last).sum())  # the sum's argument is stored, `last` is not
        return sums

    assert recomputes_much(jax.make_jaxpr(function)(jnp.ones(3)).jaxpr)


def test_nobody_asked_for_programs():
    worth, short, part = Worth(), Node(), Node()
    assert [worth.has(short, 1000, False) for _ in range(2)] == [False, True]
    visits = [worth.has(part, 1000, True) for _ in range(120)]
    assert not any(visits[:99]) and visits[99]  # it has been run as long as compiling takes


def test_what_never_comes_again_is_not_recorded_for_a_while():
    pause = Pause()
    for _ in range(16):
        assert not pause.is_on(0)
        pause.note(10, True)
    assert not pause.is_on(3) and 200 < sum(pause.is_on(0) for _ in range(10_000)) < 320
    for turn in range(32):
        pause.note(10, turn % 2 == 0)
    assert not pause.left


@pytest.mark.parametrize("turns", [8, 24])
def test_loops_of_ever_new_lengths(turns):
    kuai.manual_seed(0)
    cell = nn.LSTMCell(2, 3)
    data = kuai.randn(2, turns + 8, 2)

    def losses():
        found = []
        for length in range(1, turns):
            state = kuai.zeros(2, 3), kuai.zeros(2, 3)
            for i in range(length):
                state = cell(data[:, i], state)
            loss = state[0].square().sum()
            cell.zero_grad()
            loss.backward()
            gradient = cell.weight_hh.grad
            assert gradient is not None
            found.append((loss.item(), gradient.abs().sum().item()))
        return found

    expected = losses()
    with kuai.fused():
        found = losses()
    assert found == [pytest.approx(pair, rel=1e-4) for pair in expected]
