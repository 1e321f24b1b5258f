"""Comparing objects of Kuai with objects of PyTorch."""

import numpy as np
import torch

import kuai


def bits(tensor) -> bytes:
    """The elements' bytes, in order."""
    if isinstance(tensor, torch.Tensor):
        plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
        return plain.reshape(-1).view(torch.uint8).numpy().tobytes()
    return np.asarray(tensor.detach()).tobytes()


def assert_same_values(ours, theirs, **tolerance) -> None:
    """The same containers of the same tensors and values; exactly, unless a tolerance is given."""
    if isinstance(theirs, torch.Tensor):
        _assert_same_tensors(ours, theirs, tolerance)
    elif isinstance(theirs, dict):
        assert type(ours) is type(theirs)
        assert list(ours) == list(theirs)
        assert getattr(ours, "_metadata", None) == getattr(theirs, "_metadata", None)
        for key, value in theirs.items():
            assert_same_values(ours[key], value, **tolerance)
    elif type(theirs) in (list, tuple):
        assert type(ours) is type(theirs)
        assert len(ours) == len(theirs)
        for our, their in zip(ours, theirs, strict=True):
            assert_same_values(our, their, **tolerance)
    elif isinstance(theirs, (torch.dtype, torch.device, torch.Size)):
        assert repr(ours) == repr(theirs)
    elif tolerance and isinstance(theirs, float):
        np.testing.assert_allclose(ours, theirs, **tolerance)
    else:
        assert type(ours) is type(theirs)
        assert ours == theirs


def _assert_same_tensors(ours, theirs, tolerance) -> None:
    kinds = {torch.nn.Parameter: kuai.nn.Parameter, torch.nn.Buffer: kuai.nn.Buffer}
    for their_kind, our_kind in kinds.items():
        assert isinstance(ours, our_kind) == isinstance(theirs, their_kind)
    assert str(ours.dtype) == str(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert ours.requires_grad == theirs.requires_grad
    if tolerance and theirs.is_floating_point():
        np.testing.assert_allclose(ours.tolist(), theirs.tolist(), **tolerance)
    else:
        assert bits(ours) == bits(theirs)
