"""Values that are known on the CPU are checked eagerly, with PyTorch's errors."""

import numpy as np
import pytest
import torch

import kuai

NAN, INF = float("nan"), float("inf")


def _x(t):
    return t.tensor([[0.1, -1.0, 0.5], [2.0, 0.3, -0.7]])


def _bytes(t):
    return t.zeros(2, dtype=t.uint8)


def _places(t, *numbers):
    return t.tensor([list(numbers)])


CALLS = {
    "cross_entropy": lambda t, F: F.cross_entropy(_x(t), t.tensor([0, 3])),
    "cross_entropy negative": lambda t, F: F.cross_entropy(_x(t), t.tensor([0, -1])),
    "cross_entropy ignored": lambda t, F: F.cross_entropy(_x(t), t.tensor([0, -100])),
    "cross_entropy ignore_index": lambda t, F: F.cross_entropy(
        _x(t), t.tensor([9, 7]), ignore_index=9
    ),
    "cross_entropy unbatched": lambda t, F: F.cross_entropy(_x(t)[0], t.tensor(5)),
    "cross_entropy pixels": lambda t, F: F.cross_entropy(
        t.zeros(1, 3, 2, 2), t.full((1, 2, 2), 7), reduction="none"
    ),
    "cross_entropy smoothed": lambda t, F: F.cross_entropy(
        _x(t), t.tensor([0, 3]), label_smoothing=0.1
    ),
    "nll_loss": lambda t, F: F.nll_loss(_x(t), t.tensor([0, 3])),
    "multi_margin_loss": lambda t, F: F.multi_margin_loss(_x(t), t.tensor([0, 5])),
    "embedding": lambda t, F: F.embedding(t.tensor([0, 5]), _x(t)),
    "embedding negative": lambda t, F: F.embedding(t.tensor([0, -1]), _x(t)),
    "embedding_bag": lambda t, F: F.embedding_bag(_places(t, 0, 5), _x(t)),
    "embedding_bag offsets": lambda t, F: F.embedding_bag(
        t.tensor([0, 1]), _x(t), t.tensor([0, 5])
    ),
    "embedding_bag first": lambda t, F: F.embedding_bag(t.tensor([0, 1]), _x(t), t.tensor([1])),
    "one_hot": lambda t, F: F.one_hot(t.tensor([0, 5]), 3),
    "one_hot negative": lambda t, F: F.one_hot(t.tensor([0, -1]), 3),
    "binary_cross_entropy": lambda t, F: F.binary_cross_entropy(t.tensor([1.5]), t.ones(1)),
    "binary_cross_entropy nan": lambda t, F: F.binary_cross_entropy(t.tensor([NAN]), t.ones(1)),
    "binary_cross_entropy target": lambda t, F: F.binary_cross_entropy(
        t.tensor([0.5]), t.tensor([2.0])
    ),
    "multinomial nan": lambda t, F: t.multinomial(t.tensor([NAN, 1.0]), 1),
    "multinomial infinite": lambda t, F: t.multinomial(t.tensor([INF, 1.0]), 1),
    "multinomial negative": lambda t, F: t.multinomial(t.tensor([-1.0, 1.0]), 1),
    "multinomial nothing": lambda t, F: t.multinomial(t.zeros(2, 2), 1),
    "multinomial integers": lambda t, F: t.multinomial(t.tensor([0, 1]), 1),
    "bernoulli": lambda t, F: t.bernoulli(t.tensor([2.0])),
    "bernoulli nan": lambda t, F: t.bernoulli(t.tensor([NAN])),
    "bernoulli p": lambda t, F: t.bernoulli(t.tensor([0.5]), 2.0),
    "bernoulli_": lambda t, F: t.zeros(1).bernoulli_(t.tensor([2.0])),
    "normal": lambda t, F: t.normal(t.zeros(2), t.tensor([-1.0, 1.0])),
    "normal number": lambda t, F: t.normal(t.zeros(2), -1.0),
    "normal size": lambda t, F: t.normal(0.0, -1.0, size=(2,)),
    "normal_ nan": lambda t, F: t.zeros(1).normal_(0, NAN),
    "poisson": lambda t, F: t.poisson(t.tensor([-1.0])),
    "gather": lambda t, F: t.gather(_x(t), 0, _places(t, -1, 0, 0)),
    "scatter": lambda t, F: t.scatter(_x(t), 0, _places(t, -1, 0, 0), 1.0),
    "scatter_add": lambda t, F: t.scatter_add(_x(t), 0, _places(t, 2, 0, 0), _x(t)),
    "scatter_reduce": lambda t, F: t.scatter_reduce(_x(t), 0, _places(t, -1, 0, 0), _x(t), "amax"),
    "index_select": lambda t, F: _x(t).index_select(0, t.tensor([-1])),
    "index_add": lambda t, F: _x(t).index_add(0, t.tensor([-1]), _x(t)[:1]),
    "index_copy": lambda t, F: _x(t).index_copy(0, t.tensor([-1]), _x(t)[:1]),
    "index_fill": lambda t, F: _x(t).index_fill(0, t.tensor([5]), 1.0),
    "index_fill negative": lambda t, F: _x(t).index_fill(0, t.tensor([-1]), 1.0),
    "take_along_dim": lambda t, F: _x(t).take_along_dim(_places(t, -1), 0),
    "put": lambda t, F: _x(t).put(t.tensor([6]), t.tensor([1.0])),
    "tensor": lambda t, F: t.tensor(300, dtype=t.uint8),
    "tensor list": lambda t, F: t.tensor([[1], [-129]], dtype=t.int8),
    "tensor wraps": lambda t, F: t.tensor([-1], dtype=t.uint8),
    "tensor float": lambda t, F: t.tensor(300.0, dtype=t.uint8),
    "tensor nan": lambda t, F: t.tensor(NAN, dtype=t.int32),
    "tensor of an array": lambda t, F: t.tensor(np.array([300]), dtype=t.uint8),
    "tensor complex": lambda t, F: t.tensor(1j, dtype=t.float32),
    "fill_": lambda t, F: _bytes(t).fill_(300),
    "fill_ wraps": lambda t, F: _bytes(t).fill_(-1),
    "fill_ half": lambda t, F: t.zeros(2, dtype=t.float16).fill_(1e5),
    "fill_ float": lambda t, F: t.zeros(2).fill_(1e300),
    "fill_ infinite": lambda t, F: t.zeros(2).fill_(INF),
    "fill_ int": lambda t, F: t.zeros(2, dtype=t.int32).fill_(INF),
    "full": lambda t, F: t.full((2,), 300, dtype=t.uint8),
    "full_like": lambda t, F: t.full_like(_bytes(t), 300),
    "setitem": lambda t, F: _bytes(t).__setitem__(0, 300),
    "setitem mask": lambda t, F: _bytes(t).__setitem__(t.tensor([True, False]), 300),
    "index_fill value": lambda t, F: _bytes(t).index_fill(0, t.tensor([1]), 300),
    "scatter value": lambda t, F: _bytes(t).scatter(0, t.tensor([1]), 300),
    "clamp": lambda t, F: _bytes(t).clamp(max=300),
    "where": lambda t, F: t.where(t.tensor([True]), _bytes(t), 300),
    "pow": lambda t, F: _bytes(t) ** 300,
    "pad": lambda t, F: F.pad(_bytes(t), (1, 1), value=300),
    "add wraps": lambda t, F: _bytes(t) + 300,
    "rand": lambda t, F: t.rand(2, -3),
    "randn": lambda t, F: t.randn(-1),
    "randint": lambda t, F: t.randint(3, (-1,)),
    "ones": lambda t, F: t.ones(-1),
    "repeat": lambda t, F: _x(t).repeat(-1, 1),
}


