"""Enumerations, contexts, caches and containers that change between calls."""

import contextvars
import copy
import enum
import functools
import gc
import types
import weakref

from tests.stories.storykit import (
    batch,
    everything,
    fill,
    linear,
    mlp,
    mlp_with_momentum,
    mse,
    story,
    train_step,
)


class Phase(enum.Enum):
    A = 1.0
    B = 2.0

    @property
    def weight(self):
        return self.value * WEIGHT[0]


WEIGHT = [1.0]
ctx_scale = contextvars.ContextVar("scale", default=1.0)


@story
def enum_with_property_reading_global(t, compiled):
    t.set_default_dtype(t.float64)  # or roundings would grow from step to step
    net, opt = mlp_with_momentum(t)
    st = types.SimpleNamespace(phase=Phase.A)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = mse(t, net(x), y) * st.phase.weight
        loss.backward()
        opt.step()
        return loss.detach()

    for n in range(14):
        if n == 5:
            st.phase = Phase.B
        if n == 8:
            WEIGHT[0] = 3.0
        if n == 11:
            WEIGHT.insert(0, 0.5)
        yield step(*batch(t, n % 2)), everything(net, opt)
    WEIGHT[:] = [1.0]


@story
def intflag_and_match(t, compiled):
    class Penalty(enum.IntFlag):
        NONE = 0
        L1 = 1
        L2 = 2

    net, opt = mlp_with_momentum(t)
    st = {"o": Penalty.NONE}

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = mse(t, net(x), y)
        if Penalty.L1 in st["o"]:
            loss = loss + sum(p.abs().sum() for p in net.parameters()) * 0.01
        if st["o"] & Penalty.L2:
            loss = loss + sum(p.square().sum() for p in net.parameters()) * 0.01
        loss.backward()
        opt.step()
        return loss.detach()

    for _n, o in enumerate(
        [Penalty.NONE] * 4 + [Penalty.L1] * 4 + [Penalty.L1 | Penalty.L2] * 4 + [Penalty.NONE] * 3
    ):
        st["o"] = o
        yield step(*batch(t)), everything(net)


@story
def contextvar_read(t, compiled):
    net, opt = mlp_with_momentum(t)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = mse(t, net(x), y) * ctx_scale.get()
        loss.backward()
        opt.step()
        return loss.detach()

    tok = None
    for n in range(12):
        if n == 4:
            tok = ctx_scale.set(2.0)
        if n == 8:
            ctx_scale.reset(tok)
        if n == 10:
            c = contextvars.copy_context()
            c.run(ctx_scale.set, 5.0)
            yield c.run(step, *batch(t)), everything(net)
        yield step(*batch(t)), everything(net)


@story
def lru_cached_helper_of_config(t, compiled):
    t.set_default_dtype(t.float64)  # or roundings would grow from step to step
    net, opt = mlp_with_momentum(t)
    k = {"v": 1.0}

    @functools.cache
    def scale(name):
        return k["v"]

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = mse(t, net(x), y) * scale("a")
        loss.backward()
        opt.step()
        return loss.detach()

    for n in range(14):
        if n == 4:
            k["v"] = 2.0
        if n == 8:
            scale.cache_clear()
        yield step(*batch(t)), scale.cache_info().hits, everything(net)


@story
def weakref_to_network(t, compiled):
    net, opt = mlp_with_momentum(t)
    ref = weakref.ref(net)

    @compiled
    def step(x, y):
        n = ref()
        if n is None:
            return x.sum() * 0
        opt.zero_grad()
        loss = mse(t, n(x), y)
        loss.backward()
        opt.step()
        return loss.detach()

    for n in range(12):
        yield step(*batch(t))
        if n == 7:
            del net
            opt = None
            gc.collect()
            opt = t.optim.SGD([t.nn.Parameter(t.ones(1))], lr=0.1)


@story
def nonlocal_and_default_mutable(t, compiled):
    net, opt = mlp_with_momentum(t)
    count = 0

    def step(x, y, hist=[]):  # noqa: B006 - what it is about
        nonlocal count
        count += 1
        opt.zero_grad()
        loss = mse(t, net(x), y) / (1 + len(hist))
        loss.backward()
        opt.step()
        if count % 3 == 0:
            hist.append(count)
        return loss.detach()

    f = compiled(step)
    for _ in range(10):
        r = f(*batch(t))
        yield r, count, list(step.__defaults__[0])


