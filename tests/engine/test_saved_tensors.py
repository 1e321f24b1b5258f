"""Hooks for what the tape saves; places in the graph: edges, nodes, hooks on several tensors."""

import gc
import weakref

import numpy as np
import pytest
import torch

import kuai


def assert_both(program):
    theirs = program(torch)
    assert program(kuai) == theirs
    with kuai.fused():
        assert program(kuai) == theirs
    compiled = kuai.compile(lambda: program(kuai))
    for _ in range(2):
        assert compiled() == theirs


SAVING = {
    "mul": lambda t, a, w: a * w.t(),
    "matmul": lambda t, a, w: a @ w,
    "exp": lambda t, a, w: a.exp(),
    "sin": lambda t, a, w: a.sin(),
    "relu": lambda t, a, w: a.relu(),
    "number": lambda t, a, w: a * 2,
    "sum": lambda t, a, w: a.sum(),
    "softmax": lambda t, a, w: a.softmax(1),
}


@pytest.mark.parametrize("name", SAVING)
def test_how_many_tensors_are_packed(name):
    def program(t):
        counts = {"pack": 0, "unpack": 0}

        def count(what):
            def hook(x):
                counts[what] += 1
                return x

            return hook

        a, w = t.ones(2, 3, requires_grad=True), t.full((3, 2), 0.5, requires_grad=True)
        with t.autograd.graph.saved_tensors_hooks(count("pack"), count("unpack")):
            y = SAVING[name](t, a, w)
        y.sum().backward()
        return counts, np.round(a.grad.tolist(), 4).tolist()

    assert_both(program)


def test_what_is_unpacked_is_what_is_used():
    def program(t):
        a = t.ones(3, requires_grad=True)
        hooks = t.autograd.graph.saved_tensors_hooks(lambda x: x.detach().numpy(), unpack(t))
        with hooks:
            y = a.exp()
        y.sum().backward()
        return np.round(a.grad.tolist(), 3).tolist()

    def unpack(t):
        return lambda array: t.from_numpy(array.copy()) * 10

    assert_both(program)


def test_second_derivatives_through_hooks():
    def program(t):
        a = t.tensor([0.5, 2.0], requires_grad=True)
        with t.autograd.graph.save_on_cpu():
            y = (a.exp() * a.sin() * a).tanh()
        (first,) = t.autograd.grad(y.sum(), a, create_graph=True)
        (second,) = t.autograd.grad(first.sum(), a)
        return [np.round(g.tolist(), 3).tolist() for g in (first, second)]

    assert_both(program)


def error_of(call):
    try:
        call()
    except (RuntimeError, TypeError) as error:
        return type(error).__name__, str(error)
    return None


def disabled(t):
    a = t.ones(2, requires_grad=True)
    with t.autograd.graph.disable_saved_tensors_hooks("not here"):
        with t.autograd.graph.save_on_cpu():
            a.exp()


def in_place(t):
    a = t.ones(2, requires_grad=True)
    with t.autograd.graph.saved_tensors_hooks(lambda x: x.mul_(2), lambda x: x):
        a.exp()


def no_tensor(t):
    a = t.ones(2, requires_grad=True)
    with t.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: 0):
        y = a.exp()
    y.sum().backward()


@pytest.mark.parametrize("wrong", [disabled, in_place, no_tensor])
def test_errors(wrong):
    assert error_of(lambda: wrong(kuai)) == error_of(lambda: wrong(torch)) is not None


def test_gradient_edges():
    def program(t):
        a, b = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
        edge = t.autograd.graph.get_gradient_edge
        y = (a * b * 3).sum()
        found = t.autograd.grad(edge(y), [edge(a), b], retain_graph=True)
        y.backward(inputs=[edge(b)])
        named = t.autograd.grad((a * 2).sum(), {"a": a})
        return [g.tolist() for g in found], a.grad, b.grad.tolist(), named["a"].tolist()

    assert_both(program)


def test_hooks_on_several_tensors():
    def program(t):
        a, b, c = (t.ones(1, requires_grad=True) for _ in range(3))
        seen = []
        every = t.autograd.graph.register_multi_grad_hook(
            (a, b, c), lambda grads: seen.append([g is not None for g in grads])
        )
        t.autograd.graph.register_multi_grad_hook((a, b), lambda g: seen.append("any"), mode="any")
        (a * b).sum().backward()
        (a * b * c).sum().backward(inputs=[a])
        every.remove()
        (a * b).sum().backward()
        return seen

    assert_both(program)


def test_hooks_of_accumulating_nodes_and_of_what_is_wanted_on_the_way():
    def program(t):
        seen = []
        a = t.ones(1, requires_grad=True)
        b = a * 3
        node = a.view_as(a).grad_fn.next_functions[0][0]
        node.register_prehook(lambda grads: (grads[0] * 2,))
        node.register_hook(lambda _, grads: seen.append(grads[0].item()))
        b.register_hook(lambda g: g * 10)
        (b * 2).backward(retain_graph=True)
        return seen, a.grad.item(), [g.item() for g in t.autograd.grad(b * 2, (a, b))]

    assert_both(program)


def test_modes_around_generators():
    def program(t):
        @t.no_grad()
        def steps():
            for _ in range(2):
                sent = yield t.is_grad_enabled()
                seen.append(sent)
            return "end"

        seen = []
        generator = steps()
        seen += [next(generator), t.is_grad_enabled(), generator.send(5), t.is_grad_enabled()]
        try:
            generator.send(6)
        except StopIteration as end:
            seen.append(end.value)
        return seen

    assert program(kuai) == program(torch)


def test_a_checkpoint_ends_early_and_takes_the_same_objects():
    def program(t):
        seen = []
        x = t.ones(2, requires_grad=True)

        def function(a):
            seen.append(a is x)
            b = a.exp()
            seen.append("exp")
            c = b.sin()
            seen.append("sin")
            return c + 1

        checkpoint = __import__(f"{t.__name__}.utils.checkpoint", fromlist=["x"])
        checkpoint.checkpoint(function, x, use_reentrant=False).sum().backward()
        with checkpoint.set_checkpoint_early_stop(False):
            y = checkpoint.checkpoint(function, x, use_reentrant=False)
        y.sum().backward()
        return seen, np.round(x.grad.tolist(), 3).tolist()

    assert program(kuai) == program(torch)


@pytest.mark.parametrize("cut", [lambda h: h[:, 0], lambda h: h.narrow(1, 0, 2), lambda h: h[1]])
def test_a_loss_that_is_kept_lets_go_of_what_was_sliced(cut):
    w, losses, seen = kuai.ones(5, 7, requires_grad=True), [], []
    for _ in range(3):
        h = w + kuai.rand(5, 7)
        losses.append(cut(h).sum())
        losses[-1].backward()
        seen.append(weakref.ref(h._storage.held))
        del h
    gc.collect()
    assert [each() for each in seen] == [None] * 3
    before = w.grad.clone()
    losses[0].backward()  # as nothing of a tensor was saved
    assert not before.equal(w.grad)
