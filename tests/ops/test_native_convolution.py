"""oneDNN's convolution against XLA's; the rows compare whichever is installed with torch."""

import os
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kuai
from kuai.backends import mkldnn
from kuai.ops.native import library
from kuai.ops.nn.convolution_kernels import Window, convolve, convolve_transposed, direct, native

needs_onednn = pytest.mark.skipif(not mkldnn.is_available(), reason="oneDNN is not installed here")

ONE, NONE = (1, 1), ((0, 0), (0, 0))
CASES = {
    "plain": ((2, 3, 7, 8), (4, 3, 3, 3), Window(ONE, NONE, ONE, 1)),
    "1d": ((2, 3, 20), (5, 3, 4), Window((2,), ((1, 3),), (2,), 1)),
    "3d": ((2, 3, 7, 6, 5), (5, 3, 2, 3, 1), Window((2, 1, 1), ((1, 0), *NONE), (1, 1, 2), 1)),
    "asymmetric": ((2, 4, 9, 8), (6, 4, 3, 2), Window((1, 2), ((1, 2), (0, 1)), (1, 2), 1)),
    "groups": ((2, 4, 9, 8), (8, 2, 3, 3), Window((2, 1), ((1, 1), (0, 3)), (2, 1), 2)),
    "depthwise": ((2, 4, 9, 8), (8, 1, 3, 3), Window(ONE, ((1, 1), (1, 1)), ONE, 4)),
    "1x1": ((2, 16, 9, 8), (6, 16, 1, 1), Window((2, 2), NONE, ONE, 1)),
    "several threads": ((8, 16, 32, 30), (32, 16, 3, 3), Window(ONE, ((1, 1), (1, 1)), ONE, 1)),
    "empty batch": ((0, 3, 7, 8), (4, 3, 3, 3), Window(ONE, NONE, ONE, 1)),
}


