"""nan stays in compiled maxima and minima, and many dimensions do no harm.

The sizes are those from which XLA hands reductions over to a library of its own.
"""

import subprocess
import sys

import numpy as np
import pytest

import kuai
import kuai.nn.functional as F

DTYPES = "float32", "float32", "float64", "bfloat16", "float16"
AXES = None, 1, 0, (0, 1), 1
WITH_NAN = {
    "max": lambda x, axis: x.amax(axis) if axis is not None else x.max(),
    "min": lambda x, axis: x.amin(axis) if axis is not None else x.min(),
    "max of magnitudes": lambda x, axis: x.abs().amax(axis if axis is not None else ()),
    "largest norm": lambda x, axis: kuai.linalg.vector_norm(x, float("inf"), axis),
    "relu, sum": lambda x, axis: F.relu(x).sum(axis),
    "relu6, mean": lambda x, axis: F.relu6(x).mean(axis),
    "maximum, sum": lambda x, axis: kuai.maximum(x, x.flip(0) * 0.5).sum(axis),
    "minimum, product": lambda x, axis: kuai.minimum(x, -x).square().sum(axis),
    "clamp, mean": lambda x, axis: x.clamp(max=2.0).mean(axis),
    "leaky": lambda x, axis: F.leaky_relu(x).sum(axis),
}


@pytest.mark.parametrize(("dtype", "axis"), [*zip(DTYPES, AXES, strict=True)], ids=str)
def test_nan_stays(dtype, axis):
    values = np.random.default_rng(0).standard_normal((96, 100))
    values[5, 7] = np.nan
    x = kuai.tensor(values).to(getattr(kuai, dtype))

    @kuai.compile
    def all_of_them(x):
        return [function(x, axis) for function in WITH_NAN.values()]

    for name, result in zip(WITH_NAN, all_of_them(x), strict=True):
        assert int(result.isnan().sum()) >= 1, name
    for name, function in WITH_NAN.items():
        for _ in range(3):  # once by an interpreter, then by a program
            result = function(x, axis)
        assert int(result.isnan().sum()) >= 1, name


@pytest.mark.parametrize("pool", [F.max_pool2d, F.adaptive_max_pool2d])
def test_nan_stays_in_pooling(pool):
    x = kuai.randn(2, 8, 32, 32)
    x[1, 2, 3, 4] = float("nan")
    for _ in range(3):
        found = pool(x, 4)
    assert int(found.isnan().sum()) == int(kuai.compile(pool)(x, 4).isnan().sum()) == 1


def test_where_there_is_no_nan_nothing_changes():
    values = np.random.default_rng(1).standard_normal((96, 100)).astype(np.float32)
    values[3, 4], values[6, 7] = np.inf, -np.inf
    x = kuai.tensor(values)
    found = kuai.compile(lambda x: (x.amax(0), x.amin(1), F.relu(x[:3]).sum(), x.max(), x.min()))(x)
    np.testing.assert_array_equal(found[0].numpy(), values.max(0))
    np.testing.assert_array_equal(found[1].numpy(), values.min(1))
    np.testing.assert_allclose(found[2].numpy(), values[:3].clip(0).sum(), rtol=1e-5)
    assert found[3].item() == np.inf and found[4].item() == -np.inf


@pytest.mark.parametrize(("dtype", "count"), [("float64", 16385), ("float32", 40000)])
def test_sums_over_products(dtype, count):
    """The last of many rows are those of a product with a small matrix, too."""
    x = kuai.arange(count, dtype=getattr(kuai, dtype))[:, None] * kuai.tensor([1.0, 0.0, 0.0])
    matrix = kuai.eye(3, dtype=x.dtype)

    @kuai.compile
    def sums(x, matrix):
        return (matrix @ x.T).sum(0), (x @ matrix.T).T.square().sum(0), (x @ matrix).abs().sum(1)

    first, second, third = sums(x, matrix)
    np.testing.assert_array_equal(first.numpy(), np.arange(count))
    np.testing.assert_allclose(second.numpy(), np.arange(count, dtype=float) ** 2, rtol=1e-6)
    np.testing.assert_array_equal(third.numpy(), np.arange(count))


def test_gradients_of_extremes():
    x = kuai.randn(96, 100, requires_grad=True)

    @kuai.compile
    def step(x):
        return kuai.autograd.grad(x.amax(1).sum() + F.relu(x).sum(), x)[0]

    expected = (x > 0).float() + (x == x.amax(1, keepdim=True)).float()
    np.testing.assert_array_equal(step(x).numpy(), expected.numpy())


def test_seven_dimensions():
    """In a process of its own, which a fault there would end."""
    program = """
import numpy as np, kuai
u, v = np.random.default_rng(0).standard_normal((2, 3, 1, 2, 2, 8, 8, 8)).astype(np.float32)
functions = [
    lambda a, b: (a * b).sum(3), lambda a, b: (a * b).amax(3), lambda a, b: (a * b).sum(),
    lambda a, b: (a * b).mean((2, 5)), lambda a, b: a.var(), lambda a, b: (a * b).amin(),
    lambda a, b: (a[:, :, None] * b[:, None]).sum((4, 7)),
    lambda a, b: (a * b).reshape(6, 2, 512).sum(1), lambda a, b: a.logsumexp((3, 4)),
    lambda a, b: a.softmax(3) @ b, lambda a, b: kuai.einsum("abcdefg,abcdefg->bdf", a, b),
]
for function in functions:
    expected = function(kuai.tensor(u).double(), kuai.tensor(v).double()).numpy()
    for run in (function, function, function, kuai.compile(function)):
        found = run(kuai.tensor(u), kuai.tensor(v)).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "done\n", (done.returncode, done.stderr)
