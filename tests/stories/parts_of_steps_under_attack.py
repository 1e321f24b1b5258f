"""Steps of which a part is replayed: what the other part does, changes and holds."""

import contextlib
import copy
import itertools
import math
import random

from tests.stories.storykit import (
    attempt,
    batch,
    changed_and_back,
    everything,
    fill,
    mlp,
    mlp_with_momentum,
    numbers,
    story,
    train_step,
)


@story
def meters_then_change_of_the_beginning(t, compiled):
    net, opt = mlp_with_momentum(t)
    log = []
    cfg = {"w": 1.0}

    @compiled
    def step(x, y):
        opt.zero_grad()
        out = net(x)
        loss = t.nn.functional.mse_loss(out, y) * cfg["w"]
        loss.backward()
        opt.step()
        log.append(loss.item())
        if len(log) % 4 == 0:
            cfg["w"] = cfg["w"] + 0.5
        return loss, out.detach()

    for n in range(14):
        if n == 9:
            net[0].weight.requires_grad_(False)
        if n == 11:
            net[0].weight.requires_grad_(True)
        yield step(*batch(t)), everything(net, opt), list(log)


@story
def rest_reads_what_the_beginning_made(t, compiled):
    net, opt = mlp_with_momentum(t)
    seen = {}

    @compiled
    def step(x, y):
        h = net[0](x)
        z = t.tanh(h)
        out = net[2](z)
        loss = t.nn.functional.mse_loss(out, y)
        seen["n"] = seen.get("n", 0) + 1
        seen["h"] = h
        g = t.autograd.grad(loss, [h, net[0].weight])
        seen["g"] = g[0]
        return loss.detach(), g[1]

    for _ in range(9):
        r = step(*batch(t))
        yield (
            r,
            seen["n"],
            seen["h"].detach(),
            seen["g"],
            seen["h"].requires_grad,
            type(seen["h"].grad_fn).__name__,
        )


@story
def rest_raises_now_and_then(t, compiled):
    net, opt = mlp_with_momentum(t)
    n_ = [0]

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        n_[0] += 1
        if n_[0] in (6, 9):
            raise ValueError(f"at {n_[0]}")
        opt.step()
        return loss

    for _ in range(12):
        yield attempt(step, *batch(t)), everything(net, opt)


@story
def prologue_changes_what_follows(t, compiled):
    net, opt = mlp_with_momentum(t)
    k = {"n": 0}

    @compiled
    def step(x, y):
        k["n"] += 1
        opt.param_groups[0]["lr"] = 0.1 / k["n"]
        if k["n"] == 6:
            net[1] = t.nn.ReLU()
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        return loss

    for _ in range(11):
        yield step(*batch(t)), everything(net, opt)


@story
def prologue_picks_a_net(t, compiled):
    nets = [mlp(t), fill(t, t.nn.Sequential(t.nn.Linear(3, 2)))]
    it = itertools.cycle(nets)

    @compiled
    def step(x):
        net = next(it)
        y = net(x)
        y = y * 2 + net(x).sum()
        return y.detach()

    for n in range(10):
        if n == 6:
            nets[0][0].weight.data.zero_()
        yield step(batch(t)[0])


@story
def prologue_makes_lists_and_views(t, compiled):
    rs = random.Random(3)
    w = numbers(t, 4, 3)

    @compiled
    def step(x):
        i = rs.randrange(4)
        row = w[i]
        lst = [row, x]
        a = lst[0] * lst[1]
        b = a.sum() + w.sum()
        row.add_(1)
        return a, b

    for _ in range(10):
        yield step(t.ones(3)), w


@story
def variables_of_one_name(t, compiled):
    c = [0]

    @compiled
    def step(x):
        a = x * 2
        b = [a + k for k in range(3)]
        a = sum(b)
        c[0] += 1
        k = a * c[0]
        b = [k for _ in b]
        return a, k, b

    for _ in range(8):
        yield step(t.ones(2))


@story
def args_reassigned_before_the_split(t, compiled):
    c = []

    @compiled
    def step(x, y=None, *, z=1.0):
        x = x * z
        if y is None:
            y = x
        y = y + x
        c.append(len(c))
        return x, y, z

    for _ in range(8):
        yield step(t.ones(2)), step(t.ones(2), t.zeros(2), z=3.0), step(t.ones(2), z=2.0)


