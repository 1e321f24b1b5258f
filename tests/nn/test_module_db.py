"""Modules with the arguments that PyTorch tests them with, beside torch: a sample of `module_db`.

A third of the modules, with one sample each; `KUAI_CONFORMANCE=1` runs all of them. The whole table
is in docs/coverage.md.
"""

import os
import zlib

import pytest
from torch.testing._internal.common_modules import module_db

import kuai
from tests.conformance import modules

INFOS = {info.name: info for info in module_db}
WHOLE = os.environ.get("KUAI_CONFORMANCE") == "1"


def is_compared(name):
    return WHOLE or zlib.crc32(name.encode()) % 3 == 0


@pytest.mark.parametrize("name", [name for name in INFOS if is_compared(name)])
def test_as_pytorch_tests_it(name):
    samples = None if WHOLE else 1
    modes = (True, False) if WHOLE else (True,)
    assert not modules.faults(INFOS[name], samples, ("float32",), modes)


def test_every_module_is_there():
    missing = [name for name in INFOS if not hasattr(kuai.nn, name.removeprefix("nn."))]
    assert not missing
    assert len(INFOS) > 100
