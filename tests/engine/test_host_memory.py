"""On request freed memory stays with the process: later calls take no new pages."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import kuai

@kuai.compile
def large(x):
    return x.cumsum(0).cumsum(1).sum()

x = kuai.ones(4000, 4000)
for _ in range(5):
    large(x).item()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
large(x).item()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**environment):
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    for name in ("LD_PRELOAD", "JAX_DISABLE_MOST_OPTIMIZATIONS"):
        plain.pop(name, None)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**plain, **environment},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_pages_are_used_again():
    assert faults(KUAI_KEEP_MEMORY="1") < faults() / 2
