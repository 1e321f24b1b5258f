"""What a node shows: next_functions and _saved_*, beside PyTorch's."""

import pytest
import torch
from torch.nn import functional as torch_functional

import kuai
from kuai.nn import functional

LIBRARIES = (torch, torch_functional), (kuai, functional)


def told(node):
    """The names of a node's successors, one level down."""
    return [(n and n.name(), i) for n, i in node.next_functions]


@pytest.mark.parametrize(
    "call",
    [
        lambda t, f, x, c: x + c,
        lambda t, f, x, c: c - x,
        lambda t, f, x, c: x * 2,
        lambda t, f, x, c: c @ x,
        lambda t, f, x, c: t.where(x > 0, x, c),
        lambda t, f, x, c: x.masked_fill(x > 0, 1.0),
        lambda t, f, x, c: t.cat([x, c]),
        lambda t, f, x, c: f.mse_loss(x, c),
        lambda t, f, x, c: f.conv2d(x[None, None], c[None, None]),
        lambda t, f, x, c: f.layer_norm(x, (2,)),
        lambda t, f, x, c: f.batch_norm(x, c[0], c[1], training=True),
        lambda t, f, x, c: t.addmm(c, x, c),
        lambda t, f, x, c: x.gather(1, t.tensor([[0]])),
        lambda t, f, x, c: 2**x,
        lambda t, f, x, c: x.sum(),
        lambda t, f, x, c: x[0],
        lambda t, f, x, c: x[:, 1:],
        lambda t, f, x, c: x[None],
        lambda t, f, x, c: x.unsqueeze(0),
        lambda t, f, x, c: x.chunk(2)[0],
        lambda t, f, x, c: t.fft.fft(x),
    ],
)
def test_places_without_a_gradient_are_shown(call):
    theirs, ours = (
        told(call(t, f, t.ones(2, 2, requires_grad=True), t.ones(2, 2)).grad_fn)
        for t, f in LIBRARIES
    )
    assert ours == theirs


def test_a_layer_shows_its_bias_first():
    theirs, ours = (
        t.nn.Linear(2, 2)(t.ones(1, 2, requires_grad=True)).grad_fn for t, _ in LIBRARIES
    )
    assert told(ours)[:2] == told(theirs)[:2]
    assert ours.next_functions[0][0].variable.shape == (2,)


SAVED = {
    "pow": lambda t, f, x, c: x**2,
    "mul": lambda t, f, x, c: x * c,
    "mul both": lambda t, f, x, c: x * x,
    "exp": lambda t, f, x, c: x.exp(),
    "tanh": lambda t, f, x, c: x.tanh(),
    "softmax": lambda t, f, x, c: x.softmax(1),
    "sum": lambda t, f, x, c: x.sum(1),
    "max": lambda t, f, x, c: x.max(1)[0],
    "where": lambda t, f, x, c: t.where(x > 1, x, c),
    "clamp": lambda t, f, x, c: x.clamp(0, 1),
    "leaky": lambda t, f, x, c: f.leaky_relu(x, 0.1),
}


@pytest.mark.parametrize("name", SAVED)
def test_saved_values_are_shown(name):
    found = []
    for t, f in LIBRARIES:
        x = t.tensor([[0.5, 2.0]], requires_grad=True)
        node = SAVED[name](t, f, x, t.tensor([[3.0, 1.0]])).grad_fn
        names = [n for n in dir(node) if n.startswith("_saved") and "sym" not in n]
        found.append({n: str(getattr(node, n)) for n in names})
    theirs, ours = found
    assert ours == theirs


def test_a_saved_leaf_is_the_leaf():
    x = kuai.ones(2, requires_grad=True)
    y = x.exp() * x
    assert y.grad_fn._saved_other is x
    before = y.grad_fn._saved_self
    assert before.grad_fn.name() == "ExpBackward0"


def test_what_is_not_saved_or_freed_is_an_error():
    y = kuai.ones(2, requires_grad=True).exp()
    with pytest.raises(AttributeError, match="'ExpBackward0' object has no attribute '_saved_x'"):
        _ = y.grad_fn._saved_x
    y.sum().backward()
    with pytest.raises(RuntimeError, match="after they have already been freed"):
        _ = y.grad_fn._saved_result
