"""Schedules, modes, hooks and parametrizations that come and go between calls."""

import importlib

from tests.stories.storykit import (
    batch,
    everything,
    linear,
    mlp,
    story,
    train_step,
)


@story
def default_dtype_and_factories(t, compiled):
    w = t.ones(2)

    @compiled
    def f(x):
        return x + t.zeros(2) + 1 / 3, t.full((2,), 0.1), t.tensor([0.1, 0.2]), t.arange(3.0)

    for n in range(8):
        t.set_default_dtype(t.float64 if n in (3, 4, 6) else t.float32)
        yield f(w)


@story
def set_default_device_context(t, compiled):
    @compiled
    def f(x):
        return x + t.ones(2), str(t.ones(2).device)

    for n in range(7):
        if n in (3, 5):
            with t.device("cpu"):
                yield f(t.ones(2))
        else:
            yield f(t.ones(2))


@story
def saved_tensor_hooks_around(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    seen = []
    for n in range(8):
        if n in (3, 6):
            with t.autograd.graph.saved_tensors_hooks(
                lambda x: (seen.append(1), x)[1], lambda x: x
            ):
                r = step(*batch(t))
        else:
            r = step(*batch(t))
        yield r, everything(net, opt), len(seen) > 0


@story
def function_mode_around(t, compiled):
    if not hasattr(t.overrides, "TorchFunctionMode"):
        return

    class Twice(t.overrides.TorchFunctionMode):
        def __torch_function__(s, f, types, args=(), kwargs=None):
            r = f(*args, **(kwargs or {}))
            return r * 2 if getattr(f, "__name__", "") == "sum" else r

    net = linear(t)

    @compiled
    def f(x):
        with t.no_grad():
            return t.sum(net(x))

    for n in range(8):
        if n in (3, 6):
            with Twice():
                yield f(batch(t)[0])
        else:
            yield f(batch(t)[0])


@story
def multi_grad_hook(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    seen = []
    h = None
    for n in range(8):
        if n == 3:
            h = t.autograd.graph.register_multi_grad_hook(
                list(net.parameters()), lambda gs: seen.append(len(gs))
            )
        if n == 6:
            h.remove()
        yield step(*batch(t)), everything(net, opt), list(seen)


@story
def parametrizations_come_and_go(t, compiled):
    net = mlp(t)
    P = t.nn.utils.parametrize

    class Sym(t.nn.Module):
        def forward(s, w):
            return w * 2

    @compiled
    def f(x):
        loss = net(x).square().sum()
        loss.backward()
        return loss.detach()

    for n in range(9):
        if n == 3:
            P.register_parametrization(net[0], "weight", Sym())
        if n == 5:
            net[0].parametrizations.weight[0].forward = lambda w: w * 3
        if n == 7:
            P.remove_parametrizations(net[0], "weight")
        yield f(batch(t)[0]), [p.grad for p in net.parameters()]


@story
def weight_norm_and_spectral_norm(t, compiled):
    net = mlp(t)
    u = t.nn.utils

    @compiled
    def f(x):
        loss = net(x).square().sum()
        loss.backward()
        return loss.detach()

    for n in range(9):
        if n == 3:
            u.weight_norm(net[0])
        if n == 6:
            u.remove_weight_norm(net[0])
        yield f(batch(t)[0]), [p.grad for p in net.parameters()]


@story
def pruning_in_training(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    pr = importlib.import_module(t.__name__ + ".nn.utils.prune")
    for n in range(9):
        if n == 3:
            pr.l1_unstructured(net[0], "weight", amount=0.5)
        if n == 5:
            net[0].weight_mask.fill_(1.0)
        if n == 7:
            pr.remove(net[0], "weight")
        yield step(*batch(t)), everything(net, opt)


@story
def swapped_and_resized_tensors(t, compiled):
    a, b = t.ones(2), t.full((2,), 3.0)

    @compiled
    def f(x):
        return x * a + b

    for n in range(9):
        if n == 3:
            t.utils.swap_tensors(a, b)
        if n == 5:
            a.set_(t.full((2,), 9.0))
        if n == 6:
            a.data = t.full((1,), 4.0)
        if n == 7:
            b.resize_(1)
            b.fill_(2.0)
        yield f(t.ones(2))


@story
def property_of_a_class_comes_later(t, compiled):
    class C:
        k = 2.0

        def __init__(s):
            s.j = 3.0

    c = C()

    @compiled
    def f(x):
        return x * c.k * c.j

    for n in range(9):
        if n == 3:
            C.j = property(lambda s: 7.0)
        if n == 5:
            del C.j
        if n == 6:
            c.k = 5.0
        if n == 7:
            C.__getattribute__ = lambda s, name: 11.0
        yield f(t.ones(2))


@story
def globals_and_builtins_shadowed(t, compiled):
    space = {"t": t, "k": 2.0}
    exec("def g(x):\n    return x * k + sum([1.0, 2.0]) + max(1, 2)\n", space)
    g = space["g"]

    @compiled
    def f(x):
        return g(x)

    for n in range(8):
        if n == 3:
            space["max"] = lambda *a: 100
        if n == 5:
            space["k"] = -1.0
        if n == 6:
            del space["max"]
        yield f(t.ones(2))


def helper(x, k=2.0, *, j=1.0):
    return x * k + j


@story
def defaults_code_and_closure_of_a_helper(t, compiled):
    @compiled
    def f(x):
        return helper(x)

    old = helper.__defaults__, helper.__kwdefaults__, helper.__code__
    try:
        for n in range(9):
            if n == 3:
                helper.__defaults__ = (5.0,)
            if n == 4:
                helper.__kwdefaults__["j"] = 7.0
            if n == 6:
                helper.__code__ = (lambda x, k=0, *, j=0: x - k - j).__code__
            yield f(t.ones(2))
    finally:
        helper.__defaults__, helper.__kwdefaults__, helper.__code__ = old[0], {"j": 1.0}, old[2]


@story
def ranges_slices_and_sizes_as_arguments(t, compiled):
    x = t.arange(10.0)

    @compiled
    def f(x, r):
        return x * r.stop if isinstance(r, range) else x[r]

    for r in (
        range(0, 3, 2),
        range(0, 3, 2),
        range(0, 3, 2),
        range(0, 4, 2),
        slice(0, 3),
        slice(0, 3),
        slice(0, 3),
        slice(0, 3, 2),
        slice(None, -1),
        slice(0, 3),
    ):
        yield f(x, r)


@story
def tuples_that_are_equal(t, compiled):
    @compiled
    def f(x, c):
        return x * c[0], c[0] / c[1] if c[1] else 1 / t.tensor(c[1] * 1.0), type(c[0]).__name__

    for c in (
        (1, 2),
        (1, 2),
        (1, 2),
        (1.0, 2),
        (True, 2),
        (1, 2),
        (1, 0.0),
        (1, 0.0),
        (1, 0.0),
        (1, -0.0),
        (1, 0),
    ):
        yield f(t.ones(2), c)


@story
def argument_order_and_spelling(t, compiled):
    @compiled
    def f(a, b=2.0, *c, d=1.0, **e):
        return a * b + d + sum(c) + sum(v * n for n, v in enumerate(e.values()))

    x = t.ones(2)
    for _ in range(3):
        yield (
            f(x),
            f(x, 3.0),
            f(x, b=3.0),
            f(b=3.0, a=x),
            f(x, 1.0, 2.0, 3.0),
            f(x, d=5.0),
            f(x, u=1.0, v=2.0),
            f(x, v=1.0, u=2.0),
            f(a=x, z=x),
        )
