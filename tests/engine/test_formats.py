"""Layouts and memory formats are things, not texts: each is there once, as PyTorch's are."""

import copy
import pickle

import pytest
import torch

import kuai

NAMES = ["strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged"]
FORMATS = ["contiguous_format", "preserve_format", "channels_last", "channels_last_3d"]
SCHEMES = ["per_tensor_affine", "per_channel_affine_float_qparams"]


@pytest.mark.parametrize("name", NAMES + FORMATS + SCHEMES)
def test_is_there_once(name):
    one, there = getattr(kuai, name), getattr(torch, name)
    assert repr(one) == str(one) == repr(there) == f"torch.{name}"
    assert copy.copy(one) is copy.deepcopy(one) is pickle.loads(pickle.dumps(one)) is one
    assert type(one).__name__ == type(there).__name__
    assert not isinstance(one, str) and one != str(one)


def test_tensors_have_layouts():
    x = kuai.eye(2)
    assert x.layout is kuai.strided and isinstance(x.layout, kuai.layout)
    assert kuai.nn.Parameter(x).layout is kuai.strided
    assert x.to_sparse().layout is kuai.sparse_coo
    assert x.to_sparse_csr().layout is kuai.sparse_csr
    assert x.to_sparse_csr().t().layout is kuai.sparse_csc
    assert kuai.types._layout is kuai.layout


@pytest.mark.parametrize("name", ["layout", "memory_format"])
def test_no_more_are_made(name):
    words = f"cannot create 'torch.{name}' instances"
    for t in (torch, kuai):
        with pytest.raises(TypeError, match=words):
            getattr(t, name)("torch.other")
