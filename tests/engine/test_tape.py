"""The tape against PyTorch's: the same code runs on both, and the results and messages agree."""

import contextlib

import numpy as np
import pytest
import torch

import kuai

LIBRARIES = (torch, kuai)


def on_both(program):
    """What a program gives on PyTorch and on Kuai, tensors as lists, errors as texts."""
    results = []
    for library in LIBRARIES:
        try:
            results.append(plain(program(library)))
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            results.append((type(error).__name__, str(error)))
    return results


def plain(thing):
    if isinstance(thing, (list, tuple)):
        return [plain(item) for item in thing]
    if isinstance(thing, (torch.Tensor, kuai.Tensor)):
        return np.round(np.asarray(thing.detach()), 4).tolist()
    return thing


def agree(program):
    expected, found = on_both(program)
    assert found == expected


def leaf(t, *values):
    return t.tensor(list(values), requires_grad=True)


def test_gradients_of_gradients():
    def program(t):
        x = leaf(t, 1.0, 2.0, 3.0)
        (first,) = t.autograd.grad((x**3).sum(), x, create_graph=True)
        (second,) = t.autograd.grad(first.sum(), x, create_graph=True)
        second.sum().backward()
        return first, second, x.grad, first.grad_fn is not None

    agree(program)


def test_backward_twice_is_refused():
    def program(t):
        x = leaf(t, 1.0, 2.0)
        y = (x * x).sum()
        y.backward()
        y.backward()

    agree(program)


def test_retained_graph_is_walked_twice():
    def program(t):
        x = leaf(t, 1.0, 2.0)
        y = (x * x).sum()
        y.backward(retain_graph=True)
        y.backward()
        return x.grad

    agree(program)


def test_linear_operations_may_be_walked_twice():
    def program(t):
        x = leaf(t, 1.0, 2.0)
        y = (x + x).sum()
        y.backward()
        y.backward()
        return x.grad

    agree(program)


@pytest.mark.parametrize(
    "program",
    [
        lambda t: leaf(t, 1.0, 2.0).backward(),
        lambda t: t.tensor([1.0]).backward(),
        lambda t: (leaf(t, 1.0, 2.0) * 2).backward(t.ones(3)),
        lambda t: leaf(t, 1.0).add_(1),
        lambda t: leaf(t, 1.0, 2.0)[0].mul_(2),
        lambda t: t.tensor([1], requires_grad=True),
        lambda t: setattr(leaf(t, 1.0) * 2, "requires_grad", False),
        lambda t: t.autograd.grad(leaf(t, 1.0).sum(), leaf(t, 1.0)),
        lambda t: t.autograd.grad(leaf(t, 1.0).sum(), t.ones(1)),
        lambda t: t.ones(2).register_hook(print),
        lambda t: t.ones(2).retain_grad(),
        lambda t: setattr(leaf(t, 1.0), "grad", t.ones(2)),
        lambda t: leaf(t, 1.0).numpy(),
        lambda t: leaf(t, 1.0, 2.0).sum().backward(inputs=[]),
        lambda t: t.ones(2).add_(t.ones(2, 2)),
        lambda t: t.ones(2, dtype=t.int64).add_(0.5),
    ],
)
def test_refusals_are_worded_as_in_pytorch(program):
    agree(program)


def test_tensor_hooks_change_gradients():
    def program(t):
        x = leaf(t, 1.0, 2.0)
        seen = []
        x.register_hook(lambda g: seen.append(plain(g)))
        y = x * 3
        handle = y.register_hook(lambda g: g * 2)
        y.retain_grad()
        y.sum().backward(retain_graph=True)
        handle.remove()
        y.sum().backward()
        return x.grad, y.grad, seen

    agree(program)


def test_hook_after_accumulation():
    def program(t):
        x, seen = leaf(t, 1.0, 2.0), []
        x.register_post_accumulate_grad_hook(lambda p: seen.append(plain(p.grad)))
        (x * x).sum().backward()
        return seen

    agree(program)


def test_node_hooks_and_names():
    def program(t):
        x = leaf(t, 1.0, 2.0)
        y = x.exp()
        seen = []
        y.grad_fn.register_prehook(lambda outputs: seen.append(len(outputs)))
        y.grad_fn.register_hook(lambda inputs, outputs: seen.append((len(inputs), len(outputs))))
        y.sum().backward()
        names = [y.grad_fn.name(), y.sum().grad_fn.next_functions[0][0].name()]
        return seen, names, y.grad_fn.next_functions[0][0].name()

    agree(program)


def test_inputs_of_backward():
    def program(t):
        x, w = leaf(t, 1.0, 2.0), leaf(t, 3.0, 4.0)
        (x * w).sum().backward(inputs=[w])
        return x.grad is None, w.grad

    agree(program)


def test_unused_and_materialized_gradients():
    def program(t):
        x, w = leaf(t, 1.0), leaf(t, 2.0)
        found = t.autograd.grad(x.sum(), [x, w], allow_unused=True)
        zeros = t.autograd.grad(x.sum(), [x, w], materialize_grads=True)
        return found[0], found[1] is None, zeros

    agree(program)


def test_modes():
    def program(t):
        x = leaf(t, 1.0)
        with t.no_grad():
            first = (x * 2).requires_grad
            with t.enable_grad():
                second = (x * 2).requires_grad

        @t.no_grad()
        def third():
            return (x * 2).requires_grad

        with t.set_grad_enabled(False):
            fourth = t.is_grad_enabled()
        with t.inference_mode():
            fifth = (x * 2).requires_grad, t.is_inference_mode_enabled()
        return first, second, third(), fourth, fifth, t.is_grad_enabled()

    agree(program)


