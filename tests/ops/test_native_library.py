"""That the kernels are there where they have to be, and idle between calls."""

import os
import time

import pytest

import kuai
from kuai.backends import mkldnn


def test_kernels_are_there_where_they_are_required():
    if os.environ.get("KUAI_KERNELS") == "required":
        assert mkldnn.is_available()


@pytest.mark.skipif(not mkldnn.is_available(), reason="oneDNN is not installed here")
@pytest.mark.skipif(
    bool({"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()), reason="the user has chosen"
)
def test_threads_do_not_spin_after_a_convolution():
    """GNU OpenMP's default is milliseconds on each core, after every convolution."""
    x, weight = kuai.randn(4, 16, 64, 64), kuai.randn(16, 16, 3, 3)
    spent = []
    for _ in range(50):  # until it is compiled, and not NumPy's matrix product, whose threads spin
        kuai.conv2d(x, weight).sum().item()
    for _ in range(8):
        kuai.conv2d(x, weight).sum().item()
        start = time.process_time()
        time.sleep(0.02)
        spent.append(time.process_time() - start)
    assert sorted(spent)[4] < 1e-3
    assert not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()
