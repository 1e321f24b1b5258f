"""What is read later than it is named: by iterators, views, under another name, by a debugger."""

import collections
import gc
import sys
import weakref

from tests.stories.storykit import (
    batch,
    everything,
    fill,
    linear,
    mlp_with_momentum,
    mse,
    story,
)


class OD(collections.OrderedDict):
    pass


def alive(refs):
    gc.collect()
    return sum(r() is not None for r in refs)


@story
def buffer_read_through_the_dict(t, compiled):
    class M(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.register_buffer("h", t.zeros(2))

        def forward(s, x):
            prev = s._buffers["h"]
            s.h = prev * 0.5 + x
            return s.h.sum()

    m = M()
    f = compiled(lambda x: m(x))
    for n in range(8):
        yield f(t.ones(2) * n), m.h


@story
def buffer_read_by_iteration(t, compiled):
    class M(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.register_buffer("h", t.zeros(2))
            s.register_buffer("c", t.ones(1))

        def forward(s, x):
            total = sum(b.sum() for b in s.buffers())
            s.h = x + total
            return total

    m = M()
    f = compiled(lambda x: m(x))
    for n in range(8):
        yield f(t.ones(2) * n), m.h


@story
def buffer_read_by_name_iteration(t, compiled):
    class M(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.register_buffer("h", t.zeros(2))

        def forward(s, x):
            total = 0.0
            for _name, b in s.named_buffers():
                total = total + b.sum()
            s.h = x + total
            for b in s.buffers():
                total = total + b.sum()
            return total

    m = M()
    f = compiled(lambda x: m(x))
    for n in range(8):
        yield f(t.ones(2) * n), m.h


@story
def attr_dict_is_its_own_dict(t, compiled):
    class A(dict):
        def __init__(s, **k):
            super().__init__(**k)
            s.__dict__ = s

    a = A(h=t.zeros(2), k=2.0)

    @compiled
    def f(x):
        prev = a["h"]
        a.h = prev * 0.5 + x * a.k
        return a.h.sum()

    @compiled
    def g(x):
        a.h = a.h * 0.5 + x * a["k"]
        tot = 0.0
        for _k, v in a.items():
            tot = tot + v
        return tot

    for n in range(12):
        if n == 6:
            a.k = 3.0
        yield f(t.ones(2) * n), g(t.ones(2)), a["h"], a.k


@story
def user_dict_with_attributes(t, compiled):
    class A(dict):
        __getattr__ = dict.__getitem__

        def __setattr__(s, k, v):
            s[k] = v

    a = A(h=t.zeros(2), k=2.0)

    @compiled
    def f(x):
        a.h = a.h * 0.5 + x * a.k
        return a.h.sum()

    for n in range(8):
        if n == 5:
            a["k"] = 3.0
        yield f(t.ones(2) * n), a["h"]


@story
def iterators_made_before_the_list_grows(t, compiled):
    cfg = {"k": 1.0}

    @compiled
    def f(x):
        parts = [x, x * 2]
        it = enumerate(parts)
        parts.append(x * 3)
        total = x * 0
        for i, p in it:
            if i == 2:
                total = total + p * cfg["k"]
            else:
                total = total + p
        return total.sum()

    @compiled
    def g(x):
        parts = [x, x * 2]
        z = zip(parts, [1.0, 2.0, 3.0], [0, 1, 2], strict=False)
        parts.append(x * 3)
        total = x * 0
        for p, w, i in z:
            if i == 2:
                total = total + p * cfg["k"]
            else:
                total = total + p * w
        return total.sum()

    @compiled
    def h(x):
        parts = [x, x * 2]
        r = reversed(parts)
        parts[0] = x * cfg["k"]
        total = x * 0
        for p in r:
            total = total * 2 + p
        return total.sum()

    for n in range(12):
        if n == 6:
            cfg["k"] = 10.0
        yield f(t.ones(2)), g(t.ones(2)), h(t.ones(2))


@story
def list_changed_while_iterated(t, compiled):
    cfg = {"k": 1.0}

    @compiled
    def f(x):
        parts = [x]
        for p in parts:
            if len(parts) < 4:
                parts.append(p * cfg["k"] + 1)
        total = x * 0
        for p in parts:
            total = total + p
        return total.sum()

    for n in range(10):
        if n == 6:
            cfg["k"] = 10.0
        yield f(t.ones(2))


@story
def views_of_dicts_are_live(t, compiled):
    cfg = {"k": 1.0}

    @compiled
    def f(x):
        d = {"a": x, "b": x * 2}
        v, i = d.values(), d.items()
        d["c"] = x * 3
        total = x * 0
        n = 0
        for each in v:
            n += 1
            if n == 3:
                total = total + each * cfg["k"]
        for k, each in i:
            if k == "c":
                total = total + each * cfg["k"]
        return total.sum()

    @compiled
    def g(x):
        d = {"a": x, "b": x * 2}
        for k, v in d.items():
            d[k] = v * cfg["k"]
        parts = list(d.values())
        for i, p in enumerate(parts):
            parts[i] = p * 2 * cfg["k"]
        return sum(parts).sum()

    @compiled
    def h(x):
        d = {"a": x, "b": x}
        out = x * 0
        for k, v in d.items():
            if v is None:
                out = out + cfg["k"]
            else:
                out = out + v
            if k == "a":
                d["b"] = None
        return out.sum()

    @compiled
    def j(x):
        d = {"a": x}
        kind = 1.0 if isinstance(d.items(), list) else cfg["k"]
        return (x * kind).sum()

    for n in range(12):
        if n == 6:
            cfg["k"] = 10.0
        yield f(t.ones(2)), g(t.ones(2)), h(t.ones(2)), j(t.ones(2))


@story
def detached_state_that_wants_a_gradient(t, compiled):
    net = linear(t)

    @compiled
    def f(x):
        with t.no_grad():
            s = net(x).sum()
        q = net.weight.detach().requires_grad_()
        return s, q

    @compiled
    def g(x):
        with t.no_grad():
            s = net(x).sum()
        q = net.weight.data
        q.requires_grad_(True)
        return s, q, net.weight.detach()

    for n in range(7):
        s, q = f(batch(t, n % 2)[0])
        s2, q2, d = g(batch(t)[0])
        yield s, q, q.requires_grad, q2.requires_grad, d.requires_grad, q2
        (q2 * 2).sum().backward()
        yield q2.grad


@story
def detached_input_that_wants_a_gradient(t, compiled):
    net = linear(t)

    @compiled
    def f(x):
        with t.no_grad():
            s = net(x).sum()
        return s, x.detach().requires_grad_(), x.detach(), x.data

    for n in range(7):
        x = batch(t, n % 2)[0]
        s, q, d, e = f(x)
        with t.no_grad():
            q.mul_(2)
        yield s, q, d, e, x, q.requires_grad


@story
def two_results_share_memory_with_state(t, compiled):
    net = linear(t)

    @compiled
    def f(x):
        with t.no_grad():
            s = net(x).sum()
        return s, net.weight.detach(), net.weight.data, net.weight

    for _ in range(7):
        s, a, b, c = f(batch(t)[0])
        with t.no_grad():
            a.mul_(1.5)
        yield s, a, b, c, c is net.weight


@story
def module_dict_and_getattr_access(t, compiled):
    nn = t.nn

    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.names = []
            for i in range(3):
                setattr(s, f"l{i}", fill(t, nn.Linear(3, 3)))
                s.names.append(f"l{i}")

        def forward(s, x):
            for name in s.names:
                x = getattr(s, name)(x).tanh()
            return x.sum()

    m = M()

    @compiled
    def f(x):
        with t.no_grad():
            return m(x)

    for n in range(14):
        if n == 4:
            m.names.reverse()
        if n == 7:
            m.l1 = fill(t, nn.Linear(3, 3, bias=False))
        if n == 10:
            del m.l0
            m.names.remove("l0")
        if n == 12:
            m.l2.weight = nn.Parameter(t.ones(3, 3))
        yield f(batch(t)[0])


@story
def isinstance_dispatch_on_types(t, compiled):
    net = linear(t)

    @compiled
    def f(b):
        with t.no_grad():
            if isinstance(b, t.Tensor):
                x = b
            elif isinstance(b, dict):
                x = b["x"]
            elif isinstance(b, (list, tuple)):
                x = b[0]
            else:
                x = t.tensor(b)
            return net(x).sum()

    for n in range(16):
        x = batch(t, n % 2)[0]
        yield f([x, {"x": x}, [x], (x,)][n // 4])


@story
def traced_lines(t, compiled):
    net = linear(t)
    seen = []

    @compiled
    def f(x):
        with t.no_grad():
            y = net(x)
            z = y * 2
            return z.sum()

    code = f.__wrapped__.__code__ if hasattr(f, "__wrapped__") else f.__code__

    def tracer(frame, event, arg):
        if frame.f_code is code:
            seen.append((event, frame.f_lineno - code.co_firstlineno))
            return tracer
        return None

    for n in range(10):
        seen.clear()
        if n in (5, 6, 8):
            old = sys.gettrace()
            sys.settrace(tracer)
            try:
                r = f(batch(t)[0])
            finally:
                sys.settrace(old)
        else:
            r = f(batch(t)[0])
        yield r, list(seen)


@story
def zero_grad_in_place_and_growing(t, compiled):
    net, opt = mlp_with_momentum(t)
    keep = []

    @compiled
    def step(x, y, none):
        opt.zero_grad(set_to_none=none)
        loss = mse(t, net(x), y)
        loss.backward()
        opt.step()
        return loss.detach()

    for n in range(18):
        if n == 5:
            keep.append(net[0].weight.grad)
        if n == 7:
            net[0].weight.grad = net[0].weight.grad.clone()
        if n == 9:
            keep[0].add_(1)
        if n == 11:
            net[2].bias.grad = None
        if n == 13:
            net[2].bias.grad = t.ones(2, requires_grad=True) * 1
        yield step(*batch(t, n % 2), n >= 16), everything(net, opt), list(keep)


@story
def fresh_ordered_dict_batches_die(t, compiled):
    net, opt = mlp_with_momentum(t)
    refs = []

    @compiled
    def step(b):
        opt.zero_grad()
        loss = mse(t, net(b["x"]), b["y"])
        loss.backward()
        opt.step()
        return loss.detach()

    for _ in range(3):
        for i in range(4):
            x, y = batch(t, i)
            b = OD(x=x, y=y)
            refs.append(weakref.ref(b))
            refs.append(weakref.ref(x))
            r = step(b)
            del b, x, y
        yield r
    yield alive(refs)
