"""The device that these tests are about, and what they need of pytest, which may be missing there.

`KUAI_GPU_TESTS=cpu:1` puts a second device of the host in the GPU's place, so that the tests
themselves can be tried anywhere; `XLA_FLAGS=--xla_force_host_platform_device_count=2` makes one.
"""

import contextlib
import os
import re

import numpy as np

import kuai

__all__ = ["DEVICE", "IS_GPU", "close", "place", "raises"]

DEVICE = os.environ.get("KUAI_GPU_TESTS", "cuda")
IS_GPU = DEVICE.startswith("cuda")


def place() -> kuai.device:
    """The device as a tensor on it names it."""
    return kuai.ones(1, device=DEVICE).device


@contextlib.contextmanager
def raises(kind, text=""):
    """The block has to raise this kind of error, with this text in it."""
    try:
        yield
    except kind as error:
        assert re.search(text, str(error)), f"{error} does not say {text!r}"
        return
    raise AssertionError(f"no {kind.__name__} was raised")


def close(found, wanted, tolerance=1e-5):
    """Two tensors, wherever they lie, have the same shape, dtype and numbers."""
    assert found.shape == wanted.shape, (found.shape, wanted.shape)
    assert found.dtype == wanted.dtype, (found.dtype, wanted.dtype)
    pair = [each.detach().cpu().to(kuai.float64).numpy() for each in (found, wanted)]
    np.testing.assert_allclose(*pair, rtol=tolerance, atol=tolerance)
