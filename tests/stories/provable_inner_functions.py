"""Lambdas, functions inside, partials, `map`: and what changes them."""

import functools
import types

from tests.stories.storykit import batch, everything, fill, linear, numbers, story


@story(tolerance=(1e-3, 1e-5))
def functions_made_inside(t, compiled):
    net = linear(t)
    S = types.SimpleNamespace(k=1.0, flag=False)

    @compiled
    def f(x, s=2.0):
        scale = S.k

        def head(h, *, gain=scale, **more):
            inner = [lambda v: v * gain + scale]
            return inner[0](h) + sum(more.values())

        (double,) = (lambda v, by=s: v * by,)
        scale = scale + 1
        out = head(double(x), extra=1.0)
        if S.flag:
            out = head(out, gain=10.0)
        return out * (lambda: scale)()

    @compiled
    def step(x):
        def loss_of(p):
            return (net(p) ** 2).mean()

        net.zero_grad()
        loss = loss_of(x) + loss_of(x * S.k)
        loss.backward()
        return loss.detach()

    for n in range(14):
        if n == 3:
            S.k = 2.0
        if n == 5:
            S.flag = True
        if n == 8:
            f.__defaults__ = (5.0,)
        if n == 10:
            net.weight.data.mul_(2)
        if n == 12:
            S.k = t.tensor(2.0)
        yield f(t.ones(2)), step(batch(t, n % 2)[0]), everything(net)


@story
def late_binding(t, compiled):
    S = types.SimpleNamespace(n=3)

    @compiled
    def f(x):
        fs = []
        for i in range(S.n):
            fs.append(lambda v: v * i)  # noqa: B023
        gs = [lambda v, i=i: v + i for i in range(S.n)]
        x0 = x
        hs = [lambda: x0 * j for j in range(S.n)]  # noqa: B023
        i = 10
        out = [g(x) for g in fs] + [g(x) for g in gs]
        return out, hs[0]()

    @compiled
    def shadow(x):
        k = 1.0
        (g,) = (lambda v: v * k,)
        return [g(x) for k in (5.0, 6.0)], g(x)

    for n in range(10):
        if n == 4:
            S.n = 2
        if n == 7:
            S.n = 1
        yield f(t.ones(2)), shadow(t.ones(2))


@story
def factories_of_functions(t, compiled):
    S = types.SimpleNamespace(k=2.0, n=2)

    def scaled(k):
        def inner(x):
            return x * k * S.k

        return inner

    def composed(*fs):
        def run(x):
            for f in fs:
                x = f(x)
            return x

        return run

    @compiled
    def f(x):
        fs = [scaled(float(i + 1)) for i in range(S.n)]
        return composed(*fs, lambda v: v + 1)(x)

    for n in range(12):
        if n == 3:
            S.k = 3.0
        if n == 5:
            S.n = 3
        if n == 7:
            S.n = 1
        if n == 8:
            old = scaled
            (scaled,) = (lambda k: lambda x: x - k,)
        if n == 10:
            scaled = old
        yield f(t.ones(2))


@story
def recursion_inside(t, compiled):
    S = types.SimpleNamespace(depth=3, tree={"l": {"l": None, "v": 2.0}, "v": 1.0})

    @compiled
    def f(x):
        def power(n):
            return x if n == 0 else power(n - 1) * 2

        def walk(node):
            return 0.0 if node is None else node["v"] + walk(node["l"])

        return power(S.depth) + walk(S.tree)

    for n in range(10):
        if n == 3:
            S.depth = 1
        if n == 5:
            S.tree["l"]["l"] = {"l": None, "v": 5.0}
        if n == 7:
            S.tree["l"]["v"] = 0.0
        if n == 9:
            S.tree = None
        yield f(t.ones(2))


@story
def closure_sees_what_changes(t, compiled):
    S = types.SimpleNamespace(on=True)

    @compiled
    def f(x):
        acc = []
        k = 1.0

        def add(v):
            acc.append(v * k)
            return len(acc)

        add(x)
        k = 2.0
        n = add(x)
        if S.on:
            add(x * 3)
        k = 5.0
        return acc, n, (lambda: k)()

    @compiled
    def leak(x):
        fs = {"f": lambda v: v * 2}
        return fs, fs["f"](x)

    @compiled
    def changes(x):
        n = 0

        def bump():
            nonlocal n
            n += 1
            return n

        return x * bump() + bump()

    for n in range(9):
        if n == 3:
            S.on = False
        if n == 6:
            S.on = True
        fs, y = leak(t.ones(2))
        yield f(t.ones(2)), fs["f"](t.ones(1)), y, changes(t.ones(2))


