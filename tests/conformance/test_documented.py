"""PyTorch's documentation examples print with Kuai what they print with PyTorch.

A sample of them; `KUAI_EXAMPLES=all` runs each.
"""

import os
import zlib

import pytest

from tests.conformance import documented

_ALL = os.environ.get("KUAI_EXAMPLES") == "all"
#: Of so many examples one is run.
_PART = 1 if _ALL else 12


def _is_chosen(example: documented.Documented) -> bool:
    return zlib.crc32(example.name.encode()) % _PART == 0


@pytest.mark.parametrize("module", documented.MODULES)
def test_examples_print_the_same(module):
    seen, found = set(), []
    for example in documented.documented(module):
        if example.text not in seen and _is_chosen(example):
            found += documented.differences(example)
        seen.add(example.text)
    assert not found, "\n\n".join(found)


def test_a_difference_is_seen():
    example = documented.Documented("torch.add", "Example::\n\n    >>> torch.full((2,), n)\n")
    told = documented.Documented("x", "    >>> torch.ones(2) * len(torch.__name__)\n")
    assert documented.differences(example) == []
    assert documented.differences(told) == []
    wrong = documented.Documented("x", "    >>> 'drawn' in str(type(torch)).lower()\n")
    (found,) = documented.differences(wrong)
    assert "False" in found and "True" in found