@story
def list_subclass_of_layers(t, compiled):
    class L(list):
        def __iter__(self):
            return iter(list.__getitem__(self, slice(None))[::-1])

    nets = [fill(t, t.nn.Linear(3, 3)), t.nn.Tanh()]
    h = {"l": list(nets)}

    @compiled
    def f(x):
        with t.no_grad():
            for term in h["l"]:
                x = term(x)
            return x.sum()

    for n in range(14):
        if n == 4:
            h["l"] = L(nets)
        if n == 7:
            h["l"] = tuple(nets)
        if n == 10:
            h["l"] = [*nets, nets[0]]
        if n == 12:
            h["l"].reverse()
        yield f(batch(t)[0])


@story
def dict_view_kept_outside(t, compiled):
    net = linear(t)
    d = {"a": 1.0, "b": 2.0}
    items = d.items()
    vals = d.values()

    @compiled
    def f(x):
        with t.no_grad():
            s = 0.0
            for _k, v in items:
                s = s + v
            return net(x).sum() * s + max(vals)

    for n in range(12):
        if n == 4:
            d["c"] = 3.0
        if n == 8:
            d["a"] = 10.0
        yield f(batch(t)[0])


@story
def optimizer_group_shared_dicts(t, compiled):
    net = mlp(t)
    opt = t.optim.AdamW(net.parameters(), lr=0.01)
    step = train_step(t, compiled, net, opt)
    for n in range(20):
        if n == 4:
            opt.param_groups[0]["params"] = opt.param_groups[0]["params"][:2]
        if n == 7:
            opt.param_groups[0]["params"].extend([p for p in list(net.parameters())[2:]])
        if n == 10:
            opt.param_groups[0]["params"].reverse()
        if n == 12:
            opt.state[net[0].weight]["exp_avg"].zero_()
        if n == 14:
            opt.state[net[0].weight]["step"] = t.tensor(1.0)
        if n == 16:
            opt.state.pop(net[0].bias)
        if n == 18:
            opt.param_groups[0] = dict(opt.param_groups[0], lr=0.1)
        yield step(*batch(t)).detach(), everything(net, opt)


@story
def swapped_optimizers_midway(t, compiled):
    net = mlp(t)
    opts = [
        t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True),
        t.optim.Adam(net.parameters(), lr=0.01),
        t.optim.RMSprop(net.parameters(), lr=0.01),
    ]
    s = types.SimpleNamespace(opt=opts[0])

    @compiled
    def step(x, y):
        s.opt.zero_grad()
        loss = mse(t, net(x), y)
        loss.backward()
        s.opt.step()
        return loss.detach()

    for n in range(24):
        s.opt = opts[(n // 4) % 3]
        yield step(*batch(t, n % 2)), everything(net, *opts)


@story
def grown_network_keeps_optimizer(t, compiled):
    net = t.nn.Sequential(fill(t, t.nn.Linear(3, 2)))
    opt = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    step = train_step(t, compiled, net, opt)
    for n in range(20):
        if n == 5:
            term = t.nn.Linear(2, 2)
            fill(t, term)
            net.append(term)
            opt.add_param_group({"params": term.parameters(), "lr": 0.01})
        if n == 10:
            net.insert(1, t.nn.ReLU())
        if n == 14:
            del net[1]
        if n == 17:
            net[0] = fill(t, t.nn.Linear(3, 2, bias=False))
        yield step(*batch(t)).detach(), everything(net, opt)


@story
def state_dict_round_trips(t, compiled):
    net, opt = mlp_with_momentum(t)
    step = train_step(t, compiled, net, opt)
    saved = None
    for n in range(20):
        if n == 4:
            saved = copy.deepcopy((net.state_dict(), opt.state_dict()))
        if n == 8:
            net.load_state_dict(saved[0])
            opt.load_state_dict(saved[1])
        if n == 12:
            net.load_state_dict(saved[0], assign=True)
        if n == 14:
            opt = None
            opt = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        if n == 15:
            step = train_step(t, compiled, net, opt)
        yield step(*batch(t)).detach(), everything(net, opt)
