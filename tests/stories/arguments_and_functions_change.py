"""Arguments, functions and layers of every kind, changed between the calls of one step."""

import functools
import itertools
import threading

from tests.stories.storykit import (
    batch,
    everything,
    fill,
    in_threads,
    linear,
    mlp,
    numbers,
    story,
    train_step,
)


@story
def checkpoint_turned_on_for_a_block(t, compiled):
    class B(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.a, s.b, s.use = t.nn.Linear(3, 4), t.nn.Linear(4, 2), False

        def forward(s, x):
            h = t.utils.checkpoint.checkpoint(s.a, x, use_reentrant=False) if s.use else s.a(x)
            return s.b(t.tanh(h))

    net = fill(t, B())
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    for n in range(8):
        if n in (3, 6):
            net.use = not net.use
        if n == 5:
            net.a.weight.requires_grad_(False)
        yield step(*batch(t)), everything(net, opt)


@story
def functional_call_with_changing_weights(t, compiled):
    net = mlp(t)
    w = {k: v.detach().clone() for k, v in net.named_parameters()}

    @compiled
    def f(x):
        return t.func.functional_call(net, w, (x,)).sum().detach()

    for n in range(7):
        if n == 2:
            w["0.weight"] = w["0.weight"] * 2
        if n == 4:
            w["2.bias"].add_(1)
        if n == 5:
            del w["2.bias"]
        yield f(batch(t)[0]), list(w)


@story
def per_sample_gradients_inside(t, compiled):
    net = linear(t)
    k = {"s": 1.0}
    params = {n: p.detach() for n, p in net.named_parameters()}

    def loss(p, x, y):
        return (t.func.functional_call(net, p, (x[None],))[0] - y).square().sum() * k["s"]

    @compiled
    def f(x, y):
        return t.func.vmap(t.func.grad(loss), in_dims=(None, 0, 0))(params, x, y)["weight"]

    for n in range(6):
        if n == 2:
            k["s"] = 2.0
        if n == 4:
            net.weight.data.mul_(2)
        if n == 5:
            params["bias"] = params["bias"] + 1
        yield f(*batch(t))


@story
def own_function_with_state_on_the_class(t, compiled):
    class F(t.autograd.Function):
        k, calls = 2.0, 0

        @staticmethod
        def forward(ctx, x):
            F.calls += 1
            ctx.save_for_backward(x)
            ctx.k = F.k
            return x * F.k

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * ctx.k * x

    net = linear(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x):
        opt.zero_grad()
        loss = F.apply(net(x)).sum()
        loss.backward()
        opt.step()
        return loss.detach()

    for n in range(8):
        if n == 3:
            F.k = 3.0
        if n == 5:
            F.backward = staticmethod(lambda ctx, g: g)
        yield step(batch(t)[0]), F.calls, everything(net)


@story
def two_steps_share_an_optimizer(t, compiled):
    a, b = mlp(t), linear(t)
    opt = t.optim.Adam([*a.parameters(), *b.parameters()], lr=0.05)
    s1, s2 = train_step(t, compiled, a, opt), train_step(t, compiled, b, opt)
    for n in range(10):
        if n == 6:
            opt.param_groups[0]["betas"] = (0.5, 0.9)
        yield (s1 if n % 3 else s2)(*batch(t, n % 2)), everything(a, opt), everything(b, opt)


@story
def threads_call_the_same_step(t, compiled):
    net = linear(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    lock = threading.Lock()

    def go(n):
        with lock:
            return float(step(*batch(t)))

    for n in range(6):
        r = in_threads(*[functools.partial(go, i) for i in range(2)])
        if n == 3:
            opt.param_groups[0]["lr"] = 0.01
        yield sorted(r), everything(net, opt)


@story
def in_place_on_views_of_parameters(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    row = net[0].weight.detach()[1]
    col = net[0].weight.data[:, 0]
    step = train_step(t, compiled, net, opt)
    for n in range(9):
        if n == 3:
            row.zero_()
        if n == 5:
            col += 1
        if n == 6:
            with t.no_grad():
                net[0].weight[0, :2] = 7.0
        yield step(*batch(t)), row, col, everything(net, opt)


@story
def arguments_that_overlap_or_are_not_contiguous(t, compiled):
    base = numbers(t, 6, 4)
    net = fill(t, t.nn.Linear(4, 2))

    @compiled
    def f(a, b):
        c = a * 2 + b
        return net(c).sum().detach(), a.stride()

    cases = [
        (base[:4], base[2:]),
        (base[:4], base[:4]),
        (base[:4].clone(), base[2:].clone()),
        (base.t()[:, :4].t(), base[2:]),
        (numbers(t, 4, 4).t(), numbers(t, 4, 4)),
        (numbers(t, 4, 4), numbers(t, 4, 4).t()),
        (numbers(t, 1, 4).expand(4, 4), base[2:]),
    ]
    for a, b in cases:
        yield f(a, b)
    for _ in range(3):
        yield f(numbers(t, 4, 4), numbers(t, 4, 4))
    for a, b in cases[::-1]:
        yield f(a, b)


@story
def zero_dimensional_and_empty_and_growing_batches(t, compiled):
    net = linear(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, w):
        opt.zero_grad()
        loss = net(x).square().sum() * w
        loss.backward()
        opt.step()
        return loss.detach()

    for size, w in [
        (4, 1.0),
        (4, 1.0),
        (0, 1.0),
        (0, 1.0),
        (1, 2.0),
        (4, 2.0),
        (5, 0.5),
        (4, 0.5),
        (0, 0.5),
        (4, 0.5),
    ]:
        yield step(numbers(t, size, 3), t.tensor(w)), everything(net)


@story
def integer_bool_and_complex_arguments(t, compiled):
    @compiled
    def f(x, m):
        return (x * m).sum(), x.dtype, (x + m).dtype

    xs = [
        t.arange(4),
        t.arange(4).bool(),
        t.arange(4) * 1j,
        t.arange(4).float(),
        t.arange(4, dtype=t.int32),
        t.arange(4, dtype=t.uint8),
    ]
    for _ in range(2):
        for a, b in itertools.product(xs, xs):
            yield f(a, b)


@story
def batch_norm_with_momentum_none(t, compiled):
    net = fill(
        t, t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4, momentum=None), t.nn.Linear(4, 2))
    )
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    for n in range(10):
        if n == 3:
            net[1].momentum = 0.1
        if n == 5:
            net[1].momentum = None
        if n == 6:
            net[1].reset_running_stats()
        if n == 7:
            net.eval()
        if n == 8:
            net.train()
            net[1].track_running_stats = False
        yield step(*batch(t, n)), everything(net, opt)


@story(draws=True)
def dropout_rate_changed_and_switched(t, compiled):
    net = fill(t, t.nn.Sequential(t.nn.Linear(3, 8), t.nn.Dropout(0.5), t.nn.Linear(8, 2)))
    opt = t.optim.SGD(net.parameters(), lr=0.01)
    step = train_step(t, compiled, net, opt)
    for n in range(9):
        if n == 3:
            net[1].p = 0.0
        if n == 4:
            net[1].p = 1.0
        if n == 5:
            net[1].p = 0.3
        if n == 6:
            net.eval()
        if n == 7:
            net.train()
            t.manual_seed(3)
        yield step(*batch(t)), everything(net, opt)


@story
def lr_as_a_tensor_replaced_and_filled(t, compiled):
    net = mlp(t)
    opt = t.optim.Adam(net.parameters(), lr=t.tensor(0.1), foreach=False)
    step = train_step(t, compiled, net, opt)
    for n in range(9):
        if n == 3:
            opt.param_groups[0]["lr"].fill_(0.01)
        if n == 5:
            opt.param_groups[0]["lr"] = t.tensor(0.2)
        if n == 7:
            opt.param_groups[0]["lr"] = 0.05
        yield step(*batch(t)), everything(net, opt)
