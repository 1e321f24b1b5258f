"""Objects of all kinds that a step reads, changed between the calls."""

import enum
import functools
import itertools
import math
import operator
import types
from unittest import mock

from tests.stories.storykit import (
    attempt,
    attempt_type,
    batch,
    everything,
    fill,
    linear,
    mlp,
    numbers,
    story,
)


@story
def property_and_descriptor(t, compiled):
    class Clamp:
        def __set_name__(self, o, n):
            self.n = "_" + n

        def __get__(self, o, k=None):
            return self if o is None else getattr(o, self.n) * 2

        def __set__(self, o, v):
            setattr(o, self.n, min(v, 5.0))

    class Cfg:
        rate = Clamp()

        def __init__(self):
            self.rate = 1.0
            self.base = 2.0

        @property
        def both(self):
            return self.rate * self.base

        @functools.cached_property
        def cached(self):
            return self.base + 1

    c = Cfg()
    f = compiled(lambda x: x * c.rate + c.both + c.cached)
    for i in range(8):
        if i == 2:
            c.rate = 3.0
        if i == 3:
            c.base = 1.0
        if i == 4:
            del c.__dict__["cached"]
        if i == 5:
            c._rate = 0.25
        if i == 6:
            Cfg.rate = 7.0
        yield f(numbers(t, 2, seed=i))


@story
def getattr_fallback(t, compiled):
    class Wrapper:
        def __init__(self, inner):
            self.inner = inner
            self.asked = []

        def __getattr__(self, n):
            if n in ("inner", "asked"):
                raise AttributeError(n)
            self.asked.append(n)
            return getattr(self.inner, n)

    cfg = types.SimpleNamespace(scale=1.0)
    w = Wrapper(cfg)
    f = compiled(lambda x: x * w.scale)
    for i in range(6):
        if i == 2:
            cfg.scale = 5.0
        if i == 4:
            w.scale = 2.0
        yield f(t.ones(2)), list(w.asked)


@story
def partial_edited(t, compiled):
    def loss(a, b, *, reduction="mean", weight=1.0):
        loss = (a - b).abs() * weight
        return loss.mean() if reduction == "mean" else loss.sum()

    crit = functools.partial(loss, weight=2.0)
    f = compiled(lambda a, b: crit(a, b))
    for i in range(7):
        if i == 2:
            crit = functools.partial(loss, reduction="sum")
        if i == 4:
            crit.keywords["weight"] = 5.0
        if i == 5:
            loss.__kwdefaults__["weight"] = 0.1
            crit.keywords.pop("weight", None)
        yield f(numbers(t, 3, seed=i), t.ones(3))


@story
def class_attribute_counter(t, compiled):
    class Net(t.nn.Module):
        calls = 0
        scale = 1.0

        def __init__(self):
            super().__init__()
            self.l = t.nn.Linear(3, 2)

        def forward(self, x):
            Net.calls += 1
            return self.l(x) * self.scale

    net = fill(t, Net())
    f = compiled(lambda x: net(x).detach())
    for i in range(7):
        if i == 2:
            Net.scale = 2.0
        if i == 4:
            net.scale = 3.0
        if i == 5:
            del net.scale
        yield f(numbers(t, 2, 3, seed=i)), Net.calls