def test_inplace_history():
    def program(t):
        x = leaf(t, 1.0, 2.0, 3.0)
        y = x * 2
        y[0] = 10.0
        y[1:].mul_(x[1:])
        z = t.zeros(2, 3)
        z[1] = y
        z += 1
        z.sum().backward()
        return x.grad, z, z.requires_grad, y.grad_fn.name()

    agree(program)


def test_a_view_follows_its_base():
    def program(t):
        x = leaf(t, 1.0, 2.0)
        base = t.zeros(2, 2)
        row = base[0]
        base.add_(x)
        (row * row).sum().backward()
        return x.grad, row

    agree(program)


def test_inplace_after_saving_still_gives_the_right_gradient():
    x = kuai.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = y * y
    y.mul_(100)
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_custom_function():
    def program(t):
        class Cube(t.autograd.Function):
            @staticmethod
            def forward(ctx, x, times):
                ctx.save_for_backward(x)
                ctx.times = times
                return x**3 * times, x.sum()

            @staticmethod
            def backward(ctx, grad, other):
                (x,) = ctx.saved_tensors
                return 3 * x**2 * grad * ctx.times + other, None

        x = leaf(t, 1.0, 2.0)
        cubes, total = Cube.apply(x, 2)
        (g,) = t.autograd.grad(cubes.sum() + total, x, create_graph=True)
        g.sum().backward()
        return cubes, g, x.grad, cubes.grad_fn.name()

    agree(program)


def test_custom_function_with_a_wrong_number_of_gradients():
    def program(t):
        class Wrong(t.autograd.Function):
            @staticmethod
            def forward(ctx, x, y):
                return x * y

            @staticmethod
            def backward(ctx, grad):
                return grad

        Wrong.apply(leaf(t, 1.0), leaf(t, 2.0)).backward()

    agree(program)


def test_leaves_and_detaching():
    def program(t):
        x = leaf(t, 1.0, 2.0)
        y = (x * 2).detach()
        z = x.detach()
        z[0] = 5.0
        return x.is_leaf, (x * 2).is_leaf, y.is_leaf, y.requires_grad, x

    agree(program)


def test_gradient_flows_through_many_uses():
    def program(t):
        x = leaf(t, 0.5, -0.5)
        total = x
        for _ in range(50):
            total = total * 0.9 + x
        total.sum().backward()
        return x.grad

    agree(program)


NOTHING_SAVED = [
    lambda t, w: w[:2],
    lambda t, w: w[1],
    lambda t, w: w.unbind()[1],
    lambda t, w: w.narrow(0, 1, 2),
    lambda t, w: w.split(2)[0],
    lambda t, w: w[0].expand(2, 3),
    lambda t, w: w.chunk(2, 1)[1] + 2.0,
    lambda t, w: w.tril(),
    lambda t, w: w.diagonal(1),
    lambda t, w: w.unfold(0, 3, 1),
    lambda t, w: w.as_strided((2, 2), (1, 3)),
    lambda t, w: t.diag_embed(w),
    lambda t, w: t.nn.functional.pad(w, (1, 2), value=3.0),
    lambda t, w: t.lerp(w, t.zeros(4, 3), 0.25),
    lambda t, w: t.sub(t.zeros(4, 3), w, alpha=2.5),
    lambda t, w: w.index_add(0, t.tensor([1, 1]), t.ones(2, 3), alpha=2),
    lambda t, w: w.scatter_add(0, t.tensor([[1, 2]]), t.ones(1, 2)),
    lambda t, w: t.nn.functional.interpolate(w[None, None], scale_factor=2.0, mode="bilinear"),
    lambda t, w: t.nn.functional.unfold(w[None, None], 2),
    lambda t, w: t.fft.irfft(w, norm="ortho"),
    lambda t, w: t.trapezoid(w, dx=0.5),
    lambda t, w: t.deg2rad(w),
]
SOMETHING_SAVED = [
    lambda t, w: w * w,
    lambda t, w: w.exp(),
    lambda t, w: w.amax(0),
    lambda t, w: w[t.tensor([0, 2])],
    lambda t, w: w.index_add(0, t.tensor([1, 1]), w[:2], alpha=2),
    lambda t, w: w.masked_fill(w > 0, 1.0),
    lambda t, w: t.nn.functional.gelu(w),
]


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("read", NOTHING_SAVED + SOMETHING_SAVED)
def test_what_is_made_of_shapes_and_numbers_is_not_saved(read, fused):
    def program(t):
        with kuai.fused() if fused and t is kuai else contextlib.nullcontext():
            w = t.arange(12.0).reshape(4, 3).clone().requires_grad_()
            part = read(t, w)
            part.sum().backward()
            part.sum().backward(t.tensor(2.0))
            return w.grad

    agree(program)


def test_a_freed_graph_without_saved_tensors_has_second_derivatives():
    def program(t):
        w = t.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        v = t.ones(2, 2, requires_grad=True)
        low = w.tril()
        low.sum().backward()
        (gradient,) = t.autograd.grad(low, w, v, create_graph=True)
        (gradient**2).sum().backward()
        return w.grad, v.grad

    agree(program)


@pytest.mark.parametrize("name", ["tril", "exp"])
def test_packed_graphs_are_freed_where_something_was_packed(name):
    def program(t):
        w = t.ones(2, 2, requires_grad=True)
        with t.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x):
            y = getattr(w, name)()
        y.sum().backward()
        y.sum().backward()
        return w.grad

    agree(program)
