"""Statements and steps inside of steps, of which something changes between calls."""

import contextlib
import types

import numpy as np

from tests.stories.storykit import (
    attempt,
    attempt_type,
    batch,
    everything,
    fill,
    linear,
    mlp_with_momentum,
    mse,
    story,
)


@story
def try_in_all_shapes(t, compiled):
    net = linear(t)
    cfg = {"k": 1.0}
    h = types.SimpleNamespace(mode="a")
    log = []

    @compiled
    def f(x):
        try:
            with t.no_grad():
                out = net(x).sum()
            if h.mode == "raise":
                raise ValueError("mode")
            if h.mode == "early":
                return out * 3
        except ValueError as e:
            log.append(str(e))
            out = x.sum()
        except (KeyError, TypeError):
            out = x.sum() * 0
        else:
            out = out * cfg["k"]
        finally:
            out2 = x.sum()
        with contextlib.suppress(KeyError):
            out = out * cfg["missing"]
        return out + out2

    @compiled
    def g(x):
        for i in range(3):
            try:
                if i == h.i:
                    continue
                if i == h.b:
                    break
                x = x * 2
            finally:
                x = x + 1
        return x

    h.i, h.b = 5, 5
    for n in range(18):
        if n == 4:
            h.mode = "raise"
        if n == 7:
            h.mode = "early"
        if n == 10:
            h.mode = "a"
            cfg["missing"] = 2.0
            h.i = 1
        if n == 13:
            del cfg["k"]
            h.b = 2
        if n == 15:
            cfg["k"] = 7.0
        yield attempt_type(f, batch(t)[0]), list(log), g(t.ones(2))


@story
def literals_of_all_kinds(t, compiled):
    h = types.SimpleNamespace(k=1.0, row=[1.0, 2.0], arr=np.array([1.0, 2.0]), dt=t.float32, n=2)

    @compiled
    def f(x):
        a = t.tensor([1.0, h.k])
        b = t.tensor(h.row)
        c = t.tensor([[h.k, 2.0], [3.0, len(h.row)]])
        d = t.ones(h.n) * t.full((h.n,), h.k)
        e = t.tensor(h.k, dtype=h.dt)
        return (
            x * a + b[:2],
            c,
            d,
            e,
            t.as_tensor(h.arr),
            t.arange(h.n),
            t.zeros(2, dtype=h.dt),
            t.eye(h.n),
            t.tensor([x.shape[0], h.k]),
        )

    for n in range(20):
        if n == 4:
            h.k = 2.0
        if n == 6:
            h.row[0] = 9.0
        if n == 8:
            h.row.append(3.0)
        if n == 10:
            h.arr[0] = 7.0
        if n == 12:
            h.dt = t.float64
        if n == 14:
            h.n = 3
        if n == 16:
            h.k = 1
        if n == 18:
            h.k = True
        r = f(t.ones(2))
        r[0].add_(1)
        r[3].mul_(0) if r[3].dtype != t.bool else None
        yield r


@story
def own_function_in_place(t, compiled):
    class Relu_(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.clamp_(min=0)
            ctx.mark_dirty(x)
            ctx.save_for_backward(x)
            return x

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * (y > 0)

    net, opt = mlp_with_momentum(t)

    @compiled
    def step(x, y):
        opt.zero_grad()
        h = net(x)
        o = Relu_.apply(h)
        loss = mse(t, o, y)
        loss.backward()
        opt.step()
        return loss.detach(), h is o

    for n in range(8):
        yield step(*batch(t, n % 2)), everything(net)


@story
def own_backward_raises_sometimes(t, compiled):
    lim = [100.0]

    class G(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            if g.abs().max() > lim[0]:
                raise ValueError("exploding")
            return g

    net, opt = mlp_with_momentum(t)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = mse(t, G.apply(net(x)), y)
        loss.backward()
        opt.step()
        return loss.detach()

    for n in range(9):
        if n == 4:
            lim[0] = 1e-3
        if n == 6:
            lim[0] = 100.0
        yield attempt(step, *batch(t, n % 2)), everything(net, opt)


@story
def cooperative_inheritance_rewired(t, compiled):
    nn = t.nn

    class Base(nn.Module):
        def __init__(s):
            super().__init__()
            s.l = fill(t, nn.Linear(3, 2))

        def forward(s, x):
            return s.l(x)

    class A(Base):
        def forward(s, x):
            return super().forward(x) * 2

    class B(Base):
        def forward(s, x):
            return super().forward(x) + 1

    class C(A, B):
        def forward(s, x):
            return super().forward(x) - 1

    m = C()

    @compiled
    def f(x):
        with t.no_grad():
            return m(x).sum()

    for n in range(16):
        if n == 4:
            C.__bases__ = (B, A)
        if n == 7:
            C.__bases__ = (A,)
        if n == 10:
            B.forward = lambda s, x: x.sum() * 0
            C.__bases__ = (B, Base)
        if n == 13:
            del B.forward
        yield f(batch(t)[0])


@story
def buffers_and_parameters_moved_about(t, compiled):
    nn = t.nn

    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.w = nn.Parameter(t.ones(2))
            s.register_buffer("b", t.ones(2))
            s.c = t.ones(2)

        def forward(s, x):
            return (x * s.w + s.b * s.c).sum()

    m = M()

    @compiled
    def f(x):
        with t.no_grad():
            return m(x)

    for n in range(24):
        if n == 3:
            del m.b
            m.b = nn.Parameter(t.ones(2) * 2)
        if n == 6:
            del m.w
            m.register_buffer("w", t.ones(2) * 5)
        if n == 9:
            m._buffers["w"] = t.ones(2) * 6
        if n == 11:
            m.__dict__["w"] = t.ones(2) * 7
        if n == 13:
            del m.__dict__["w"]
        if n == 15:
            del m.c
            m.c = nn.Parameter(t.zeros(2))
        if n == 17:
            m.c = None
        if n == 18:
            m.c = nn.Parameter(t.ones(2))
        if n == 20:
            m.register_parameter("c", None)
            M.c = t.ones(2) * 3
        if n == 21:
            del m._parameters["c"]
        if n == 22:
            del M.c
            m.c = t.ones(2)
        yield attempt_type(f, t.ones(2))


@story
def slots_in_two_objects_share(t, compiled):
    class S:
        pass

    a, b = S(), S()
    a.h = t.zeros(2)
    b.h = a.h

    @compiled
    def f(x):
        a.h = a.h * 0.5 + x
        return a.h.sum()

    @compiled
    def g(x):
        b.h = b.h + a.h
        a.h = x
        return b.h.sum()

    for n in range(16):
        if n == 4:
            b.h = a.h
        if n == 7:
            a.h.mul_(2)
        if n == 9:
            b.h = a.h = t.ones(2)
        if n == 12:
            a.h = b.h.view(2)
        if n == 14:
            a.h = t.ones(2, requires_grad=True).detach()
        yield f(t.ones(2) * n), g(t.ones(2)), a.h, b.h, a.h is b.h


@story
def slots_with_views_held_outside(t, compiled):
    class S:
        pass

    a = S()
    a.h = t.zeros(4)
    views = []

    @compiled
    def f(x):
        old = a.h
        a.h = old * 0.5 + x
        return old.sum()

    for n in range(10):
        if n in (3, 6):
            views.append((a.h, a.h[:2]))
        if n == 5:
            views[0][1].add_(100)
        if n == 7:
            a.h[0] = 50.0
        if n == 8:
            a.h = a.h[:2].repeat(2)
        yield f(t.ones(4)), a.h, [v for p in views for v in p]
