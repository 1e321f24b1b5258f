"""What holds for all tests of loaders."""

import warnings

import pytest


@pytest.fixture(autouse=True)
def two_workers_are_not_many():
    """Whatever the number of processors here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        yield
