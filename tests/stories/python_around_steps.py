"""Python's own things in and around steps: files, caches, generators, closures."""

import collections
import contextlib
import functools
import io
import logging
import os
import random
import tempfile
import time

import numpy as np

from tests.stories.storykit import (
    batch,
    everything,
    linear,
    mlp,
    mlp_with_momentum,
    story,
    train_step,
)


@story
def plateau_with_item_inside(t, compiled):
    net, opt = mlp_with_momentum(t)
    sched = t.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=0, threshold=10.0, factor=0.5)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        sched.step(loss.item())
        return loss.item()

    for n in range(8):
        if n == 5:
            sched.factor = 0.1
        yield step(*batch(t)), everything(net, opt), sched.num_bad_epochs


@story
def scaler_with_infinities(t, compiled):
    net, opt = mlp_with_momentum(t)
    sc = t.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        sc.scale(loss).backward()
        sc.unscale_(opt)
        t.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        sc.step(opt)
        sc.update()
        return loss.detach()

    for n in range(9):
        x, y = batch(t)
        if n in (3, 6):
            x = x * float("inf")
        yield step(x, y), everything(net, opt), sc.get_scale(), sc.state_dict()


@story
def lbfgs_with_a_closure(t, compiled):
    net = linear(t).double()
    opt = t.optim.LBFGS(net.parameters(), lr=0.5, max_iter=4, line_search_fn=None)

    @compiled
    def step(x, y):
        def closure():
            opt.zero_grad()
            loss = t.nn.functional.mse_loss(net(x), y)
            loss.backward()
            return loss

        return opt.step(closure).detach()

    for n in range(6):
        if n == 3:
            opt.param_groups[0]["max_iter"] = 2
        if n == 4:
            opt.param_groups[0]["line_search_fn"] = "strong_wolfe"
        yield (
            step(*[each.double() for each in batch(t)]),
            {k: v for k, v in everything(net).items() if "grad" not in k},
        )


@story
def clipping_of_all_kinds(t, compiled):
    net, opt = mlp_with_momentum(t)
    cfg = {"max": 0.1, "kind": 2.0, "f": t.nn.utils.clip_grad_norm_}

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        n = (
            cfg["f"](net.parameters(), cfg["max"])
            if cfg["kind"] is None
            else cfg["f"](net.parameters(), cfg["max"], norm_type=cfg["kind"])
        )
        opt.step()
        return loss.detach(), n

    for n in range(10):
        if n == 3:
            cfg["max"] = 1
        if n == 4:
            cfg["kind"] = float("inf")
        if n == 6:
            cfg.update(f=t.nn.utils.clip_grad_value_, kind=None)
        if n == 8:
            net[0].weight.requires_grad_(False)
        yield step(*batch(t)), everything(net, opt)


@story
def foreach_and_fused_flags(t, compiled):
    for flags in ({"foreach": True}, {"foreach": False}, {"fused": True}):
        net = mlp(t)
        opt = t.optim.AdamW(net.parameters(), lr=0.1, **flags)
        step = train_step(t, compiled, net, opt)
        for n in range(5):
            if n == 3:
                opt.param_groups[0]["foreach"], opt.param_groups[0]["fused"] = None, None
            yield step(*batch(t)), everything(net, opt)


@story
def modes_as_decorators(t, compiled):
    net = linear(t)

    @compiled
    @t.no_grad()
    def a(x):
        return net(x)

    @t.inference_mode()
    @compiled
    def b(x):
        return net(x)

    @compiled
    @t.set_grad_enabled(False)
    def c(x):
        return net(x)

    @compiled
    @t.enable_grad()
    def d(x):
        return net(x)

    for n in range(5):
        if n == 3:
            net.weight.data.mul_(2)
        yield a(batch(t)[0]), b(batch(t)[0]).requires_grad, c(batch(t)[0])
        with t.no_grad():
            yield d(batch(t)[0])


@story
def counters_of_three_kinds(t, compiled):
    net, opt = mlp_with_momentum(t)
    g = {"n": 0}
    total = 0

    class C:
        seen = 0

    @compiled
    def step(x, y):
        nonlocal total
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        g["n"] += len(x)
        total += 1
        C.seen += 1
        return loss.detach() * total

    for n in range(7):
        if n == 4:
            total = 100
            C.seen = 5
        yield step(*batch(t, size=4 + n % 2)), dict(g), total, C.seen


@story
def partials_lambdas_and_method_objects(t, compiled):
    net = linear(t)

    class C:
        k = 2.0

        def m(s, x, k=None):
            return net(x).detach() * (s.k if k is None else k)

        __call__ = m

    c = C()
    fs = [
        compiled(functools.partial(c.m, k=3.0)),
        compiled(lambda x: c.m(x)),
        compiled(c),
        compiled(c.m),
        compiled(functools.partial(lambda k, x: c.m(x, k), 5.0)),
    ]
    for n in range(6):
        if n == 3:
            c.k = 7.0
        if n == 4:
            net.weight.data.zero_()
        if n == 5:
            C.__call__ = lambda s, x: x
        yield [f(batch(t)[0]) for f in fs]