@story
def exception_leaves_state(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    bad = set()

    @compiled
    def step(i, x, y):
        opt.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        if i in bad:
            raise RuntimeError(f"bad batch {i}")
        opt.step()
        return loss

    for i in range(7):
        if i == 3:
            bad.add(3)
        yield attempt(step, i, *batch(t, i)), everything(net, opt)


@story
def enum_flags(t, compiled):
    class Mode(enum.Enum):
        A = 1
        B = 2

    cfg = types.SimpleNamespace(mode=Mode.A)
    f = compiled(lambda x: x * 2 if cfg.mode is Mode.A else x + cfg.mode.value)
    for i in range(6):
        if i == 2:
            cfg.mode = Mode.B
        if i == 4:
            cfg.mode = Mode.A
        yield f(t.ones(2))


@story
def buffer_registered_later(t, compiled):
    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.l = t.nn.Linear(3, 2)

        def forward(self, x):
            y = self.l(x)
            return y * self.mask if hasattr(self, "mask") else y

    net = fill(t, Net())
    f = compiled(lambda x: net(x).detach())
    for i in range(8):
        if i == 2:
            net.register_buffer("mask", t.tensor([1.0, 0.0]))
        if i == 3:
            net.mask[1] = 3.0
        if i == 4:
            net.mask = t.ones(2)
        if i == 6:
            del net.mask
        yield f(numbers(t, 2, 3, seed=i))


@story
def none_modules_and_options(t, compiled):
    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.l = t.nn.Linear(3, 3)
            self.drop = None
            self.norm = t.nn.Identity()
            self.act = t.nn.functional.relu

        def forward(self, x):
            x = self.norm(self.l(x))
            x = self.act(x)
            return x if self.drop is None else self.drop(x)

    net = fill(t, Net())
    f = compiled(lambda x: net(x).detach())
    for i in range(9):
        if i == 2:
            net.drop = t.nn.Dropout(0.0)
        if i == 3:
            net.norm = t.nn.LayerNorm(3)
        if i == 4:
            net.act = t.tanh
        if i == 5:
            net.norm.eps = 1.0
        if i == 6:
            net.act = t.nn.GELU()
        if i == 7:
            net.drop = None
        yield f(numbers(t, 2, 3, seed=i))


@story
def dispatch_table_of_functions(t, compiled):
    acts = {"relu": t.relu, "tanh": t.tanh, "own": lambda x: x * 2}
    name = "relu"
    f = compiled(lambda x: acts[name](x) + 1)
    for i in range(8):
        if i == 2:
            name = "tanh"
        if i == 4:
            name = "own"
        if i == 5:
            acts["own"] = lambda x: x * 3
        if i == 6:
            acts.update(own=t.sigmoid)
        yield f(numbers(t, 3, seed=i))


@story
def super_and_inheritance(t, compiled):
    class Base(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.l = t.nn.Linear(3, 3)
            self.k = 1.0

        def forward(self, x):
            return self.l(x) * self.k

    class Child(Base):
        def forward(self, x):
            return super().forward(x) + x

    net = fill(t, Child())
    f = compiled(lambda x: net(x).detach())
    for i in range(7):
        if i == 2:
            net.k = 3.0
        if i == 4:
            Base.forward = lambda self, x: self.l(x)
        if i == 5:
            Child.forward = lambda self, x: x
        yield f(numbers(t, 2, 3, seed=i))


@story
def mocked_method(t, compiled):
    net = mlp(t)
    f = compiled(lambda x: net(x).detach())
    for i in range(7):
        x = numbers(t, 2, 3, seed=i)
        if i in (3, 4):
            with mock.patch.object(t.nn.Tanh, "forward", side_effect=lambda z: z * 0):
                y = f(x)
        else:
            y = f(x)
        yield y


@story
def split_rest_changes_what_the_beginning_reads(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    cfg = types.SimpleNamespace(lr=0.1, scale=1.0, n=0)

    @compiled
    def step(x, y):
        loss = ((net(x) - y) ** 2).mean() * cfg.scale
        opt.zero_grad()
        loss.backward()
        opt.step()
        cfg.n += 1
        if cfg.n % 2 == 0:
            cfg.scale *= 0.5
        opt.param_groups[0]["lr"] = 0.1 / cfg.n
        return loss

    for i in range(8):
        yield step(*batch(t, i)), vars(cfg).copy(), everything(net, opt)


@story
def split_rest_swaps_layers(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    acts = [t.nn.ReLU(), t.nn.Tanh(), t.nn.Sigmoid()]
    n = itertools.count()

    @compiled
    def step(x, y):
        loss = ((net(x) - y) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        net[1] = acts[next(n) // 2 % 3]
        return loss

    for i in range(9):
        yield step(*batch(t, i)), everything(net)


@story
def class_swapped(t, compiled):
    class A(t.nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2

    class B(t.nn.Linear):
        pass

    net = linear(t)
    f = compiled(lambda x: net(x).detach())
    for i in range(9):
        if i == 2:
            net.__class__ = A
        if i == 4:
            net.__class__ = B
        if i == 6:
            B.forward = lambda self, x: x
        if i == 8:
            del B.forward
        yield f(numbers(t, 2, 3, seed=i))


@story
def forward_replaced_on_instance(t, compiled):
    net = mlp(t)
    f = compiled(lambda x: net(x).detach())
    old = net[0].forward
    for i in range(8):
        if i == 2:
            net[0].forward = lambda x: old(x) * 2
        if i == 4:
            del net[0].forward
        if i == 5:
            net.forward = types.MethodType(lambda self, x: self[0](x), net)
        if i == 7:
            del net.forward
        yield f(numbers(t, 2, 3, seed=i))


@story
def mocked_global_function(t, compiled):
    f = compiled(lambda x: math.sqrt(4.0) * x + operator.add(1, 2))
    for i in range(6):
        if i in (2, 3):
            with mock.patch("math.sqrt", return_value=7.0):
                y = f(t.ones(2))
        else:
            y = f(t.ones(2))
        yield y


@story
def class_as_configuration(t, compiled):
    class Cfg:
        k = 1.0
        act = t.tanh
        sub = {"a": 1.0}

    class Child(Cfg):
        pass

    f = compiled(lambda x: Child.act(x) * Child.k + Child.sub["a"])
    for i in range(8):
        if i == 2:
            Cfg.k = 3.0
        if i == 3:
            Child.k = 4.0
        if i == 4:
            del Child.k
        if i == 5:
            Cfg.sub["a"] = 9.0
        if i == 6:
            Child.sub = {"a": 0.0}
        if i == 7:
            Cfg.act = staticmethod(t.sin)
        yield attempt_type(f, t.ones(2))


@story
def private_names(t, compiled):
    class A:
        __k = 1.0

        def __init__(self):
            self.__w = 2.0

        def run(self, x):
            return x * self.__k * self.__w

        def set(self, v):
            self.__w = v

    a = A()
    f = compiled(a.run)
    for i in range(6):
        if i == 2:
            a.set(5.0)
        if i == 4:
            A._A__k = 3.0
        yield f(t.ones(2))


@story
def tensors_in_nested_lists(t, compiled):
    w = [[t.ones(2), t.zeros(2)], (t.ones(2) * 3,)]
    f = compiled(lambda x: x * w[0][0] + w[0][1] + w[1][0])
    for i in range(8):
        if i == 2:
            w[0][0].mul_(2)
        if i == 3:
            w[0][1] = t.ones(2)
        if i == 5:
            w[1] = (t.zeros(2),)
        if i == 6:
            w[0].reverse()
        yield f(t.ones(2))


@story
def dict_keys_views(t, compiled):
    d = {"a": t.ones(2), "b": t.zeros(2)}

    @compiled
    def f(x):
        for k in d.keys():
            x = x + d[k]
        for v in d.values():
            x = x * (v + 1)
        for k, v in d.items():
            x = x - v * len(k)
        return x if "c" not in d else x * 100

    for i in range(9):
        if i == 2:
            d["a"] = t.ones(2) * 5
        if i == 3:
            d["c"] = t.ones(2)
        if i == 5:
            del d["c"]
        if i == 6:
            d["b"].add_(1)
        if i == 7:
            d = dict(reversed(list(d.items())))
        yield f(t.ones(2))
