"""SIGINT, SIGTERM and SIGKILL at random moments, to every kind of writer.

Each time the last state that was promised is there, whole, or a later one; and after the next save
nothing is in the folder but what that save has made. `make faults` does a hundred of each.
"""

import os
import random
import re

import pytest

from tests.saving import writers

COUNT = int(os.environ.get("KUAI_TEST_FAULTS", "2"))


@pytest.fixture(scope="module")
def process():
    with writers.server() as process:
        yield process


@pytest.mark.parametrize("kind", writers.WRITERS)
@pytest.mark.parametrize("number", writers.STATUS, ids=lambda number: number.name)
def test_stopped(kind, number, process, tmp_path):
    moments = random.Random(f"{kind} {number}")
    save, load = writers.WRITERS[kind]
    folder, clean = tmp_path / "folder", tmp_path / "clean"
    folder.mkdir()
    clean.mkdir()
    last = 0
    for _ in range(COUNT):
        safe, status = writers.write_and_stop(process, kind, folder, number, moments)
        assert status == writers.STATUS[number]
        found = writers.number_of(load(folder))
        assert found >= max(safe, last)
        last = found
    last += 2 if last % 5 == 4 else 1  # so that it is several files
    for other in (folder, clean):
        save(str(other), last)
        assert writers.number_of(load(other)) == last
    ours, wanted = ([plain(name) for name in os.listdir(f)] for f in (folder, clean))
    assert sorted(ours) == sorted(wanted)


def plain(name: str) -> str:
    """A name without the numbers of steps and versions."""
    return re.sub(r"-v\d+|(?<=step-)\d+", "", name)
