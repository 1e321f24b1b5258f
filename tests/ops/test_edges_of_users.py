"""Edges that programs of PyTorch's users meet: tensors of several dtypes, `out=`, expanded tensors.

Each line is run by both libraries: what it gives, or the error's type and text, has to be the same.
`KUAI_EDGES=all` takes 16-bit tensors, too.
"""

import os
import re

import pytest
import torch

import kuai
from tests.rowkit import is_tensor, leaves, to_numpy


def _x(t, *shape, dtype="float32"):
    size = 1
    for n in shape:
        size *= n
    return (t.arange(size).reshape(shape) / 4 - 1).to(getattr(t, dtype))


def _outcome(t, call):
    try:
        made = list(leaves(call(t, t.nn.functional)))
    except Exception as error:  # noqa: BLE001 - any error is what is compared
        return f"{type(error).__name__}: {error}".replace("kuai", "torch")
    return [
        (str(m.dtype).partition(".")[2], to_numpy(m).astype(float).round(3).tolist())
        if is_tensor(m)
        else m
        for m in made
    ]


OTHER = ["float64", "int64", "float16", "bfloat16"][: 4 if os.environ.get("KUAI_EDGES") else 2]
MIXED = {
    "conv": lambda t, F, d: F.conv1d(_x(t, 1, 2, 3, dtype=d), _x(t, 2, 2, 2)),
    "conv weight": lambda t, F, d: F.conv1d(_x(t, 2, 2, 3), _x(t, 2, 2, 2, dtype=d)),
    "conv bias": lambda t, F, d: F.conv1d(_x(t, 1, 2, 3, dtype=d), _x(t, 2, 2, 2), _x(t, 2)),
    "transposed": lambda t, F, d: F.conv_transpose1d(_x(t, 1, 2, 3, dtype=d), _x(t, 2, 2, 2)),
    "linear": lambda t, F, d: F.linear(_x(t, 1, 2, dtype=d), _x(t, 2, 2)),
    "bilinear": lambda t, F, d: F.bilinear(_x(t, 2, dtype=d), _x(t, 2), _x(t, 2, 2, 2)),
    "prelu": lambda t, F, d: F.prelu(_x(t, 1, 2, dtype=d), _x(t, 2)),
    "group norm": lambda t, F, d: F.group_norm(_x(t, 2, 2), 1, _x(t, 2, dtype=d)),
    "group norm of": lambda t, F, d: F.group_norm(_x(t, 2, 2, dtype=d), 1),
    "layer norm": lambda t, F, d: F.layer_norm(_x(t, 2, 2), (2,), _x(t, 2, dtype=d)),
    "rms norm": lambda t, F, d: F.rms_norm(_x(t, 2, 2, dtype=d), (2,)),
    "lp pool": lambda t, F, d: F.lp_pool1d(_x(t, 1, 4, dtype=d), 2.0, 2),
    "soft targets": lambda t, F, d: F.cross_entropy(_x(t, 2, 3, dtype=d), _x(t, 2, 3).abs()),
    "classes": lambda t, F, d: F.nll_loss(_x(t, 2, 3, dtype=d), t.tensor([0, 2])),
    "huber": lambda t, F, d: F.huber_loss(_x(t, 3, dtype=d), _x(t, 3).abs()),
    "soft margin": lambda t, F, d: F.soft_margin_loss(_x(t, 3, dtype=d), _x(t, 3)),
    "hinge": lambda t, F, d: F.hinge_embedding_loss(_x(t, 3), _x(t, 3, dtype=d)),
    "logits": lambda t, F, d: F.binary_cross_entropy_with_logits(_x(t, 3, dtype=d), _x(t, 3)),
    "kl": lambda t, F, d: F.kl_div(_x(t, 3, dtype=d), _x(t, 3).abs(), reduction="sum"),
    "attention": lambda t, F, d: F.scaled_dot_product_attention(
        _x(t, 2, 2, dtype=d), _x(t, 2, 2), _x(t, 2, 2)
    ),
}


