"""The LSTM's kernels against XLA's loops; the rows compare whichever is used with torch."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kuai
from kuai.backends import mkldnn
from kuai.ops.native import lstm_scan, lstm_steps
from kuai.ops.nn.lstm import lstm_direction

needs_kernels = pytest.mark.skipif(not mkldnn.is_available(), reason="oneDNN is not installed here")

# T, B, I, H: the benchmark's shape, one of everything, odd ones, one in which no two threads have
# the same number of rows, few rows with a large weight, many blocks of steps
SHAPES = [
    (64, 32, 64, 128), (1, 1, 1, 1), (3, 2, 5, 7), (5, 33, 4, 17), (9, 3, 2, 600), (37, 101, 3, 5)
]  # fmt: skip


@pytest.fixture(autouse=True)
def _for_any_shape(monkeypatch):
    """Small shapes are left to XLA otherwise."""
    monkeypatch.setattr(lstm_steps, "_FEWEST", (1, 1, 1))


def _arrays(shape, seed=0):
    """What `lstm_direction` takes."""
    steps, batch, inputs, size = shape
    draw = np.random.default_rng(seed).standard_normal

    def made(*sizes):
        return jnp.asarray(draw(sizes) / np.sqrt(sizes[-1]), jnp.float32)

    return (
        made(steps, batch, inputs), made(4 * size, inputs), made(4 * size),
        made(batch, size), made(batch, size), made(4 * size, size),
    )  # fmt: skip


def _near(given, expected, tolerance=2e-5):
    given, expected = jax.tree.leaves(given), jax.tree.leaves(expected)
    for a, b in zip(given, expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * (1 + np.abs(b).max()))


def _derivatives(reverse, arrays):
    """Values, with and without what is kept for the backward pass, and all gradients."""
    inferred = lstm_direction(reverse, *arrays)
    made, pull_back = jax.vjp(lambda *arrays: lstm_direction(reverse, *arrays), *arrays)
    return inferred, made, pull_back(jax.tree.map(jnp.cos, made))


def _compiled(way, *arguments):
    """The result with the kernels, and without them."""
    with_kernels = jax.jit(way, static_argnums=0)(*arguments)
    with mkldnn.flags(enabled=False):
        return with_kernels, jax.jit(way, static_argnums=0)(*arguments)


@needs_kernels
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_xla(shape, reverse):
    _near(*_compiled(_derivatives, reverse, _arrays(shape)))


@needs_kernels
def test_equals_xla_for_many_shapes():
    random = np.random.default_rng(7)
    for seed in range(8):
        shape = tuple(int(size) for size in random.integers(1, 40, 4))
        reverse = bool(random.integers(2))
        arrays = _arrays(shape, seed)
        given = lstm_steps.forward(*arrays, reverse=reverse)
        _near(given, lstm_scan.forward(*arrays, reverse=reverse))


@needs_kernels
def test_large_and_undefined_numbers():
    input, *others = _arrays((2, 5, 3, 40))
    for factor in (1e-30, 1e4, 1e38):
        arrays = input * factor, *others
        _near(*_compiled(lambda reverse, *arrays: lstm_direction(reverse, *arrays), False, *arrays))
    arrays = input.at[0, 2, 1].set(jnp.nan), *others
    outputs, _, _ = jax.jit(lstm_direction, static_argnums=0)(False, *arrays)
    assert np.isnan(outputs[:, 2]).all() and not np.isnan(outputs[:, [0, 1, 3, 4]]).any()


def _second_derivatives(reverse, arrays):
    def loss(arrays):
        return sum(jnp.sin(made).sum() for made in lstm_direction(reverse, *arrays))

    def steepness(arrays):
        return sum(jnp.square(gradient).sum() for gradient in jax.grad(loss)(arrays))

    return jax.grad(steepness)(arrays)


@needs_kernels
@pytest.mark.parametrize("reverse", [False, True])
def test_second_derivatives(reverse):
    _near(*_compiled(_second_derivatives, reverse, _arrays((4, 3, 2, 5))), tolerance=1e-4)


@needs_kernels
def test_under_vmap():
    arrays = _arrays((4, 3, 2, 5))
    many = [jnp.stack([array, -array]) for array in arrays[:-1]]

    def mapped(reverse, many, weight):
        return jax.vmap(lambda one: _derivatives(reverse, (*one, weight)))(many)

    _near(*_compiled(mapped, False, many, arrays[-1]))


@needs_kernels
def test_forward_mode():
    arrays = _arrays((4, 3, 2, 5))

    def tangent(reverse, arrays):
        way = lstm_steps if lstm_steps.is_possible(*arrays) else lstm_scan
        return jax.jvp(
            lambda x: way.inference(x, *arrays[1:], reverse=reverse), arrays[:1], arrays[:1]
        )

    _near(*_compiled(tangent, True, arrays))


def _program(arrays):
    def loss(arrays):
        return jnp.square(lstm_direction(False, *arrays)[0]).sum()

    text = [jax.jit(way).lower(arrays).as_text() for way in (loss, jax.grad(loss))]
    return [
        [name for name in ("inference", "forward", "backward") if f"kuai_lstm_{name}" in part]
        for part in text
    ]


@needs_kernels
def test_is_used_where_it_can_be():
    arrays = _arrays((4, 3, 2, 5))
    assert _program(arrays) == [["inference"], ["forward", "backward"]]
    assert _program([array.astype(jnp.float64) for array in arrays]) == [[], []]
    assert _program(_arrays((4, 0, 2, 5))) == [[], []]
    with mkldnn.flags(enabled=False):
        assert _program(arrays) == [[], []]


@needs_kernels
def test_small_problems_are_left_to_xla(monkeypatch):
    monkeypatch.undo()
    assert _program(_arrays((8, 2, 2, 64))) == [["inference"], ["forward", "backward"]]
    for shape in ((7, 2, 2, 64), (8, 1, 2, 64), (8, 2, 2, 63)):
        assert _program(_arrays(shape)) == [[], []]


@needs_kernels
def test_a_switch_is_seen_by_eager_and_compiled_code():
    layer = kuai.nn.LSTM(3, 6, num_layers=2, bidirectional=True, batch_first=True)
    compiled = kuai.compile(lambda x: layer(x)[0])
    x = kuai.randn(2, 7, 3)
    expected = layer(x)[0].numpy(force=True)
    for run in (lambda x: layer(x)[0], compiled):
        _near(run(x).numpy(force=True), expected)
        with mkldnn.flags(enabled=False):
            _near(run(x).numpy(force=True), expected)


@needs_kernels
def test_threads_may_run_it_at_once():
    failures = []
    run = jax.jit(_derivatives, static_argnums=0)

    def work(arrays, expected):
        for _ in range(10):
            try:
                _near(run(False, arrays), expected)
            except AssertionError as failure:
                failures.append(failure)

    threads = []
    for number in range(4):
        arrays = _arrays((5 + number, 9 + number, 3, 8), seed=number)
        expected = _derivatives(False, arrays)
        threads.append(threading.Thread(target=work, args=(arrays, expected)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