@story
def partials(t, compiled):
    def act(x, k=1.0, *, b=0.0):
        return x * k + b

    S = types.SimpleNamespace(
        act=functools.partial(act, k=2.0),
        loss=functools.partial(t.nn.functional.cross_entropy, label_smoothing=0.1),
    )
    net = linear(t)

    @compiled
    def f(x):
        g = functools.partial(act, b=3.0)
        h = functools.partial(S.act, b=1.0)
        return g(x) + h(x) + S.act(x)

    @compiled
    def step(x, y):
        net.zero_grad()
        loss = S.loss(net(x), y)
        loss.backward()
        return loss.detach()

    y = t.tensor([0, 1, 0, 1])
    for n in range(18):
        if n == 3:
            S.act.keywords["k"] = 5.0
        if n == 5:
            S.act = functools.partial(act, b=9.0)
        if n == 7:
            S.loss.keywords["label_smoothing"] = 0.5
        if n == 9:
            S.loss = functools.partial(t.nn.functional.cross_entropy, reduction="sum")
        if n == 11:
            act.__defaults__ = (7.0,)
        if n == 13:
            S.act.__setstate__((lambda x, b=0: x - b, (), {}, {}))
        if n == 15:
            S.loss.keywords["weight"] = t.tensor([1.0, 2.0])
        if n == 17:
            S.act.keywords["b"] = 2.0
        yield f(t.ones(2)), step(batch(t)[0], y), everything(net)


@story
def maps_filters_and_kinds(t, compiled):
    net = fill(t, t.nn.ModuleList([t.nn.Linear(3, 3), t.nn.ReLU(), t.nn.Linear(3, 3)]))
    S = types.SimpleNamespace(kinds=(t.nn.Linear,), f=lambda v: v * 2)

    @compiled
    def f(x):
        q, k, v = map(lambda u: u * 2, x.chunk(3, -1))
        a, b = map(S.f, (q, k))
        row = list(filter(lambda m: isinstance(m, S.kinds), net))
        for m in row:
            x = m(x)
        kind = type(row[0]) if row else None
        n = len(row) if kind is t.nn.Linear else -1
        return (
            (a + b + v + abs(q - 1)).detach(),
            x.detach(),
            n,
            callable(S.f),
            divmod(7, 2),
            pow(2, 3),
            type(x) is t.Tensor,
            type([]) == list,  # noqa: E721
            sum(map(int, ("1", "2"))),
        )

    for n in range(14):
        if n == 3:
            S.f = lambda v: v - 1
        if n == 5:
            S.kinds = (t.nn.ReLU,)
        if n == 7:
            S.kinds = (t.nn.Module,)
        if n == 9:
            net[1] = t.nn.Tanh()
        if n == 11:
            net.append(fill(t, t.nn.Linear(3, 3)))
        if n == 13:
            S.kinds = ()
        yield f(batch(t)[0])


@story
def lambdas_in_configurations(t, compiled):
    cfg = {"act": lambda v: v.relu(), "norm": None, "sched": lambda n: 1.0 / (n + 1)}
    net = linear(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, n):
        opt.zero_grad()
        h = cfg["act"](net(x))
        if callable(cfg["norm"]):
            h = cfg["norm"](h)
        loss = (h * cfg["sched"](n)).mean()
        loss.backward()
        opt.step()
        return loss.detach()

    for n in range(12):
        if n == 3:
            cfg["act"] = t.tanh
        if n == 5:
            cfg["norm"] = lambda v: v / (v.norm() + 1)
        if n == 7:
            cfg["sched"] = functools.partial(lambda n, k: k, k=3.0)
        if n == 9:
            cfg["norm"] = t.nn.Identity()
        if n == 11:
            cfg["norm"] = functools.partial(t.clamp, max=0.1)
        yield step(batch(t)[0], n // 4), everything(net)


@story
def hooks_with_lambdas(t, compiled):
    w = numbers(t, 3).requires_grad_(True)
    S = types.SimpleNamespace(k=2.0)

    @compiled
    def f(x):
        w.grad = None
        y = w * x
        y.register_hook(lambda g: g * S.k)
        y.sum().backward()
        return y.detach()

    for n in range(8):
        if n == 3:
            S.k = 3.0
        yield f(t.ones(3)), w.grad