@story
def nested_compiled_with_own_state(t, compiled):
    net, opt = mlp_with_momentum(t)
    k = {"s": 1.0}

    @compiled
    def inner(x):
        return net(x) * k["s"]

    @compiled
    def outer(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(inner(x), y)
        loss.backward()
        opt.step()
        return loss, inner(x).detach()

    def bk():
        k["s"] = 1.0

    yield from changed_and_back(
        lambda: (outer(*batch(t)), inner(batch(t)[0]).detach(), everything(net, opt)),
        lambda: k.update(s=2.0),
        bk,
    )


@story
def compiled_method_and_its_subclass(t, compiled):
    class A:
        k = 2.0

        @compiled
        def step(self, x):
            return self.scale(x) * self.k

        def scale(self, x):
            return x + 1

    class B(A):
        k = 3.0

        def scale(self, x):
            return x - 1

    a, b = A(), B()
    for n in range(11):
        if n == 5:
            B.k = 4.0
            A.scale = lambda s, x: x
        if n == 8:
            b.k = 7.0
            del B.scale
        yield a.step(t.ones(2)), b.step(t.ones(2))


@story
def compiled_property_and_static(t, compiled):
    class A:
        def __init__(s):
            s.w = t.ones(2)

        @property
        @compiled
        def p(s):
            return s.w * 2

        @staticmethod
        @compiled
        def q(x):
            return x * 3

        @classmethod
        @compiled
        def r(cls, x):
            return x * 4

    a = A()
    for n in range(8):
        if n == 5:
            a.w = t.ones(2) * 5
        yield a.p, A.q(t.ones(2)), a.r(t.ones(2))


@story
def held_graph_across_calls(t, compiled):
    w = t.ones(2, requires_grad=True)
    keep = []

    @compiled
    def f(x):
        y = (x * w).sum()
        keep.append(y)
        if len(keep) == 3:
            sum(keep).backward()
            keep.clear()
        return y.detach()

    for n in range(10):
        if n == 7:
            w.grad = None
        yield f(t.ones(2) * n), w.grad, len(keep)


@story
def accumulate_then_step_by_counter(t, compiled):
    net, opt = mlp_with_momentum(t)
    k = {"n": 0}

    @compiled
    def step(x, y):
        loss = t.nn.functional.mse_loss(net(x), y) / 3
        loss.backward()
        k["n"] += 1
        if k["n"] % 3 == 0:
            opt.step()
            opt.zero_grad(set_to_none=k["n"] % 2 == 0)
        return loss

    for n in range(13):
        yield step(*batch(t, seed=n)), everything(net, opt)


@story
def exception_leaves_a_fused_block(t, compiled):
    net, opt = mlp_with_momentum(t)
    fused = getattr(t, "fused", contextlib.nullcontext)
    w = t.zeros(2)
    for n in range(6):
        try:
            with fused():
                w.add_(1)
                net[0].bias.data.mul_(1.5)
                if n % 2:
                    raise ValueError
                w.mul_(2)
        except ValueError:
            pass
        yield w, everything(net, opt)


@story(tolerance=(1e-3, 1e-3))
def early_stop_and_restore_best(t, compiled):
    net, opt = mlp_with_momentum(t)
    best = {"loss": math.inf, "sd": None}

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        if loss < best["loss"]:
            best["loss"] = loss.item()
            best["sd"] = copy.deepcopy(net.state_dict())
        return loss

    for n in range(10):
        if n == 5:
            opt.param_groups[0]["lr"] = 5.0
        if n == 7:
            net.load_state_dict(best["sd"])
            opt.param_groups[0]["lr"] = 0.01
        yield step(*batch(t)), everything(net, opt), best["loss"]


@story
def subclass_of_optimizer_overrides_step(t, compiled):
    class Mine(t.optim.SGD):
        def step(self, closure=None):
            for g in self.param_groups:
                for p in g["params"]:
                    if p.grad is not None:
                        p.grad.mul_(0.5)
            return super().step(closure)

    net = mlp(t)
    opt = Mine(net.parameters(), lr=0.1, momentum=0.9)
    step = train_step(t, compiled, net, opt)

    def ch():
        Mine.step = t.optim.SGD.step

    def bk():
        opt.__class__ = t.optim.SGD

    yield from changed_and_back(lambda: (step(*batch(t)), everything(net, opt)), ch, bk)


@story
def optimizer_state_tensors_replaced(t, compiled):
    net = mlp(t)
    opt = t.optim.Adam(net.parameters(), lr=0.01)
    step = train_step(t, compiled, net, opt)
    p = net[0].weight

    def ch():
        opt.state[p]["exp_avg"] = t.ones_like(p)
        opt.state[p]["step"] = t.tensor(100.0)

    def bk():
        opt.state[p]["exp_avg"].mul_(3)
        opt.state[p]["exp_avg_sq"].data = t.ones_like(p)

    yield from changed_and_back(lambda: (step(*batch(t)), everything(net, opt)), ch, bk)


@story
def optimizer_state_shared_between_two(t, compiled):
    net = mlp(t)
    a = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    b = t.optim.SGD(net.parameters(), lr=0.2, momentum=0.5)
    step = train_step(t, compiled, net, a)
    for n in range(12):
        if n == 4:
            b.state = a.state
        if n == 6:
            b.param_groups[0]["lr"] = 0.01
        if n > 4:
            b.step()
        if n == 9:
            a.state[net[0].weight]["momentum_buffer"] = a.state[net[2].weight][
                "momentum_buffer"
            ].new_zeros(4, 3)
        yield step(*batch(t)), everything(net, a, b)
