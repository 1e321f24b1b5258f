"""Attributes, classes and modules that change between calls in uncommon ways."""

import copy
import types
import typing

from tests.stories.storykit import (
    attempt_type,
    batch,
    everything,
    fill,
    linear,
    mlp_with_momentum,
    mse,
    story,
    train_step,
)


class Typed(typing.NamedTuple):
    x: object
    scale: float = 1.0

    def scaled(self):
        return self.x * self.scale


@story
def try_finally_restores_mode(t, compiled):
    net = fill(
        t,
        t.nn.Sequential(
            t.nn.Linear(3, 4), t.nn.Dropout(0.0), t.nn.BatchNorm1d(4), t.nn.Linear(4, 2)
        ),
    )

    @compiled
    def evaluate(x):
        was = net.training
        net.eval()
        try:
            with t.no_grad():
                return net(x).sum()
        finally:
            net.train(was)

    for n in range(9):
        if n == 5:
            net.eval()
        if n == 7:
            net[1].train()
        yield evaluate(batch(t, n % 2)[0]), net.training, net[1].training, dict(net.state_dict())


@story
def attribute_deleted_and_set_again(t, compiled):
    class M(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.l = t.nn.Linear(3, 2)
            self.last = t.zeros(1)
            self.k = 2.0

        def forward(self, x):
            self.last = self.l(x).detach() * self.k
            return self.last.sum()

    m = fill(t, M())
    f = compiled(lambda x: m(x))
    for n in range(16):
        if n == 4:
            del m.last
        if n == 6:
            m.last = None
        if n == 8:
            del m.last
            m.register_buffer("last", t.ones(1))
        if n == 10:
            m._buffers.pop("last")
            m.last = t.ones(1)
        if n == 12:
            del m.k
        if n == 13:
            m.k = 3.0
        yield attempt_type(f, batch(t, n % 2)[0]), getattr(m, "last", "none"), list(m._buffers)


@story
def slot_replaced_by_property(t, compiled):
    class Box:
        def __init__(self):
            self.__dict__["h"] = t.zeros(2)

    box = Box()
    seen = []

    @compiled
    def f(x):
        box.h = box.h * 0.5 + x
        return box.h.sum()

    for n in range(16):
        if n == 5:

            def get(self):
                return self.__dict__["h"] * 2

            def put(self, v):
                seen.append(1)
                self.__dict__["h"] = v

            Box.h = property(get, put)
        if n == 9:
            del Box.h
        if n == 12:

            def sa(self, name, v):
                seen.append(name)
                object.__setattr__(self, name, v + 1)

            Box.__setattr__ = sa
        yield f(t.ones(2)), box.__dict__["h"], list(seen)


@story
def slot_class_swapped(t, compiled):
    class A:
        k = 1.0

    class B:
        k = 5.0

        @property
        def h(self):
            return self.__dict__["h"] + 100

        @h.setter
        def h(self, v):
            self.__dict__["h"] = v * 3

    o = A()
    o.h = t.zeros(2)

    @compiled
    def f(x):
        o.h = o.h + x * o.k
        return o.h.sum()

    for n in range(14):
        if n == 5:
            o.__class__ = B
        if n == 9:
            o.__class__ = A
        if n == 11:
            o.__dict__ = {"h": t.ones(2)}
        yield f(t.ones(2)), o.__dict__["h"]


@story
def module_class_swapped(t, compiled):
    class A(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.l = t.nn.Linear(3, 2)

        def forward(self, x):
            return self.l(x)

    class B(A):
        def forward(self, x):
            return super().forward(x) * 2

    m = fill(t, A())
    opt = t.optim.SGD(m.parameters(), lr=0.1)
    step = train_step(t, compiled, m, opt)
    for n in range(14):
        if n == 5:
            m.__class__ = B
        if n == 8:
            A.forward = lambda self, x: self.l(x) + 1
        if n == 11:
            m.__class__ = A
        yield step(*batch(t)), everything(m)


@story
def named_tuple_replaced(t, compiled):
    net = linear(t)

    @compiled
    def f(b):
        b2 = b._replace(scale=b.scale * 2)
        return net(b2.scaled()).sum(), b2

    b = Typed(batch(t)[0], 1.0)
    for n in range(10):
        if n == 4:
            b = b._replace(scale=3.0)
        if n == 6:
            b = Typed(batch(t, 3)[0])
        if n == 8:
            Typed.scaled = lambda self: self.x * self.scale + 1
        r, b2 = f(b)
        yield r, b2.scale, type(b2).__name__, b2.x is b.x
    Typed.scaled = lambda self: self.x * self.scale


@story
def monkeypatched_in_all_places(t, compiled):
    mod = types.ModuleType("mod_x")
    exec("def scale(x): return x * 2", vars(mod))

    class Helper:
        def go(self, x):
            return x + 1

    h = Helper()
    net = linear(t)

    @compiled
    def f(x):
        return mod.scale(h.go(net(x))).sum()

    for n in range(20):
        if n == 4:
            mod.scale = lambda x: x * 3
        if n == 7:
            Helper.go = lambda self, x: x + 2
        if n == 10:
            h.go = lambda x: x + 3
        if n == 13:
            del h.go
        if n == 15:
            net.forward = lambda x: x[:, :2] * 9
        if n == 17:
            del net.forward
        if n == 18:
            t_linear = t.nn.Linear.forward
            t.nn.Linear.forward = lambda self, x: x[:, :2] * 11
        if n == 19:
            t.nn.Linear.forward = t_linear
        yield f(batch(t)[0])


@story
def deepcopy_of_model_in_middle(t, compiled):
    net, opt = mlp_with_momentum(t)
    holder = {"net": net, "opt": opt}

    @compiled
    def step(x, y):
        holder["opt"].zero_grad()
        loss = t.nn.functional.mse_loss(holder["net"](x), y)
        loss.backward()
        holder["opt"].step()
        return loss

    for n in range(14):
        if n == 5:
            new, newopt = copy.deepcopy((holder["net"], holder["opt"]))
            holder["net"], holder["opt"] = new, newopt
        if n == 9:
            holder["net"] = net
            holder["opt"] = opt
        if n == 11:
            holder["net"] = copy.deepcopy(net)  # the optimizer is the old one's
        yield step(*batch(t, n % 2)), everything(net, opt), everything(holder["net"])


@story
def two_compiled_share_a_model(t, compiled):
    net, opt = mlp_with_momentum(t)
    net.last = t.zeros(1)

    @compiled
    def train(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        net.last = loss.detach()
        return loss

    @compiled
    def evaluate(x):
        with t.no_grad():
            return net(x).sum() + net.last

    for n in range(12):
        x, y = batch(t, n % 2)
        a = train(x, y)
        if n == 6:
            net[0].weight.data = net[0].weight.data * 2
        if n == 8:
            net.last = t.ones(1)
        yield a, evaluate(x), net.last, everything(net, opt)


@story
def compile_inside_compile(t, compiled):
    net, opt = mlp_with_momentum(t)
    k = {"v": 1.0}

    @compiled
    def inner(x):
        return net(x) * k["v"]

    @compiled
    def middle(x):
        f = compiled(lambda z: inner(z) + k["v"])
        return f(x)

    @compiled
    def outer(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(middle(x), y)
        loss.backward()
        opt.step()
        return loss

    for n in range(12):
        if n == 5:
            k["v"] = 2.0
        x, y = batch(t, n % 2)
        yield outer(x, y), inner(x).sum().detach(), everything(net, opt)


@story
def recursion_in_step(t, compiled):
    net = linear(t)
    cfg = types.SimpleNamespace(depth=3)

    def rec(x, d):
        return x if d == 0 else rec(x * 0.5 + 1, d - 1)

    @compiled
    def f(x, d):
        return rec(net(x), d if d else cfg.depth).sum()

    for n in range(14):
        if n == 6:
            cfg.depth = 5
        yield f(batch(t)[0], n % 3)


@story
def scaler_two_losses_one_skips(t, compiled):
    a, oa = mlp_with_momentum(t)
    b = linear(t)
    ob = t.optim.Adam(b.parameters(), lr=0.01)
    amp = t.amp.GradScaler("cpu", init_scale=8.0, growth_interval=3)

    @compiled
    def step(x, y):
        oa.zero_grad()
        ob.zero_grad()
        term = mse(t, a(x), y)
        m = mse(t, b(x), y) * (1 + 0 * x.sum())
        amp.scale(term + m).backward()
        amp.step(oa)
        amp.step(ob)
        amp.update()
        return term.detach(), m.detach()

    for n in range(12):
        x, y = batch(t, n % 2)
        if n == 6:
            y = y * float("inf")
        if n == 8:
            b.weight.requires_grad_(False)
            b.weight.grad = None
        yield step(x, y), amp.get_scale(), everything(a, oa), everything(b, ob)
