"""NumPy arrays put onto a device as `jax.device_put` puts them, without its Python."""

import jax
import ml_dtypes
import numpy as np
import pytest

import kuai
from kuai.engine.tensor import placing

KINDS = "?bhilqBHILQefdFD"


def arrays():
    for kind in KINDS:
        for shape in ((), (3,), (2, 0), (4, 5)):
            yield np.ones(shape, kind)
    numbers = np.arange(12.0)
    yield from (numbers[::-1], numbers.reshape(3, 4).T, np.broadcast_to(numbers[:3], (4, 3)))
    yield from (numbers.astype(">f8"), numbers.astype(ml_dtypes.bfloat16), np.float32(3), 5, [1.0])


@pytest.mark.parametrize("array", list(arrays()), ids=str)
def test_as_jax_does(array):
    device = jax.devices()[0]
    try:
        expected = jax.device_put(array, device)
    except Exception as error:  # noqa: BLE001 - any error is what is compared
        with pytest.raises(type(error), match=str(error)[:20]):
            placing.put(array, device)
        return
    found = placing.put(array, device)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (a.aval, a.sharding, a.committed) == (b.aval, b.sharding, b.committed)
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_a_guard_of_transfers_lets_through_what_is_asked_for():
    with jax.transfer_guard("disallow"):
        assert kuai.ones(3).tolist() == [1.0, 1.0, 1.0]


def changed(array):
    raise TypeError("takes other arguments now")


@pytest.mark.parametrize("function", [None, changed], ids=["absent", "changed"])
def test_without_it(monkeypatch, function):
    monkeypatch.setattr(placing, "batched_device_put", function)
    made = placing.put(np.arange(3), jax.devices()[0])
    assert made.tolist() == [0, 1, 2] and made.committed
