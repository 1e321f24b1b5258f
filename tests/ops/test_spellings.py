"""Other ways to say the same argument, which PyTorch takes: NumPy's names, `dims=`, `out=`."""

import numpy as np
import pytest
import torch

import kuai

X = [[3.0, 1.0, 2.0], [6.0, 5.0, 4.0]]
CALLS = {
    "operation": lambda t, x: t.argsort(x, axis=0),
    "method": lambda t, x: x.cumsum(axis=1),
    "composite": lambda t, x: t.sum(x, axis=0, keepdims=True),
    "composite method": lambda t, x: x.mean(axis=(0, 1), keepdims=True),
    "two results": lambda t, x: t.max(x, axis=1).indices,
    "x": lambda t, x: t.exp(x=x),
    "a": lambda t, x: t.sum(a=x),
    "x1 and x2": lambda t, x: t.add(x1=x, x2=x),
    "other": lambda t, x: t.mul(x, other=x),
    "a list of tensors": lambda t, x: t.cat([x, x], axis=1),
    "view": lambda t, x: t.squeeze(x[:, None], axis=1),
    "function of layers": lambda t, x: t.softmax(x, axis=1),
    "in place": lambda t, x: x.clone().cumsum_(axis=0),
    "dims": lambda t, x: t.flip(x, dims=(0, 1)),
    "dims and input": lambda t, x: t.permute(input=x, dims=(1, 0)),
    "axis and input": lambda t, x: t.squeeze(axis=1, input=x[:, None]),
    "axis and x": lambda t, x: t.count_nonzero(axis=1, x=x),
    "in place by name": lambda t, x: t.xlogy_(other=x, x1=x.clone()),
    "dims of a method": lambda t, x: x.permute(dims=(1, 0)),
    "several dimensions one by one": lambda t, x: x[None, :, None].squeeze(0, 2),
    "counted over several": lambda t, x: x.count_nonzero(0, 1),
    "sizes one by one": lambda t, x: x.broadcast_to(4, 2, 3),
    "places one by one": lambda t, x: x.hsplit(1, 2)[1],
    "sections": lambda t, x: t.tensor_split(x, sections=2)[0],
    "split_size": lambda t, x: x.split(split_size=1)[1],
    "a dtype to view as": lambda t, x: x.view(dtype=t.int32),
    "a dtype by place": lambda t, x: t.softmax(x, 0, t.float64),
    "a number among elements": lambda t, x: t.isin(element=3, test_elements=x),
    "a matrix": lambda t, x: t.det(input=x[:, :2]),
    "x for a matrix": lambda t, x: t.linalg.norm(x=x, axis=0, keepdims=True),
    "input for x": lambda t, x: t.linalg.vector_norm(input=x, axis=1),
    "x2 for a source": lambda t, x: t.zeros(2, 3).copy_(x2=x),
    "axis0": lambda t, x: t.swapaxes(x, axis0=0, axis1=1),
    "shape that is called size": lambda t, x: x.view(size=(3, 2)),
    "size": lambda t, x: t.zeros(size=(2, 3)),
    "shape": lambda t, x: x.reshape(shape=(3, 2)),
    "out of an operation": lambda t, x: t.atan2(x, x, out=t.empty(2, 3)),
    "out of a composite": lambda t, x: t.vstack([x, x], out=t.empty(4, 3)),
    "out of several": lambda t, x: t.median(x, 1, out=(t.empty(2), t.empty(2, dtype=t.int64)))[0],
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_same_as_pytorch(call):
    theirs, ours = call(torch, torch.tensor(X)), call(kuai, kuai.tensor(X))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)


def test_out_is_what_comes_back():
    place = kuai.empty(4, 3)
    made = kuai.vstack([kuai.tensor(X)] * 2, out=place)
    assert made is place


def test_results_into_out_keep_their_names():
    places = kuai.empty(2), kuai.empty(2, dtype=kuai.int64)
    found = kuai.sort(kuai.tensor([2.0, 1.0]), out=places)
    assert found.values is places[0] and found.indices is places[1]


@pytest.mark.parametrize("name", ["argsort", "sum"])
def test_both_names_are_too_many(name):
    for t in (torch, kuai):
        with pytest.raises(TypeError):
            getattr(t, name)(t.ones(2, 2), dim=0, axis=0)


@pytest.mark.parametrize("name", ["argsort", "sum"])
def test_a_word_that_is_no_name(name):
    for t in (torch, kuai):
        with pytest.raises(TypeError, match="axes"):
            getattr(t, name)(t.ones(2, 2), axes=0)
