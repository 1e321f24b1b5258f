"""While, try, super, named tuples, literals: and what changes them."""

import collections
import typing

from tests.stories.storykit import (
    attempt,
    attempt_type,
    batch,
    everything,
    fill,
    mlp,
    story,
    train_step,
)


@story
def while_loop_with_a_known_end(t, compiled):
    k = {"n": 3, "stop": 100}

    @compiled
    def f(x):
        i = 0
        while i < k["n"]:
            x = x * 2 + i
            i += 1
            if i == k["stop"]:
                break
        return x

    for n in range(10):
        if n == 4:
            k["n"] = 5
        if n == 6:
            k["stop"] = 2
        if n == 8:
            k["n"] = 0
        yield f(t.ones(2))


@story
def mode_put_back_in_a_finally(t, compiled):
    net = fill(t, t.nn.Sequential(t.nn.Linear(3, 2), t.nn.BatchNorm1d(2)))

    @compiled
    def ev(x):
        try:
            with t.no_grad():
                return net(x)
        finally:
            pass

    @compiled
    def checked(x):
        try:
            y = net(x).detach()
        except RuntimeError as e:
            raise ValueError(f"bad {x.shape}") from e
        else:
            y = y + 1
        return y * 2

    for n in range(8):
        x = batch(t)[0] if n != 5 else t.ones(2, 7)
        if n == 3:
            net.eval()
        if n == 6:
            net[1].weight.data.mul_(2)
        yield attempt(ev, x) if n != 5 else None, attempt_type(checked, x)


@story
def caught_error_is_not_replayed(t, compiled):
    w = t.ones(3)
    log = []

    @compiled
    def f(x):
        try:
            return x + w
        except RuntimeError:
            log.append(1)
            return x * 0

    for n in range(8):
        if n == 3:
            w = t.ones(4)
        if n == 6:
            w = t.ones(3) * 2
        yield f(t.ones(3)), list(log)


@story
def super_and_class_methods(t, compiled):
    class Base(t.nn.Module):
        gain = 2.0

        def __init__(s):
            super().__init__()
            s.lin = t.nn.Linear(3, 2)

        def forward(s, x):
            return s.lin(x) * s.gain

        @classmethod
        def offset(cls):
            return cls.gain + 1

    class Mixin:
        def forward(s, x):
            return super().forward(x) + 1

    class Net(Mixin, Base):
        def forward(s, x):
            return super().forward(x) * s.offset() + Net.offset()

    net = fill(t, Net())

    @compiled
    def f(x):
        with t.no_grad():
            return net(x)

    for n in range(16):
        if n == 3:
            Base.gain = 3.0
        if n == 5:
            Net.gain = 4.0
        if n == 6:
            Base.forward = lambda s, x: s.lin(x) * 10
        if n == 8:
            Net.offset = classmethod(lambda c: 7.0)
        if n == 9:
            Base.offset = classmethod(lambda c: 8.0)
        if n == 10:
            del Net.offset
        if n == 11:
            Mixin.forward = lambda s, x: s.lin(x)
        if n == 13:
            net.offset = lambda: 0.5
        if n == 14:
            Net.__bases__ = (Base,)
        yield f(batch(t)[0])


@story(tolerance=(1e-3, 1e-5))
def layer_that_extends_one(t, compiled):
    class Scaled(t.nn.Linear):
        k = 2.0

        def forward(s, x):
            return super().forward(x) * s.k

    net = fill(t, t.nn.Sequential(Scaled(3, 4), t.nn.Tanh(), Scaled(4, 2)))
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    old = t.nn.Linear.forward
    try:
        for n in range(10):
            if n == 3:
                net[0].k = 1.0
            if n == 5:
                t.nn.Linear.forward = lambda s, x: x @ s.weight.T
            if n == 7:
                t.nn.Linear.forward = old
            if n == 8:
                Scaled.forward = old
            yield step(*batch(t)), everything(net, opt)
    finally:
        t.nn.Linear.forward = old


@story(tolerance=(1e-3, 1e-5))
def named_tuple_batches(t, compiled):
    class Batch(typing.NamedTuple):
        x: typing.Any
        y: typing.Any
        k: float = 1.0

        def inputs(self):
            return self.x * self.k

    Other = collections.namedtuple("Other", "y x k")
    Other.inputs = Batch.inputs
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(b):
        opt.zero_grad()
        x = b[0]
        loss = t.nn.functional.mse_loss(net(b.inputs()), b.y) + x.mean() * len(b)
        loss.backward()
        opt.step()
        return loss.detach()

    for n in range(12):
        x, y = batch(t, n % 3)
        b = Batch(x, y, 2.0 if n == 4 else 1.0)
        if n == 6:
            Batch.inputs = lambda s: s.x * 5
        if n == 8:
            Batch.x, Batch.y = Batch.y, Batch.x
            b = Batch(y[:, :1].expand(4, 3), x[:, :2])
        if n == 9:
            Batch.x, Batch.y = Batch.y, Batch.x
        if n == 10:
            b = Other(y, x, 1.0)
        yield attempt_type(step, b), everything(net)


@story
def named_tuple_unpacked_and_indexed(t, compiled):
    P = collections.namedtuple("P", "a b")

    @compiled
    def f(p):
        a, b = p
        return a * 2 + p[1] + p.a, [q + 1 for q in p], p[:1][0] - b

    for n in range(8):
        p = P(t.ones(2) * n, t.ones(2)) if n != 4 else (t.ones(2), t.ones(2))
        if n == 5:
            p = P(t.ones(3), t.ones(3))
        if n == 6:
            p = P(1.0, t.ones(2))
        yield attempt_type(f, p)


@story
def literals_of_tensors(t, compiled):
    k = {"a": 1.0}
    w = t.tensor([1.0, 2.0])

    @compiled
    def f(x):
        m = t.tensor([1.0, 2.0])
        s = t.tensor([[k["a"], 0.0]])
        m[0] = 5.0
        return x * m + s + w, x[t.tensor([1, 0])]

    for n in range(10):
        if n == 3:
            k["a"] = 3.0
        if n == 4:
            w.mul_(2)
        if n == 6:
            k["a"] = -0.0
        if n == 8:
            w = t.tensor([1.0, 2.0])
        yield f(t.ones(2))


@story
def literal_kept_by_somebody(t, compiled):
    kept = []

    @compiled
    def make():
        kept.append(t.tensor([1.0, 2.0]))
        return kept[-1] * 1

    @compiled
    def f(x):
        return x * t.tensor([1.0, 2.0]) + kept[0]

    make()
    for n in range(8):
        if n == 3:
            kept[0].add_(1)
        if n == 5:
            make()
            kept[0] = kept[-1]
        yield f(t.ones(2))
