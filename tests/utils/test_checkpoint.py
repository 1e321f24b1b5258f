"""kuai.utils.checkpoint: same gradients as without, same random numbers, less memory."""

import numpy as np
import pytest
import torch

import kuai
from kuai.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


def blocks(count=4, size=32, dropout=0.0):
    kuai.manual_seed(0)
    layers = [
        kuai.nn.Sequential(
            kuai.nn.Linear(size, 4 * size), kuai.nn.GELU(), kuai.nn.Dropout(dropout),
            kuai.nn.Linear(4 * size, size), kuai.nn.Tanh(),
        )
        for _ in range(count)
    ]  # fmt: skip
    return kuai.nn.ModuleList(layers)


def training_step(checkpointed, **options):
    net = blocks(**options)
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.5)

    def step(x):
        optimizer.zero_grad()
        for block in net:
            x = checkpoint(block, x, use_reentrant=False) if checkpointed else block(x)
        loss = x.pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step


def losses(step, x):
    kuai.manual_seed(5)
    return [step(x).item() for _ in range(3)]


@pytest.mark.parametrize("compiled", [False, True])
def test_same_losses_with_dropout(compiled):
    x = kuai.randn(8, 32)
    steps = [training_step(flag, count=2, dropout=0.3) for flag in (False, True)]
    if compiled:
        steps = [kuai.compile(step, fullgraph=True) for step in steps]
    plain, checkpointed = (losses(step, x) for step in steps)
    np.testing.assert_allclose(plain, checkpointed, rtol=1e-5)


def temporary_bytes(step, x):
    compiled = kuai.compile(step, fullgraph=True)
    compiled(x)
    (program,) = compiled.programs
    return program.function.lower(*program.avals).compile().memory_analysis().temp_size_in_bytes


def test_memory_of_a_compiled_step_goes_down():
    x = kuai.randn(256, 32)
    plain, checkpointed = (temporary_bytes(training_step(c, count=6), x) for c in (False, True))
    assert checkpointed < 0.5 * plain


def test_eagerly_only_the_arguments_are_kept():
    x = kuai.randn(4, 3, requires_grad=True)
    y = checkpoint(lambda a: a.sin().exp().tanh(), x, use_reentrant=False)
    node = y.grad_fn
    for name in ("TanhBackward0", "ExpBackward0", "SinBackward0"):
        assert node.name() == name
        assert node.arrays is None and node.residuals.leaves == []
        node = node.next_functions[0][0]
    y.sum().backward()
    assert x.grad.shape == (4, 3)


def both(function):
    """Run `function(t, checkpoint)` with Kuai's and PyTorch's."""
    theirs = torch.utils.checkpoint.checkpoint
    return function(kuai, checkpoint), function(torch, theirs)


def assert_both(function):
    ours, theirs = both(function)
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.numpy(), reference.numpy(), rtol=1e-5, atol=1e-6)


def test_closed_over_and_shared_history():
    def run(t, checkpoint):
        x = t.linspace(0, 1, 6).reshape(2, 3).requires_grad_()
        w = t.ones(3, 3, requires_grad=True)
        h = (x @ w).sin()
        y = checkpoint(lambda a: (a * h) @ w + x.sum(), h * 2, use_reentrant=False)
        y.pow(2).sum().backward()
        return x.grad, w.grad

    assert_both(run)


def test_nested_and_several_results():
    def run(t, checkpoint):
        x = t.linspace(0, 1, 4).requires_grad_()

        def inner(a):
            return a.sin() * 2

        def outer(a, *, scale):
            b = checkpoint(inner, a, use_reentrant=False)
            return {"first": b * scale, "second": (a.exp(), None, 3)}

        made = checkpoint(outer, x, use_reentrant=False, scale=3.0)
        (made["first"] * made["second"][0]).sum().backward()
        return (x.grad,)

    assert_both(run)


def test_second_derivatives():
    def run(t, checkpoint):
        x = t.linspace(0, 1, 4).requires_grad_()
        y = checkpoint(lambda a: a.sin() * a.exp(), x, use_reentrant=False)
        (g,) = t.autograd.grad(y.sum(), x, create_graph=True)
        return t.autograd.grad(g.sum(), x)

    assert_both(run)


def test_batch_norm_counts_twice_as_in_pytorch():
    def run(t, checkpoint):
        norm = t.nn.BatchNorm1d(3)
        x = t.linspace(0, 1, 12).reshape(4, 3).requires_grad_()
        checkpoint(norm, x, use_reentrant=False).sum().backward()
        return norm.num_batches_tracked, norm.running_mean

    assert_both(run)


def test_no_grad_hooks_and_second_backward():
    x = kuai.ones(3, requires_grad=True)
    with kuai.no_grad():
        assert not checkpoint(kuai.sin, x, use_reentrant=False).requires_grad
    seen = []
    x.register_hook(lambda g: seen.append(g.shape))
    y = checkpoint(kuai.sin, x, use_reentrant=False).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert len(seen) == 2
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_another_result_the_second_time():
    calls = []

    def wavering(a):
        calls.append(1)
        return a.sin() if len(calls) == 1 else a[:2].sin()

    x = kuai.ones(3, requires_grad=True)
    with pytest.raises(CheckpointError, match="different metadata"):
        checkpoint(wavering, x, use_reentrant=False).sum().backward()
    with pytest.raises(ValueError, match="determinism_check should be one of"):
        checkpoint(kuai.sin, x, use_reentrant=False, determinism_check="maybe")


def test_sequential():
    def run(t, _):
        layers = [t.tanh, t.sin, t.exp, t.sigmoid]
        x = t.linspace(0, 1, 4).requires_grad_()
        run = t.utils.checkpoint.checkpoint_sequential
        run(layers, 2, x, use_reentrant=False).sum().backward()
        return (x.grad,)

    assert_both(run)
    assert checkpoint_sequential is kuai.utils.checkpoint.checkpoint_sequential
