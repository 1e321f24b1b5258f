"""All tests of this folder are marked `gpu`, and left out where there is none."""

import pathlib

import pytest

from tests.gpu.card import DEVICE

FOLDER = pathlib.Path(__file__).parent


def _is_there():
    import kuai

    return kuai.engine.tensor.devices.device_count(DEVICE.partition(":")[0]) > 0


def pytest_collection_modifyitems(items):
    here = [item for item in items if item.path.is_relative_to(FOLDER)]
    missing = bool(here) and not _is_there()
    for item in here:
        item.add_marker(pytest.mark.gpu)
        if missing:
            item.add_marker(pytest.mark.skip(reason=f"there is no {DEVICE}"))