def _outcome(call, t):
    """The error's type and text, or the result."""
    try:
        return call(t, t.nn.functional)
    except Exception as error:  # noqa: BLE001 - any error is what is compared
        return type(error).__name__, str(error).split("\n[ ")[0].strip()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_outcomes(call):
    ours, theirs = _outcome(call, kuai), _outcome(call, torch)
    if isinstance(theirs, tuple):
        assert ours == theirs
    else:
        assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
        np.testing.assert_allclose(ours.numpy(), theirs.numpy())


def test_a_compiled_step_looks_only_at_what_is_there():
    """A check of what is still to be computed would end the record: this is one program."""
    loss = kuai.nn.functional.cross_entropy
    step = kuai.compile(loss, fullgraph=True)
    with pytest.raises(IndexError, match="Target 5 is out of bounds"):
        step(kuai.zeros(1, 2), kuai.tensor([5]))
    assert step(kuai.zeros(1, 2), kuai.tensor([1])).item() == pytest.approx(0.6931, abs=1e-4)
    computed = kuai.compile(lambda y: loss(kuai.zeros(1, 2), y + 4), fullgraph=True)
    assert computed(kuai.tensor([1])).item() == 0.0


@pytest.mark.parametrize("replayed", [False, True])
def test_a_variance_that_a_step_is_given_is_looked_at(replayed):
    step = kuai.compile(kuai.nn.functional.gaussian_nll_loss, fullgraph=True)
    one, nan = kuai.ones(2), float("nan")
    for _ in range(3 if replayed else 0):
        assert step(one, one, kuai.tensor([1.0, nan])).isnan()
    with pytest.raises(ValueError, match="var has negative entry/entries"):
        step(one, one, kuai.tensor([nan, -1.0]))
    with kuai.fused(), pytest.raises(ValueError, match="var has negative"):
        kuai.nn.functional.gaussian_nll_loss(one, one, kuai.tensor([1.0, -1.0]))


def test_nothing_is_looked_at_inside_a_transform():
    losses = kuai.vmap(kuai.nn.functional.nll_loss)(kuai.zeros(2, 3), kuai.tensor([0, 2]))
    assert losses.shape == (2,)


def test_a_loss_scale_may_be_greater_than_the_greatest_half():
    x = kuai.tensor([1e-3, 0.0], dtype=kuai.float16, requires_grad=True)
    y = x * 65536.0
    y.backward(kuai.ones(2, dtype=kuai.float16) * 2**-10)
    assert y[0].item() == pytest.approx(65.5, rel=1e-2)
    assert (x / 1e5).dtype is kuai.float16
    assert (x.grad == 64).all()
