"""The programs of `programs.py`, with and without workers, beside PyTorch."""

import json
import pathlib
import subprocess
import sys

import pytest

import kuai
from tests.data import programs

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def reference():
    """PyTorch's results, without and with workers."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.data.programs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return json.loads(run.stdout)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_same_results(reference, name, workers):
    found = programs.PROGRAMS[name](kuai, workers)
    expected = reference[1 if workers else 0][name]
    assert json.loads(json.dumps(found)) == expected
