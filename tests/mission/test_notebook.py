"""The runner, and every block of every document on torch itself."""

import pytest

from tests.mission.notebook import CODE, assert_same_text, imports_for, run_document

DOCUMENTS = sorted(path.name for path in CODE.glob("*.py"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_torch_agrees_with_itself(document, tmp_path):
    for outcome in run_document(document, tmp_path, library="torch").values():
        assert outcome.error is None
        assert_same_text(outcome.ours, outcome.theirs)


@pytest.mark.parametrize(
    ("written", "runs"),
    [
        ("import torch", "import kuai as torch"),
        ("from torch import nn", "from kuai import nn"),
        ("from torch.nn import functional as F", "from kuai.nn import functional as F"),
        ("import torch.nn.functional as F", "import kuai.nn.functional as F"),
        ("x = torch.rand(2)  # torch", "x = torch.rand(2)  # torch"),
    ],
)
def test_only_imports_change(written, runs):
    assert imports_for("kuai", written) == runs


def test_text_may_differ_in_the_last_digit_only():
    assert_same_text("tensor([0.1235, 1.])", "tensor([0.1234, 1.])")
    for wrong in ("tensor([0.1334, 1.])", "tensor([0.1234, 1])", "tensor([0.1234, 1.]) "):
        with pytest.raises(AssertionError):
            assert_same_text(wrong, "tensor([0.1234, 1.])")
