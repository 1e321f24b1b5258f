"""Closures, objects and numbers that change between calls."""

import itertools
import math
import types

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
def kwargs_and_pos_only(t, compiled):
    net = linear(t)

    @compiled
    def f(x, /, *xs, scale=1.0, **rest):
        with t.no_grad():
            out = net(x).sum() * scale
            for o in xs:
                out = out + o.sum()
            for k, v in rest.items():
                out = out + v * len(k)
            return out

    for n in range(14):
        x = batch(t)[0]
        args = [(), (x,), (x, x)][n // 3 % 3]
        kw = [{}, {"a": 1.0}, {"a": 1.0, "bb": 2.0}, {"bb": 2.0, "a": 1.0}, {"x": 3.0}][n % 5]
        yield f(x, *args, **kw), f(x, *args, **kw, scale=2.0)


@story
def same_address_new_object(t, compiled):
    net = linear(t)

    class Opt:
        def __init__(s, k):
            s.k = k

    @compiled
    def f(o, x):
        with t.no_grad():
            return net(x).sum() * o.k

    for n in range(12):
        yield f(Opt(float(n // 2)), batch(t)[0])


@story
def objects_made_in_the_prologue(t, compiled):
    net, opt = mlp_with_momentum(t)
    it = itertools.count()

    class M:
        def __init__(s, k):
            s.k = k
            s.total = 0.0

        def add(s, v):
            s.total += v

    @compiled
    def step(x, y):
        n = next(it)
        m = M(1.0 + n // 3)
        opt.zero_grad()
        loss = mse(t, net(x), y) * m.k
        loss.backward()
        opt.step()
        m.add(loss.item())
        return m.total, n

    for n in range(12):
        yield step(*batch(t, n % 2)), everything(net)


@story
def counters_before_and_after(t, compiled):
    class Tr:
        def __init__(s):
            s.net, s.opt = mlp_with_momentum(t)
            s.n = 0
            s.hist = []
            s.ema = None
            s.best = math.inf

        def step(s, x, y):
            s.n += 1
            if s.n % 4 == 0:
                for g in s.opt.param_groups:
                    g["lr"] *= 0.5
            s.opt.zero_grad()
            loss = mse(t, s.net(x), y)
            loss.backward()
            s.opt.step()
            v = loss.item()
            s.ema = v if s.ema is None else 0.9 * s.ema + 0.1 * v
            s.hist.append(v)
            if v < s.best:
                s.best = v
                s.state = {k: p.clone() for k, p in s.net.state_dict().items()}
            return v

    tr = Tr()
    f = compiled(tr.step)
    for n in range(14):
        if n == 8:
            tr.n = 0
        if n == 10:
            tr.opt.param_groups[0]["momentum"] = 0.0
        yield (
            f(*batch(t, n % 2)),
            tr.n,
            tr.ema,
            tr.best,
            tr.state["0.weight"],
            everything(tr.net, tr.opt),
        )


@story
def frozen_constant_lists_of_tensors(t, compiled):
    net = linear(t)
    banks = [t.ones(2), t.ones(2) * 2]
    sel = [0]

    @compiled
    def f(x):
        with t.no_grad():
            w = t.stack(banks).mean(0)
            return (net(x) * w * banks[sel[0]]).sum()

    for n in range(16):
        if n == 4:
            banks[0].mul_(3)
        if n == 7:
            banks[1] = t.zeros(2)
        if n == 10:
            banks.append(t.ones(2))
        if n == 12:
            sel[0] = 2
        if n == 14:
            banks[2].data = t.ones(2) * 9
        yield f(batch(t)[0])


@story
def operators_on_own_scalar_class(t, compiled):
    class S(float):
        def __mul__(s, o):
            return float(s) * o * K[0]

        __rmul__ = __mul__

    K = [1.0]
    net = linear(t)
    h = types.SimpleNamespace(s=S(2.0))

    @compiled
    def f(x):
        with t.no_grad():
            return net(x).sum() * h.s + h.s * net(x).sum()

    for n in range(8):
        if n == 4:
            K[0] = 5.0
        yield f(batch(t)[0])


@story
def bool_flags_that_equal_numbers(t, compiled):
    net = linear(t)
    h = types.SimpleNamespace(flag=True, n=1)

    @compiled
    def f(x):
        with t.no_grad():
            out = net(x) * h.flag + h.n
            return out.sum() if h.flag is True else out.mean()

    for n in range(16):
        if n == 4:
            h.flag = 1
        if n == 8:
            h.flag = 1.0
            h.n = 1.0
        if n == 12:
            h.n = True
            h.flag = True
        yield attempt(f, batch(t)[0])


@story
def int_tensors_and_float_scalars(t, compiled):
    h = types.SimpleNamespace(k=2)
    f = compiled(lambda x: x * h.k)
    g = compiled(lambda x, k: x / k + k)
    for n in range(14):
        if n == 4:
            h.k = 2.0
        if n == 8:
            h.k = True
        if n == 11:
            h.k = 2 + 0j
        yield f(t.tensor([1, 2])), g(t.tensor([1, 2]), h.k)


@story
def results_used_as_next_arguments(t, compiled):
    net = fill(t, t.nn.Linear(3, 3))

    @compiled
    def f(h, x):
        with t.no_grad():
            return t.tanh(net(x) + h), h

    h = t.zeros(4, 3)
    kept = []
    for n in range(12):
        new, old = f(h, batch(t, n % 2)[0])
        kept.append(new)
        yield new, old is h, list(kept[-3:])
        if n == 6:
            old.zero_()
            new = new.clone()
        h = new


@story
def result_graphs_spent_and_used_again(t, compiled):
    net, opt = mlp_with_momentum(t)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = mse(t, net(x), y)
        loss.backward()
        opt.step()
        return loss

    for n in range(7):
        term = step(*batch(t))
        yield (
            term,
            term.grad_fn is not None,
            attempt_type(term.backward),
            attempt_type(t.autograd.grad, term, list(net.parameters())),
            term.requires_grad,
            term.is_leaf,
        )
        h = []
        if n == 3:
            term.register_hook(h.append)
        yield (term * 2).requires_grad, len(h)


@story
def nested_functions_with_returned_closures(t, compiled):
    net = linear(t)

    def make(k):
        def inner(x):
            return net(x) * k

        def setk(v):
            nonlocal k
            k = v

        return inner, setk

    inner, setk = make(1.0)

    @compiled
    def f(x):
        with t.no_grad():
            return inner(x).sum()

    for n in range(10):
        if n == 4:
            setk(2.0)
        if n == 7:
            setk(t.ones(2) * 3)
        yield f(batch(t)[0])
