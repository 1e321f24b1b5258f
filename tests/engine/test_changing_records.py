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


def observed(pause, number, steps):
    """Rows of ten operations, of so many kinds in turn, that are run in a pause."""
    for step in range(steps):
        for place in range(10):
            pause.count((step % number, place), ())
        pause.row_ended(is_step=True)


def paused():
    pause = Pause(Worth())
    pause.takes_steps = True
    for _ in range(16):
        assert not pause.is_on
        pause.note(10, False)
    assert pause.is_on
    return pause


def test_what_never_comes_again_is_not_recorded():
    pause = paused()
    observed(pause, 1000, 1000)
    assert pause.is_on
    observed(pause, 1, 10_000)
    assert not pause.is_on


def test_what_comes_again_is_recorded_where_a_step_ends():
    pause = paused()
    for _ in range(400):
        pause.count("the same", ())
        pause.row_ended()
    assert pause.is_on
    pause.row_ended(is_step=True)
    assert not pause.is_on
    pause.note(1, False)  # which the tree of records does not know yet
    for _ in range(32):
        pause.note(1, True)
    assert not pause.is_on


def test_many_new_operations_are_enough():
    pause = Pause(Worth())
    pause.note(600, False)
    pause.note(600, True)
    pause.note(600, False)
    assert not pause.is_on
    pause = Pause(Worth())
    for _ in range(3):
        pause.note(600, False)
    assert pause.is_on


def test_one_record_of_many_waits_for_its_program():
    worth, usual, others = Worth(), Node(), [Node() for _ in range(20)]
    found = [worth.has(node, 100, False) for _ in range(3) for node in others]
    assert not any(found[20:])
    assert [worth.has(usual, 1000, False) for _ in range(4)] == [False, True, False, False]
    worth.promise([100])
    assert worth.has(others[0], 100, False)


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
