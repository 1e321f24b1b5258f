"""The digits: what is in them, and what is said when they are missing or broken."""

import gzip
import importlib.util

import numpy as np
import pytest
import torch

from kuai.vision import DataError, load_digits
from kuai.vision.digits import enlarge


def test_the_digits():
    train, test = load_digits()
    assert (len(train), len(test)) == (1437, 360)
    pictures, labels = train.tensors
    assert pictures.shape == (1437, 1, 28, 28)
    assert str(pictures.dtype), str(labels.dtype) == ("torch.float32", "torch.int64")
    assert np.bincount(labels.numpy(), minlength=10).min() > 130
    assert -0.1001 <= pictures.numpy().min() and pictures.numpy().max() <= 1.1751


def test_the_same_split_every_time():
    first, second = load_digits(), load_digits()
    np.testing.assert_array_equal(first.test.tensors[0].numpy(), second.test.tensors[0].numpy())
    other = load_digits(seed=1)
    assert (first.test.tensors[1].numpy() != other.test.tensors[1].numpy()).any()


@pytest.mark.parametrize("size", [8, 11, 28])
def test_enlarging_is_bilinear(size):
    pictures = np.random.default_rng(0).random((3, 8, 8))
    expected = torch.nn.functional.interpolate(
        torch.tensor(pictures)[:, None], size=(size, size), mode="bilinear"
    )
    np.testing.assert_allclose(enlarge(pictures, size), expected[:, 0].numpy(), atol=1e-12)


LINE = ",".join(["3"] * 65)
BROKEN = {
    "no gzip": b"1,2,3",
    "cut off": gzip.compress("\n".join([LINE] * 20).encode())[:-12],
    "no numbers": gzip.compress(b"one,two\n" * 20),
    "ragged": gzip.compress(f"{LINE}\n{LINE},3\n".encode()),
    "empty": gzip.compress(b""),
    "other columns": gzip.compress(b"1,2,3\n" * 20),
    "pixels too large": gzip.compress("\n".join([LINE.replace("3", "17", 1)] * 20).encode()),
    "no such label": gzip.compress("\n".join([LINE[:-1] + "12"] * 20).encode()),
    "binary": gzip.compress(bytes(range(256))),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(case, tmp_path):
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(BROKEN[case])
    with pytest.raises(DataError, match=r"digits\.csv\.gz"):
        load_digits(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        load_digits(tmp_path / "nothing")


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'kuai-nn\[train\]'"):
        load_digits()