def _close(ours, theirs):
    if isinstance(ours, str) or isinstance(theirs, str):
        return ours == theirs
    return [kind for kind, _ in ours] == [kind for kind, _ in theirs] and all(
        torch.allclose(torch.tensor(a), torch.tensor(b), rtol=2e-2, atol=2e-2, equal_nan=True)
        for (_, a), (_, b) in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("dtype", OTHER)
@pytest.mark.parametrize("name", MIXED)
def test_tensors_of_two_dtypes(name, dtype):
    ours, theirs = (_outcome(t, lambda t, F: MIXED[name](t, F, dtype)) for t in (kuai, torch))
    assert _close(ours, theirs), (ours, theirs)


def _negative_draws(distributions, probs):
    distributions.Distribution.set_default_validate_args(True)  # other tests may have changed it
    return distributions.Multinomial(-1, probs, validate_args=True)


LINES = {
    "out of a leaf": lambda t, F: t.exp(t.ones(2, requires_grad=True), out=t.empty(2)),
    "out that is one": lambda t, F: t.add(t.ones(2), 1, out=t.ones(2, requires_grad=True)),
    "out of sort": lambda t, F: t.sort(
        t.ones(2, requires_grad=True), out=(t.empty(2), t.empty(2, dtype=t.int64))
    ),
    "out without": lambda t, F: t.eq(
        t.ones(2, requires_grad=True), 1, out=t.empty(2, dtype=t.bool)
    ),
    "fill expanded": lambda t, F: t.zeros(2, 1).expand(2, 3).fill_(4),
    "zero expanded": lambda t, F: t.ones(2, 1).expand(2, 3).zero_(),
    "fill nothing": lambda t, F: t.ones(1).expand(0).fill_(2),
    "add to expanded": lambda t, F: t.ones(1).expand(2).add_(1),
    "numbers in tensors": lambda t, F: t.tensor([t.ones(1), t.ones(1, 1)]),
    "no numbers in tensors": lambda t, F: t.tensor([t.ones(2), t.ones(2)]),
    "asarray": lambda t, F: t.asarray(t.ones(2, requires_grad=True), requires_grad=False),
    "bytes": lambda t, F: t.asarray(bytearray(b"abc"), dtype=t.uint8),
    "dim_order": lambda t, F: t.ones(2).dim_order(ambiguity_check="x"),
    "variable": lambda t, F: t.autograd.Variable(t.ones(2), requires_grad=True),
    "variable of a list": lambda t, F: t.autograd.Variable([1.0]),
    "a variable": lambda t, F: isinstance(t.ones(1), t.autograd.Variable),
    "the mode": lambda t, F: t.set_grad_enabled("yes"),
    "inputs": lambda t, F: t.autograd.grad(t.ones(1, requires_grad=True), "x"),
    "gradients": lambda t, F: t.ones(3, requires_grad=True).backward([1, 2, 3]),
    "pooling of a number": lambda t, F: F.adaptive_avg_pool1d(t.tensor(1.0), 2),
    "border of a number": lambda t, F: F.pad(t.tensor(1.0), (1, 1), mode="reflect"),
    "mirror": lambda t, F: F.pad(t.ones(1, 1, 1, 1), (1, 1, 1, 1), mode="reflect"),
    "bilinear number": lambda t, F: F.bilinear(t.tensor(1.0), t.tensor(1.0), t.ones(1, 1, 1)),
    "array": lambda t, F: F.relu(to_numpy(kuai.ones(2))),
    "state": lambda t, F: t.nn.LSTMCell(2, 3)(t.ones(1, 2), t.ones(1, 3)),
    "unknown name": lambda t, F: t.func.functional_call(t.nn.ReLU(), {"x": t.ones(1)}, t.ones(2)),
    "draws": lambda t, F: _negative_draws(t.distributions, t.ones(1)),
    "embedding": lambda t, F: F.embedding(t.ones(2), t.ones(3, 2)),
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.filterwarnings("ignore")
def test_lines(name):
    ours, theirs = (_outcome(t, LINES[name]) for t in (kuai, torch))
    assert ours == theirs


def test_nodes_have_the_class_of_their_derivative():
    x = kuai.ones(2, requires_grad=True)
    assert type((x * 2).grad_fn).__name__ == "MulBackward0"
    assert type((x * 2).grad_fn) is type((x * 3).grad_fn)


def test_a_hook_may_return_the_tensor_it_was_given():
    for t in (kuai, torch):
        x = t.ones(2, requires_grad=True)
        x.register_post_accumulate_grad_hook(lambda p: p.add_(p.grad, alpha=-0.5))
        x.sum().backward()
        assert x.tolist() == [0.5, 0.5]
        y = t.ones(2, requires_grad=True)
        y.register_post_accumulate_grad_hook(lambda p: 1)
        with pytest.raises(TypeError, match="expected Variable, but hook returned 'int'"):
            y.sum().backward()


def test_an_input_passed_through_is_another_tensor():
    for t in (kuai, torch):

        class Same(t.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x

        x = t.ones(2)
        assert Same.apply(x) is not x


def test_anomaly_mode_says_where_the_operation_was_called():
    for t in (kuai, torch):
        x = t.zeros(2, requires_grad=True)
        with pytest.warns(UserWarning, match="enabled"), t.autograd.detect_anomaly():
            y = (x.sqrt() * 0).sum()
            with pytest.warns(UserWarning, match="Error detected in SqrtBackward0.*") as seen:
                with pytest.raises(RuntimeError, match="returned nan values in its 0th output"):
                    y.backward()
        text = str(seen[0].message)
        assert "Traceback of forward call that caused the error:" in text
        assert re.search(r"y = \(x\.sqrt\(\) \* 0\)\.sum\(\)", text)
    assert kuai.is_anomaly_check_nan_enabled() and torch.is_anomaly_check_nan_enabled()
