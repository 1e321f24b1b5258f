"""create_selective_checkpoint_contexts: what is kept is not computed again."""

import functools

import pytest
import torch
import torch.utils.checkpoint

import kuai
import kuai.utils.checkpoint


def gradients(t, policy=None):
    """Of a small network, with or without a checkpoint."""
    w = (t.arange(9.0).view(3, 3) / 10).requires_grad_()
    x = t.ones(2, 3, requires_grad=True)

    def part(x):
        return (t.mm(x, w).sigmoid() @ w).tanh().sum()

    tools = t.utils.checkpoint
    contexts = functools.partial(tools.create_selective_checkpoint_contexts, policy)
    if policy is None:
        part(x).backward()
    else:
        tools.checkpoint(part, x, use_reentrant=False, context_fn=contexts).backward()
    return [*x.grad.flatten().tolist(), *w.grad.flatten().tolist()]


@pytest.mark.parametrize("names", [["mm"], ["mm", "sigmoid"], ["sigmoid", "tanh"], []])
def test_gradients_are_those_without_a_checkpoint(names):
    expected = gradients(torch, [getattr(torch.ops.aten, name).default for name in names])
    found = gradients(kuai, [getattr(kuai.ops.aten, name).default for name in names])
    assert found == pytest.approx(expected, rel=1e-5)
    assert found == pytest.approx(gradients(kuai), rel=1e-6)


def test_a_policy_sees_operations_once_and_spares_the_second_run():
    policies = kuai.utils.checkpoint.CheckpointPolicy
    seen = []

    def policy(context, operation, *arguments):
        seen.append((context.is_recompute, operation))
        kept = operation is kuai.ops.aten.mm.default
        return policies.MUST_SAVE if kept else policies.PREFER_RECOMPUTE

    gradients(kuai, policy)
    assert [r for r, _ in seen] == [False] * len(seen)
    assert [o for _, o in seen].count(kuai.ops.aten.mm.default) == 2


def test_a_second_pass_is_refused():
    contexts = functools.partial(
        kuai.utils.checkpoint.create_selective_checkpoint_contexts, [kuai.ops.aten.exp.default]
    )
    x = kuai.ones(2, requires_grad=True)
    run = kuai.utils.checkpoint.checkpoint
    y = run(lambda a: a.exp().sin().sum(), x, use_reentrant=False, context_fn=contexts)
    y.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="Trying to backward an extra time"):
        y.backward()


def test_what_is_no_policy_is_refused():
    make = kuai.utils.checkpoint.create_selective_checkpoint_contexts
    with pytest.raises(TypeError, match="must be either a function or a list of ops"):
        make(3)
    with pytest.raises(ValueError, match="Please update the OpOverloadPacket"):
        make([kuai.ops.aten.mm])
