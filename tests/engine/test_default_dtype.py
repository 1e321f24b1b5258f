"""Who is told that the default dtype changes: every living operation, and nothing that is gone."""

import gc

import jax.numpy as jnp
import pytest

import kuai
from kuai.engine.autograd.running import Operation, run
from kuai.engine.tensor import dtypes


def listeners():
    gc.collect()
    return len(dtypes._listeners)


@pytest.fixture
def restored():
    yield
    kuai.set_default_dtype(kuai.float32)


def test_operations_that_are_gone_leave_no_listener():
    before = listeners()
    operations = [Operation(f"nothing{i}", "Nothing") for i in range(28)]
    for number, operation in enumerate(operations, 1):
        run(operation, None, lambda: jnp.negative, (kuai.ones(number),))
    assert listeners() == before + 28
    del operations, operation
    assert listeners() == before


def test_operations_that_live_are_compiled_anew(restored):
    operation = Operation("half", "Half")
    make = lambda: lambda x: x / dtypes.default_float_jax().itemsize  # noqa: E731
    assert run(operation, None, make, (kuai.tensor([8.0]),)).item() == 2.0
    kuai.set_default_dtype(kuai.float64)
    assert run(operation, None, make, (kuai.tensor([8.0], dtype=kuai.float32),)).item() == 1.0


def test_derivatives_of_derivatives_are_not_told():
    def differentiate(size):
        x = kuai.ones(size, requires_grad=True)
        (slope,) = kuai.autograd.grad((x.sin() * x).sum(), x, create_graph=True)
        kuai.autograd.grad(slope.square().sum(), x, create_graph=True)[0].sum().backward()

    differentiate(2)
    before = listeners()
    for size in range(3, 7):
        differentiate(size)
    assert listeners() == before
