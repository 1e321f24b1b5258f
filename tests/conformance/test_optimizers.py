"""What docs/coverage.md says of optimizers and schedulers is true: all were run, samples agree."""

import pathlib
import random
import time

import pytest
from torch.testing._internal.common_optimizers import optim_db

import kuai
from tests.conformance import optimizers, schedulers
from tools import optimizer_conformance

RESULTS = optimizer_conformance.load()
NAMES = optimizer_conformance.names()
SOURCE = pathlib.Path(kuai.optim.__file__).parent
#: The time that a sample may take; the first entry is run in any case.
SECONDS = 5


@pytest.mark.parametrize("table", NAMES)
def test_every_entry_was_run_and_agrees(table):
    assert sorted(RESULTS[table]) == sorted(NAMES[table])
    assert not {name: found for name, found in RESULTS[table].items() if found}


def test_a_sample_of_optimizers_agrees():
    entries = [entry for entry in optim_db if entry.name not in ("LBFGS", "Muon")]
    for entry in _while_there_is_time(entries):
        found = optimizers.faults(entry, inputs=1, dtypes=("float32",))
        assert not found, f"{entry.name}: {found}"


def test_a_sample_of_schedulers_agrees():
    for name in _while_there_is_time(NAMES["schedulers"][:-1]):
        found = schedulers.faults(name)
        assert not found, f"{name}: {found}"


def test_schedulers_refuse_in_pytorchs_words():
    assert not schedulers.errors()


def _while_there_is_time(entries):
    """Some of them, in an order that the size of Kuai's source is the seed of."""
    seed = sum(file.stat().st_size for file in SOURCE.rglob("*.py"))
    order = random.Random(seed).sample(entries, len(entries))
    deadline = time.monotonic() + SECONDS
    for count, entry in enumerate(order):
        if count and time.monotonic() > deadline:
            return
        yield entry
