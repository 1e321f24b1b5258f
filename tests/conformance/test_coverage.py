"""docs/coverage.md is true: names exist, it is written from the results, and samples agree."""

import json
import pathlib
import random
import time

import pytest

import kuai
from tests.conformance import derivatives, modes, running, translating
from tools import conformance, conformance_checks

RESULTS = json.loads(conformance.RESULTS.read_text())
ENTRIES = dict(conformance.entries())
RIGHT = sorted(name for name in ENTRIES if conformance.agrees(RESULTS, name))
#: How many entries may differ: this number only falls.
DIFFERENT = 0
#: The time that the sample may take; the first entry is run in any case.
SECONDS = 20
SECONDS_OF_A_CHECK = 3
#: What is in a module of PyTorch's for its own use.
NOT_FOR_USERS = {"Tensor", "common_notes", "torch", "sys", "TYPE_CHECKING"}


def test_the_page_is_written_from_the_results():
    assert conformance.PAGE.read_text() == conformance.page(RESULTS), "run `make conformance`"


def test_every_entry_was_run():
    assert sorted(RESULTS) == sorted(ENTRIES)


def test_no_more_entries_differ_than_before():
    assert len(ENTRIES) - len(RIGHT) <= DIFFERENT


@pytest.mark.parametrize("area", ["linalg", "fft", "special"])
def test_every_name_of_a_family_is_there(area):
    module = getattr(translating.torch, area)
    listed = getattr(module, "__all__", dir(module))
    names = {name for name in listed if not name.startswith("_")} - NOT_FOR_USERS
    assert names <= set(dir(getattr(kuai, area)))


def test_entries_that_are_said_to_agree_do():
    """One sample of as many as there is time for, in an order that the results are the seed of."""
    seed = pathlib.Path(conformance.RESULTS).stat().st_size
    order = random.Random(seed).sample(RIGHT, len(RIGHT))
    deadline = time.monotonic() + SECONDS
    for count, name in enumerate(order):
        if count and time.monotonic() > deadline:
            break
        if isinstance(ENTRIES[name], conformance.ModuleInfo):
            continue  # tests/nn/test_module_db.py has a sample of its own
        found = running.faults(ENTRIES[name], 1, ("float32",), variants=False)
        assert not found, f"{name}: {found}"


@pytest.mark.parametrize("check", ["ways", "derivatives"])
def test_operations_are_the_same_in_every_way_and_have_right_derivatives(check):
    """One sample of as many operations as there is time for; see `make ways`."""
    known = conformance_checks.results(check)
    right = sorted(name for name in known if name in ENTRIES and not known[name]["faults"])
    order = random.Random(len(str(known))).sample(right, len(right))
    deadline = time.monotonic() + SECONDS_OF_A_CHECK
    for count, name in enumerate(order):
        if count and time.monotonic() > deadline:
            break
        found = conformance_checks.outcome(check, ENTRIES[name], 1)
        assert not found["faults"], f"{name}: {found}"


def test_a_check_finds_what_is_wrong(monkeypatch):
    """A derivative that is off, and a program that keeps a number, show."""
    monkeypatch.setattr(kuai, "sin", lambda x: x.detach() * 2 + x * 3)
    assert "first float64" in derivatives.faults(ENTRIES["sin"], 1, ("float64",))[0]
    calls = []
    monkeypatch.setattr(kuai, "sin", lambda x: x * (calls.append(0) or len(calls)))
    assert "values float32" in modes.faults(ENTRIES["sin"], 1, ("float32",))[0]
