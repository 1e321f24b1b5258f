"""Early returns, objects that are called, stars of shapes: and what changes them."""

import types

from tests.stories.storykit import attempt_type, batch, everything, fill, linear, numbers, story


@story
def early_returns(t, compiled):
    net = linear(t)
    S = types.SimpleNamespace(k=2.0)

    def norm(v):
        if v.dim() == 1:
            return v * S.k
        if v.shape[0] > 3:
            if v.shape[1] == 2:
                return v + 1
            else:
                return v - 1
        return v.mean(0)

    def kind(v):
        if v.ndim == 1:
            return "row", v
        return "table", v * 2

    def first(out):
        if isinstance(out, tuple):
            return out[0]
        return out

    @compiled
    def f(x):
        with t.no_grad():
            y = norm(net(x) * 1)
            name, z = kind(y)
            y = first(y.max(-1)) + (1 if name == "row" else 2)
        return y, z

    @compiled
    def g(x):
        y = x * 2
        if y.dim() > 1:
            return y.sum(), 1
        try:
            if y.shape[0] > 2:
                return y * 3, 2
        finally:
            y = y + 1
        return y, 3

    for n in range(16):
        if n == 4:
            S.k = 3.0
        if n == 6:
            S.k = True
        if n == 8:
            net.weight.data.mul_(2)
        x = numbers(t, *([(3,), (4, 3), (2, 3)][n // 2 % 3]), seed=n)
        yield f(x), g(x), g(x[:1] if n % 4 == 0 else x)


@story
def kinds_of_early_returns(t, compiled):
    S = types.SimpleNamespace(k=1.0, log=None, row=[1.0, 2.0])

    def deep(v, n):
        if v.dim() == 1:
            return v
        for k in S.row:
            v = v * k
        if v.shape[0] == 2:
            return v.sum(0)
        elif v.shape[0] == 3:
            v = v + 10
        else:
            return None
        return v.mean(0)

    def pair(v):
        if v.shape[0] > 2:
            return v, v * 2
        return v * 3, v * 4

    def flag(v):
        if v.shape[0] > 2:
            return True
        return False

    def text(v):
        if v.dim() > 1:
            if v.shape[1] > 2:
                return "wide"
            return "tall"
        return None

    def in_loop(v):
        for i in range(3):
            if v.shape[0] == i:
                return v * i
        return v * 100

    def after(v):
        out = []
        if v.dim() == 1:
            return v
        out.append(v)
        return sum(out)

    @compiled
    def f(x):
        y = x * 1
        d = deep(y, 2)
        a, b = pair(y)
        if flag(y):
            a = a + 1
        if text(y) == "wide":
            b = b - 1
        if d is None:
            d = y
        return d, a, b, in_loop(y), after(y), text(y), flag(y)

    shapes = [(2, 3), (3, 3), (4, 2), (2,), (3, 2)]
    for n in range(20):
        if n == 11:
            S.row.append(3.0)
        if n == 15:
            S.row = ()
        yield f(numbers(t, *shapes[n // 2 % 5]))


@story
def returns_and_what_follows(t, compiled):
    w = t.ones(3)
    S = types.SimpleNamespace(m=t.zeros(3), n=0)

    def upd(v):
        if v.dim() > 1:
            return v.mean(0)
        w.add_(1)
        return v

    def keep(v):
        if v.shape[0] > 3:
            return v
        S.m = S.m + 1
        return v * 2

    @compiled
    def f(x):
        return upd(x * 1) + w, keep(x * 1).sum()

    for n in range(12):
        x = t.ones(*([(3,), (2, 3), (4, 3)][n // 2 % 3]))
        yield f(x), w, S.m


@story(tolerance=(1e-3, 1e-5))
def callable_objects(t, compiled):
    class Loss:
        k = 1.0

        def __init__(s):
            s.w = t.ones(2)

        def __call__(s, a, b, *, scale=1.0):
            return ((a - b) * s.w).pow(2).mean() * s.k * scale

    class Compose:
        def __init__(s, *fs):
            s.fs = list(fs)

        def __call__(s, x):
            for f in s.fs:
                x = f(x)
            return x

    class Agent(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.l = t.nn.Linear(3, 2)

        def get(s, x, n=0):
            return s.l(x) + n

        def items(s):
            return [s.l]

    crit, net = Loss(), fill(t, Agent())
    tf = Compose(lambda v: v * 2, t.tanh)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = crit(net.get(tf(x)), y, scale=2.0)
        loss.backward()
        opt.step()
        return loss.detach(), len(net.items())

    for n in range(20):
        if n == 3:
            crit.k = 2.0
        if n == 5:
            Loss.__call__ = lambda s, a, b, scale: (a - b).abs().mean()
        if n == 7:
            crit.w = t.zeros(2)
        if n == 8:
            Loss.__call__ = Compose.__call__
            crit.fs = []
        if n == 9:
            Loss.__call__ = lambda s, a, b, scale: (a * s.w - b).abs().sum()
        if n == 11:
            tf.fs.append(lambda v: v + 1)
        if n == 13:
            tf.fs[0] = t.relu
        if n == 15:
            tf = Compose()
        if n == 17:
            Agent.get = lambda s, x, n=5: s.l(x) * n
        if n == 19:
            net.get = lambda x: x[:, :2]
        yield attempt_type(step, *batch(t)), everything(net)


@story
def objects_that_are_called(t, compiled):
    class Meta(type):
        def __call__(cls, *a):
            return 5.0

    class Weird(metaclass=Meta):
        pass

    class Base:
        def __call__(s, x):
            return x * s.k

    class Sub(Base):
        k = 2.0

        def __call__(s, x, *more, **kw):
            return super().__call__(x) + len(more) + kw.get("a", 0)

    class Static:
        @staticmethod
        def __call__(x):
            return x * 9

    class Getattr:
        def __getattr__(s, n):
            return 3.0

        def __call__(s, x):
            return x * s.k

    o, st, ga = Sub(), Static(), Getattr()

    @compiled
    def f(x):
        return o(x, 1, 2, a=3), st(x), ga(x), Weird() * x

    for n in range(16):
        if n == 3:
            Sub.k = 4.0
        if n == 5:
            o.k = 7.0
        if n == 7:
            Base.__call__ = lambda s, x, *m, **k: x - s.k
        if n == 9:
            del Sub.__call__
        if n == 10:
            Base.__call__ = lambda s, x, *m, **k: x * len(m)
        if n == 12:
            o.__call__ = lambda *a, **k: None
        if n == 14:
            Getattr.k = 1.0
        yield f(t.ones(2))


@story
def stars_of_shapes(t, compiled):
    table = t.linspace(0, 1, 5)

    @compiled
    def f(x, i):
        z = x * 2
        b, *rest = z.shape
        c, *others = z.unbind(0)
        *_, last = z.chunk(2, 0)
        return table[i].reshape(b, *((1,) * (z.dim() - 1))) * z, c, last, z.reshape(-1, *rest)

    for n in range(8):
        if n == 3:
            table.mul_(2)
        yield f(t.ones(2 + n % 2, 3, *([2] if n > 5 else [])), t.arange(2 + n % 2))
