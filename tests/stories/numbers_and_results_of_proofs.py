"""What proven steps compute with and return, and what changes it."""

import collections
import dataclasses
import enum
import gc
import math
import operator
import types

from tests.stories.storykit import (
    batch,
    everything,
    fill,
    linear,
    mlp,
    story,
    train_step,
)


@story
def module_attributes_of_all_kinds(t, compiled):
    class M(t.nn.Module):
        scale = 1.0

        def __init__(s):
            super().__init__()
            s.lin = t.nn.Linear(3, 2)
            s.register_buffer("b", t.ones(2))
            s.p = t.nn.Parameter(t.ones(2))
            s.k = 2.0
            s.act = t.relu
            s.lst = [1.0, 2.0]
            s.tup = (1.0,)
            s.d = {"a": 1.0}

        def forward(s, x):
            return s.act(s.lin(x) * s.k) * s.b * s.p * s.scale + s.lst[0] + s.tup[0] + s.d["a"]

    m = fill(t, M())

    @compiled
    def f(x):
        with t.no_grad():
            return m(x)

    acts = [
        None,
        None,
        None,
        lambda: setattr(m, "k", 3.0),
        lambda: setattr(m, "act", t.tanh),
        lambda: m.lst.insert(0, 4.0),
        lambda: setattr(m, "tup", (2.0,)),
        lambda: m.d.update(a=3.0),
        lambda: setattr(m, "b", t.full((2,), 2.0)),
        lambda: setattr(m, "p", t.nn.Parameter(t.full((2,), 3.0))),
        lambda: setattr(M, "scale", 2.0),
        lambda: setattr(m, "scale", 5.0),
        lambda: (delattr(m, "b"), setattr(m, "b", 3.0)),
        lambda: (
            setattr(m, "lin", t.nn.Identity())
            if False
            else setattr(m, "lin", fill(t, t.nn.Linear(3, 2, bias=False)))
        ),
        lambda: m._buffers.update(zz=t.ones(1)),
        lambda: setattr(m, "act", lambda v: v * 0),
    ]
    for a in acts:
        if a:
            a()
        yield f(batch(t)[0])
        yield f(batch(t)[0])


@story
def module_in_a_list_and_lambda_forward(t, compiled):
    layers = [fill(t, t.nn.Linear(3, 3)) for _ in range(2)]

    @compiled
    def f(x):
        with t.no_grad():
            for loss in layers:
                x = t.tanh(loss(x))
            return x

    for n in range(9):
        if n == 3:
            layers.append(fill(t, t.nn.Linear(3, 2)))
        if n == 5:
            layers[0], layers[1] = layers[1], layers[0]
        if n == 6:
            layers[2] = t.nn.Identity()
        if n == 7:
            layers[0].forward = lambda x: x
        yield f(batch(t)[0])