@story
def properties_descriptors_and_slots(t, compiled):
    class D:
        def __get__(s, o, k):
            o.reads += 1
            return 2.0

    class S:
        __slots__ = ("k", "reads", "net")
        d = D()

        def __init__(s):
            s.k, s.reads, s.net = 1.0, 0, linear(t)

        @property
        def kk(s):
            s.reads += 10
            return s.k * 2

        def f(s, x):
            return s.net(x).detach() * s.d * s.kk

    s = S()
    f = compiled(s.f)
    for n in range(6):
        if n == 3:
            s.k = 5.0
        yield f(batch(t)[0]), s.reads


@story
def state_in_deque_defaultdict_and_ordered_dict(t, compiled):
    q, dd, od = (
        collections.deque(maxlen=3),
        collections.defaultdict(list),
        collections.OrderedDict(a=t.zeros(1), b=t.zeros(1)),
    )

    @compiled
    def f(x):
        q.append(x.sum())
        dd["loss"].append(x.mean())
        od["a"] = od["a"] + x.sum()
        od.move_to_end("a")
        return sum(q) + sum(dd["loss"]) + sum(od.values())

    for n in range(7):
        if n == 3:
            q.clear()
        if n == 4:
            dd.pop("loss")
        if n == 5:
            od["c"] = t.ones(1) * 5
        yield f(t.ones(2) * n), list(q), {k: list(v) for k, v in dd.items()}, dict(od)


@story
def numpy_state_and_random(t, compiled):
    a = np.zeros(3, np.float32)
    r = np.random.RandomState(3)
    g = np.random.default_rng(4)
    p = random.Random(5)

    @compiled
    def f(x):
        a[1] += 1
        return (
            x * float(r.rand())
            + t.tensor(a)
            + g.random()
            + p.random()
            + random.random()
            + np.random.rand()
        )

    for n in range(6):
        if n == 3:
            r.seed(3)
            a[:] = 0
        yield f(t.ones(3)), a


@story
def files_logging_and_time(t, compiled):
    log = io.StringIO()
    logger = logging.getLogger("attack" + t.__name__)
    logger.handlers = [logging.StreamHandler(log)]
    logger.propagate = False
    logger.setLevel(logging.INFO)
    net, opt = mlp_with_momentum(t)
    path = tempfile.mktemp()

    @compiled
    def step(x, y):
        t0 = time.perf_counter()
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        logger.info("loss %.3f", loss.item())
        with open(path, "a") as f:
            f.write(f"{loss.item():.2f}\n")
        print("step", len(open(path).readlines()))
        return time.perf_counter() >= t0

    for n in range(5):
        if n == 3:
            logger.setLevel(logging.ERROR)
        yield step(*batch(t)), log.getvalue(), open(path).read()
    os.remove(path)


@story
def progress_bar_like_wrapper(t, compiled):
    class Bar:
        def __init__(s, it):
            s.it, s.n, s.post = it, 0, {}

        def __iter__(s):
            for e in s.it:
                yield e
                s.n += 1

        def set_postfix(s, **k):
            s.post = k

    net, opt = mlp_with_momentum(t)

    @compiled
    def epoch(batches):
        bar = Bar(batches)
        for x, y in bar:
            opt.zero_grad()
            loss = t.nn.functional.mse_loss(net(x), y)
            loss.backward()
            opt.step()
            bar.set_postfix(loss=round(loss.item(), 3))
        return bar.n, bar.post

    for n in range(5):
        yield epoch([batch(t, i) for i in range(1 + n % 3)]), everything(net, opt)


@story
def generators_as_arguments_and_results(t, compiled):
    @compiled
    def f(g):
        return sum(x * 2 for x in g)

    @compiled
    def h(n):
        return (t.ones(2) * i for i in range(n))

    for n in range(6):
        yield f(t.ones(2) * i for i in range(1 + n)), list(h(n % 3))


@story
def contextlib_and_exit_stacks(t, compiled):
    net = linear(t)
    flag = {"on": False, "n": 0}

    @contextlib.contextmanager
    def mode():
        flag["n"] += 1
        try:
            yield 2.0 if flag["on"] else 1.0
        finally:
            flag["n"] += 10

    @compiled
    def f(x):
        with contextlib.ExitStack() as s:
            k = s.enter_context(mode())
            if flag["on"]:
                s.enter_context(t.no_grad())
            y = net(x) * k
        return y.detach(), y.requires_grad

    for n in range(7):
        flag["on"] = n in (3, 4, 6)
        yield f(batch(t)[0]), dict(flag)


@story
def cached_functions(t, compiled):
    calls = []

    @functools.lru_cache(maxsize=2)
    def table(n):
        calls.append(n)
        return t.arange(float(n))

    class C:
        @functools.cached_property
        def w(s):
            calls.append("w")
            return t.ones(3) * s.k

        k = 2.0

    c = C()

    @compiled
    def f(x):
        return x + table(len(x)).sum() + c.w.sum()

    for n in range(8):
        if n == 3:
            c.k = 5.0
        if n == 4:
            del c.__dict__["w"]
        if n == 6:
            table.cache_clear()
        yield f(t.ones(2 + n % 2)), list(calls)