def _numbers(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def _near(given, expected):
    for a, b in zip(given, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * (1 + np.abs(b).max(initial=0)))


def _derivatives(way, window, x, weight):
    """Value, gradients, a tangent, and gradients of the gradients."""

    def loss(x, weight):
        return jnp.sin(way(x, weight, window)).sum()

    def steepness(x, weight):
        return sum(jnp.square(g).sum() for g in jax.grad(loss, (0, 1))(x, weight))

    tangent = jax.jvp(loss, (x, weight), (x, weight))[1]
    gradients = jax.grad(loss, (0, 1))(x, weight)
    return [
        way(x, weight, window), tangent, *gradients, *jax.grad(steepness, (0, 1))(x, weight)
    ]  # fmt: skip


@needs_onednn
@pytest.mark.parametrize("case", CASES)
def test_equals_xla(case):
    shape, kernel, window = CASES[case]
    x, weight = _numbers(*shape), _numbers(*kernel, seed=1)
    _near(_derivatives(native, window, x, weight), _derivatives(direct, window, x, weight))


@needs_onednn
@pytest.mark.skipif(not library.multiplies_bfloat16(), reason="no instructions for bfloat16")
@pytest.mark.parametrize("case", CASES)
def test_bfloat16_is_summed_in_float32(case):
    shape, kernel, window = CASES[case]
    arrays = [_numbers(*shape).astype(jnp.bfloat16), _numbers(*kernel, seed=1).astype(jnp.bfloat16)]

    def passes(x, weight):
        def loss(x, weight):
            return convolve(x, weight, window).astype(jnp.float32).sum()

        return convolve(x, weight, window), *jax.grad(loss, (0, 1))(x, weight)

    wide = passes(*(array.astype(jnp.float32) for array in arrays))
    for short, expected in zip(passes(*arrays), wide, strict=True):
        assert short.dtype == jnp.bfloat16
        np.testing.assert_allclose(short.astype(jnp.float32), expected, rtol=2**-8, atol=2**-12)


@needs_onednn
@pytest.mark.parametrize("dims", [(0, None), (None, 0), (0, 0), (2, 1)])
def test_under_vmap(dims):
    window = Window((1, 2), ((1, 1), (0, 1)), ONE, 2)
    arrays = [_numbers(2, 4, 7, 6), _numbers(6, 2, 3, 2, seed=1)]
    x, weight = (
        array if dim is None else jnp.stack([array, 2 * array, -array], dim)
        for array, dim in zip(arrays, dims, strict=True)
    )
    given, expected = (
        jax.vmap(lambda x, w, way=way: _derivatives(way, window, x, w), dims)(x, weight)
        for way in (native, direct)
    )
    _near(given, expected)


@needs_onednn
def test_transposed_and_off():
    x, weight = _numbers(2, 6, 4, 5), _numbers(6, 2, 3, 3, seed=1)
    window = Window((2, 2), ((1, 1), (0, 0)), ONE, 2)
    given = convolve_transposed(x, weight, window, (8, 12))
    with mkldnn.flags(enabled=False):
        expected = convolve_transposed(x, weight, window, (8, 12))
    _near([given], [expected])


def _program(x, weight):
    window = Window(ONE, NONE, ONE, 1)
    grad = jax.grad(lambda x, weight: jnp.square(convolve(x, weight, window)).sum(), (0, 1))
    return jax.jit(grad).lower(x, weight).as_text()


@needs_onednn
def test_is_used_where_it_is_on():
    x, weight = _numbers(2, 16, 7, 8), _numbers(4, 16, 3, 3)
    used = _program(x, weight)
    for name in ("forward", "input_gradient", "weight_gradient"):
        assert f"@kuai_convolution_{name}" in used
    with mkldnn.flags(enabled=False):
        assert "kuai_convolution" not in _program(x, weight)
    assert "kuai_convolution" not in _program(*(a.astype(jnp.float64) for a in (x, weight)))


@needs_onednn
def test_exported_programs_do_not_contain_it():
    x, weight = _numbers(2, 16, 7, 8), _numbers(4, 16, 3, 3)
    with mkldnn.flags(enabled=False):
        exported = jax.export.export(
            jax.jit(lambda x, w: convolve(x, w, Window(ONE, NONE, ONE, 1)))
        )
        assert "kuai_convolution" not in exported(x, weight).mlir_module()


@needs_onednn
def test_a_switch_is_seen_by_eager_and_compiled_code():
    layer = kuai.nn.Conv2d(16, 4, 3)
    compiled = kuai.compile(lambda x: layer(x))
    x = kuai.randn(2, 16, 7, 8)
    expected = layer(x).numpy(force=True)
    for run in (layer, compiled):
        _near([run(x).numpy(force=True)], [expected])
        with mkldnn.flags(enabled=False):
            _near([run(x).numpy(force=True)], [expected])
    assert len(compiled.programs) == 2


@needs_onednn
def test_transposed_input():
    x, layer = kuai.randn(2, 8, 7, 16), kuai.nn.Conv2d(16, 4, 3, padding=1)
    _near(
        [layer(x.permute(0, 3, 1, 2)).numpy(force=True)],
        [layer(x.permute(0, 3, 1, 2).contiguous()).numpy(force=True)],
    )


@needs_onednn
def test_threads_may_run_it_at_once():
    shapes = [((2, 16, 8 + n, 9), (4, 16, 3, 3)) for n in range(4)]
    window, failures = Window(ONE, NONE, ONE, 1), []

    def work(x, weight, expected):
        for _ in range(20):
            if not np.allclose(jax.jit(convolve, static_argnums=2)(x, weight, window), expected):
                failures.append(x.shape)

    threads = []
    for shape, kernel in shapes:
        x, weight = _numbers(*shape), _numbers(*kernel, seed=1)
        expected = np.asarray(native(x, weight, window))
        threads.append(threading.Thread(target=work, args=(x, weight, expected)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


WITHOUT = """
import kuai
assert not kuai.backends.mkldnn.is_available()
layer = kuai.nn.Sequential(kuai.nn.Conv2d(3, 4, 3), kuai.nn.BatchNorm2d(4))
layer(kuai.ones(2, 3, 5, 5)).sum().backward()
assert layer[0].weight.grad.shape == (4, 3, 3, 3)
"""


def test_everything_works_without_it():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT],
        env={**os.environ, "KUAI_ONEDNN": "0"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def _step(enabled):
    """The gradients of a compiled step of a small network, and its program's moved statistics."""
    kuai.manual_seed(0)
    net = kuai.nn.Sequential(
        kuai.nn.Conv2d(3, 8, 3, padding=1),
        kuai.nn.BatchNorm2d(8),
        kuai.nn.ReLU(),
        kuai.nn.MaxPool2d(3, 2, 1),
        kuai.nn.Conv2d(8, 4, 1, stride=2),
    )
    x = kuai.randn(2, 3, 11, 9)

    @kuai.compile
    def step(x):
        net(x).square().sum().backward()

    with mkldnn.flags(enabled=enabled):
        step(x)
    return [p.grad.numpy() for p in net.parameters()] + [b.numpy() for b in net.buffers()]


@needs_onednn
def test_compiled_layers_with_channels_last():
    _near(_step(enabled=True), _step(enabled=False))
