"""Freed memory stays with the process: a second call of a large program takes no new pages."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import kuai

@kuai.compile
def large(x):
    for _ in range(3):
        x = (x @ x).sort(dim=1).values
    return x.sum()

x = kuai.ones(2000, 2000)
large(x).item()
large(x).item()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
large(x).item()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**environment):
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    plain.pop("LD_PRELOAD", None)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**plain, **environment},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_pages_are_used_again_unless_switched_off():
    assert faults() < 1000 < faults(KUAI_MALLOC="0")
