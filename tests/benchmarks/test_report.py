"""The tables of the READMEs."""

import pathlib

import pytest

from benchmarks.report import BEGIN, END, TEXTS, fill, table

RESULTS = {
    "machine": {"processor": "a processor", "cores": 2, "versions": {"kuai-nn": "1"}},
    "cases": {
        "one": {
            "name": "one case",
            "training": True,
            "contenders": {
                "Kuai compiled": {"ratio": 1.0, "first_step_seconds": 0.5, "steps_mib": 7.0},
                "PyTorch eager": {"ratio": 2.5, "first_step_seconds": 0.1, "steps_mib": 9.0},
                "torch.compile": {"missing": "left out of this run"},
            },
        }
    },
}


def test_a_row_has_ratios_first_step_and_memory():
    row = table(RESULTS, TEXTS["README.md"]).splitlines()[4]
    assert row == "| one case | 2.50 | – | – | – | – | – | – | – | 0.5 s / – | 7 MiB / 9 MiB |"


@pytest.mark.parametrize("name", TEXTS)
def test_readmes_have_a_place_for_the_table(name):
    page = pathlib.Path(__file__).parents[2].joinpath(name).read_text(encoding="utf-8")
    assert f"{BEGIN}\nx\n{END}" in fill(page, "x")
