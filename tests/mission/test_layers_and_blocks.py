"""Layers and blocks: the notes on section 5.1 of *Dive into Deep Learning*."""

import pytest

from tests.mission.notebook import read_blocks, run_document

DOCUMENT = "layers_and_blocks.py"
pytestmark = pytest.mark.xdist_group(DOCUMENT)  # one worker runs the document, once


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    return run_document(DOCUMENT, tmp_path_factory.mktemp("document"))


@pytest.mark.parametrize("title", read_blocks(DOCUMENT))
def test_block(outcomes, title):
    outcomes[title].check()