@story
def sum_of_losses_with_weights_from_a_dict(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    w = {"a": 1.0, "b": 0.5}

    @compiled
    def step(x, y):
        opt.zero_grad()
        o = net(x)
        losses = {"a": t.nn.functional.mse_loss(o, y), "b": o.abs().mean()}
        loss = sum(w[k] * v for k, v in losses.items())
        loss.backward()
        opt.step()
        return loss.detach()

    for n in range(9):
        if n == 3:
            w["b"] = 0
        if n == 4:
            w["b"] = 0.0
        if n == 5:
            w["a"] = t.tensor(2.0)
        if n == 6:
            w["a"].fill_(3.0)
        if n == 7:
            w["a"] = True
        yield step(*batch(t)), everything(net, opt)


@story
def number_read_at_the_end_in_several_ways(t, compiled):
    net = linear(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        return loss.item(), float(loss), int(loss * 1000), {"loss": loss.item()}

    for n in range(7):
        if n == 4:
            opt.param_groups[0]["lr"] = 1.0
        yield step(*batch(t))


@story
def item_of_a_parameter_and_a_constant(t, compiled):
    w = t.ones(1)
    k = t.tensor(3.0)

    @compiled
    def f(x):
        w.add_(x)
        return w.item(), k.item(), (w * 2).item()

    for n in range(7):
        if n == 3:
            k.fill_(4.0)
        if n == 5:
            w.zero_()
        yield f(t.tensor(0.5))


@story
def accuracy_counted_with_numbers(t, compiled):
    net = linear(t)
    total = {"right": 0, "seen": 0}

    @compiled
    def ev(x, y):
        with t.no_grad():
            p = net(x).argmax(1)
        total["right"] += (p == y).sum().item()
        total["seen"] += len(y)
        return total["right"] / total["seen"]

    for n in range(7):
        if n == 4:
            net.weight.data.neg_()
        yield ev(batch(t, n)[0], t.tensor([0, 1, 0, 1])), dict(total)


@story
def returns_state_views_and_arguments(t, compiled):
    net = linear(t)
    buf = t.zeros(3)

    @compiled
    def f(x):
        buf.add_(x.sum())
        return x, buf, buf[1:], net.weight, net.weight.data, [x, x], buf.detach()

    for n in range(6):
        x = t.ones(2)
        r = f(x)
        r[2].add_(10)
        if n == 3:
            r[4].zero_()
        yield r, r[0] is x, r[1] is buf, r[3] is net.weight, buf


@story
def two_worlds_of_one_function(t, compiled):
    class W:
        def __init__(s, k):
            s.net, s.k = fill(t, t.nn.Linear(3, 2)), k
            s.net.weight.data.mul_(k)

        def f(s, x):
            with t.no_grad():
                return s.net(x) * s.k

    ws = [W(1.0), W(2.0), W(3.0)]

    @compiled
    def f(w, x):
        return w.f(x)

    for n in range(10):
        if n == 5:
            ws[1].k = 10.0
        if n == 7:
            ws[0] = W(4.0)
            gc.collect()
        yield [f(w, batch(t)[0]) for w in ws]


@story
def enum_and_flags_in_decisions(t, compiled):
    class Mode(enum.Enum):
        A = 1
        B = 2

    class Fl(enum.Flag):
        X = 1
        Y = 2

    cfg = types.SimpleNamespace(mode=Mode.A, fl=Fl.X)

    @compiled
    def f(x):
        if cfg.mode is Mode.A:
            x = x * 2
        if cfg.mode == Mode.B:
            x = x * 3
        if cfg.fl & Fl.Y:
            x = x + 1
        return x * cfg.mode.value

    for n in range(8):
        if n == 3:
            cfg.mode = Mode.B
        if n == 5:
            cfg.fl |= Fl.Y
        yield f(t.ones(2))


@story
def frozen_dataclass_and_namedtuple_config(t, compiled):
    @dataclasses.dataclass(frozen=True)
    class C:
        k: float = 2.0
        sub: tuple = (1.0, 2.0)

    N = collections.namedtuple("N", "a b")
    cfg, nt = [C()], [N(1.0, 2.0)]

    @compiled
    def f(x):
        return x * cfg[0].k + cfg[0].sub[1] + nt[0].a * nt[0].b + sum(nt[0])

    for n in range(9):
        if n == 3:
            cfg[0] = dataclasses.replace(cfg[0], k=5.0)
        if n == 5:
            object.__setattr__(cfg[0], "k", 7.0)
        if n == 6:
            nt[0] = nt[0]._replace(a=9.0)
        if n == 7:
            N.a = property(lambda s: 100.0)
        yield f(t.ones(2))


@story
def named_tuple_arguments(t, compiled):
    Batch = collections.namedtuple("Batch", "x y")
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(b):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(b.x), b.y)
        loss.backward()
        opt.step()
        return loss.detach(), b._replace(y=loss.detach())

    for n in range(8):
        b = Batch(*batch(t, n)) if n != 5 else Batch(*batch(t, n)[::1])
        if n == 6:
            opt.param_groups[0]["lr"] = 0.0
        r = step(b)
        yield r[0], r[1].x is b.x, everything(net)


@story
def order_of_state_writes_and_aliased_buffers(t, compiled):
    a = t.zeros(3)
    b = a
    c = a[:2]
    d = a.detach()

    @compiled
    def f(x):
        a.add_(x)
        b.mul_(2)
        c.sub_(1)
        d[0] = 9
        return a.sum(), d.sum()

    for n in range(7):
        if n == 3:
            b = t.ones(3)
        if n == 5:
            d = t.zeros(3)
        yield f(t.ones(3)), a, b, c, d


@story
def math_and_operator_functions(t, compiled):
    cfg = {"a": 4.0}

    @compiled
    def f(x):
        return x * math.sqrt(cfg["a"]) + math.pi + operator.mul(2, 3)

    for n in range(7):
        if n == 3:
            cfg["a"] = 9.0
        if n == 5:
            old = math.sqrt
            math.sqrt = lambda v: v
        try:
            yield f(t.ones(2))
        finally:
            if n == 6:
                math.sqrt = old


@story
def module_global_hook_kinds(t, compiled):
    m = t.nn.modules.module
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    seen = []
    kinds = [
        m.register_module_forward_pre_hook,
        m.register_module_forward_hook,
        m.register_module_full_backward_hook,
        m.register_module_full_backward_pre_hook,
    ]
    for k in kinds:
        for _ in range(3):
            yield step(*batch(t)), everything(net, opt), len(seen)
        h = k(lambda *a: seen.append(1))
        for _ in range(2):
            yield step(*batch(t)), everything(net, opt), len(seen)
        h.remove()
        yield step(*batch(t)), everything(net, opt), len(seen)
