"""The long notes on chapters 5 and 6: blocks, parameters, files, devices, convolution."""

import pytest

import kuai
from tests.mission.notebook import read_blocks, run_document

DOCUMENT = "dive_into_deep_learning.py"
pytestmark = pytest.mark.xdist_group(DOCUMENT)  # one worker runs the document, once


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    return run_document(DOCUMENT, tmp_path_factory.mktemp("document"))


@pytest.mark.parametrize("title", read_blocks(DOCUMENT))
def test_block(outcomes, title):
    outcomes[title].check()


def test_copy_between_gpus(capsys):
    """Section 5.6.2.2 as it stands, with the output that the document prints."""
    if kuai.cuda.device_count() < 2:
        pytest.skip("needs two GPUs")
    X = kuai.ones(2, 3, device="cuda:0")
    Z = X.cuda(1)
    print(X)
    print(Z)
    assert capsys.readouterr().out == (
        "tensor([[1., 1., 1.],\n        [1., 1., 1.]], device='cuda:0')\n"
        "tensor([[1., 1., 1.],\n        [1., 1., 1.]], device='cuda:1')\n"
    )
    with pytest.raises(RuntimeError, match="same device"):
        X + Z
    assert str((Z + kuai.ones(2, 3, device="cuda:1")).device) == "cuda:1"
