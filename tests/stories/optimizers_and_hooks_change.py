"""Optimizers, hooks and modes that change between calls."""

import copy
import functools
import itertools
import math
import operator
import threading
import types

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


@story
def outputs_mutated_later(t, compiled):
    net = linear(t)

    @compiled
    def f(x):
        with t.no_grad():
            h = net(x)
            return h, h.t(), h.view(-1), x, net.weight

    for n in range(8):
        x = batch(t, n % 2)[0]
        h, ht, hv, xx, w = f(x)
        hv[0] = 9.0
        with t.no_grad():
            xx.add_(1)
        if n == 4:
            with t.no_grad():
                w.mul_(2)
        yield h, ht, hv, x, net.weight


@story
def inference_mode_nesting(t, compiled):
    net = linear(t)

    @compiled
    def f(x):
        with t.inference_mode():
            a = net(x)
            with t.inference_mode(False):
                pass
            with t.enable_grad():
                b = a * 2
        return b, a.is_inference(), b.requires_grad

    for n in range(7):
        if n % 2:
            with t.no_grad():
                yield f(batch(t)[0])
        else:
            yield f(batch(t)[0])


@story
def hook_handles_on_tensors_and_modules(t, compiled):
    net, opt = mlp_with_momentum(t)
    log = []
    step = train_step(t, compiled, net, opt)
    hs = {}
    for n in range(22):
        if n == 4:
            hs["p"] = net[0].weight.register_hook(lambda g: g * 2)
        if n == 6:
            hs["f"] = net[0].register_forward_hook(lambda m, i, o: o * 1.5)
        if n == 8:
            hs["b"] = net[2].register_full_backward_hook(lambda m, gi, go: log.append(len(gi)))
        if n == 10:
            hs["p"].remove()
        if n == 12:
            hs["f"].remove()
        if n == 14:
            hs["b"].remove()
        if n == 16:
            hs["a"] = net[0].weight.register_post_accumulate_grad_hook(
                lambda p: log.append(tuple(p.shape))
            )
        if n == 18:
            hs["a"].remove()
        if n == 19:
            hs["o"] = opt.register_step_post_hook(lambda o, a, k: log.append("s"))
        if n == 20:
            hs["o"].remove()
        yield step(*batch(t)).detach(), list(log), everything(net)


@story
def nan_batches_are_skipped(t, compiled):
    net, opt = mlp_with_momentum(t)
    skipped = []

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = mse(t, net(x), y)
        if not t.isfinite(loss):
            skipped.append(loss.item())
            return None
        loss.backward()
        opt.step()
        return loss.item()

    for n in range(12):
        x, y = batch(t, n % 2)
        if n in (3, 7):
            x[0, 0] = float("nan")
        if n == 9:
            y[0, 0] = float("inf")
        yield step(x, y), skipped, everything(net)


@story
def early_stopping_restores_checkpoint(t, compiled):
    net, opt = mlp_with_momentum(t)

    class Stop:
        def __init__(s):
            s.best, s.bad, s.state = math.inf, 0, None

        def __call__(s, v):
            if v < s.best - 1e-3:
                s.best, s.bad, s.state = v, 0, copy.deepcopy(net.state_dict())
            else:
                s.bad += 1
            return s.bad >= 2

    stop = Stop()
    step = train_step(t, compiled, net, opt)

    @compiled
    def validate(x, y):
        with t.no_grad():
            return mse(t, net(x), y)

    for n in range(12):
        if n == 5:
            opt.param_groups[0]["lr"] = 2.0
        step(*batch(t, n % 3))
        v = validate(*batch(t, 7)).item()
        done = stop(v)
        if done:
            net.load_state_dict(stop.state)
            opt.param_groups[0]["lr"] = 0.05
            stop.bad = 0
        yield v, done, everything(net, opt)


@story
def accumulate_then_clip_with_counter_arg(t, compiled):
    net, opt = mlp_with_momentum(t)

    @compiled
    def step(x, y, i, every):
        loss = mse(t, net(x), y) / every
        loss.backward()
        if (i + 1) % every == 0:
            t.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            opt.step()
            opt.zero_grad()
        return loss.detach()

    for n in range(16):
        yield step(*batch(t, n % 2), n % 4, 4 if n < 8 else 2), everything(net)


@story
def threads_take_turns_with_modes(t, compiled):
    net = fill(t, t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4)))
    f = compiled(lambda x: net(x).sum())
    for n in range(8):
        out = []

        def run(out=out):
            with t.no_grad():
                out.append(f(batch(t, 1)[0]))

        if n == 4:
            net.eval()
        th = threading.Thread(target=run)
        th.start()
        th.join()
        r = f(batch(t)[0])
        yield out[0], r, dict(net.state_dict())
        r.backward()


@story
def closures_in_loops_late_binding(t, compiled):
    net = linear(t)
    fs = []
    for k in range(3):
        fs.append(compiled(lambda x: (net(x) * k).sum().detach()))  # noqa: B023 - what it is about
    for n in range(9):
        if n == 5:
            k = 10
        yield [f(batch(t)[0]) for f in fs]


@story
def partial_objects_swapped(t, compiled):
    net = linear(t)

    def head(x, w, b=0.0):
        return (x * w + b).sum().detach()

    h = {"p": functools.partial(head, w=2.0)}

    @compiled
    def f(x):
        return h["p"](net(x))

    for n in range(14):
        if n == 4:
            h["p"].keywords["w"] = 3.0
        if n == 7:
            h["p"] = functools.partial(h["p"], b=1.0)
        if n == 10:
            h["p"].__setstate__((head, (), {"w": 5.0}, {}))
        if n == 12:
            h["p"] = functools.partial(head, w=1.0, c=3)
        yield attempt_type(f, batch(t)[0])


@story
def operator_getters(t, compiled):
    net = linear(t)
    d = {"a": types.SimpleNamespace(k=2.0)}
    get = operator.itemgetter("a")
    at = operator.attrgetter("k")

    @compiled
    def f(x):
        with t.no_grad():
            return net(x).sum() * at(get(d))

    for n in range(10):
        if n == 4:
            d["a"].k = 3.0
        if n == 7:
            d["a"] = types.SimpleNamespace(k=4.0)
        yield f(batch(t)[0])


@story
def chained_properties_and_getattr(t, compiled):
    class Lazy:
        def __init__(s):
            s.calls = 0
            s.opts = {"k": 1.0}

        def __getattr__(s, name):
            if name.startswith("_"):
                raise AttributeError(name)
            s.__dict__["calls"] += 1
            return s.opts[name]

    lz = Lazy()
    net = linear(t)

    @compiled
    def f(x):
        with t.no_grad():
            return net(x).sum() * lz.k

    for n in range(12):
        if n == 4:
            lz.opts["k"] = 2.0
        if n == 7:
            lz.__dict__["k"] = 9.0
        if n == 10:
            del lz.__dict__["k"]
        yield f(batch(t)[0]), lz.calls


@story
def time_dependent_schedule(t, compiled):
    clock = itertools.count()

    def now():
        return next(clock)

    net, opt = mlp_with_momentum(t)

    @compiled
    def step(x, y):
        for g in opt.param_groups:
            g["lr"] = 0.1 / (1 + now())
        opt.zero_grad()
        loss = mse(t, net(x), y)
        loss.backward()
        opt.step()
        return loss.detach()

    for _ in range(8):
        yield step(*batch(t)), everything(net, opt)


@story
def lambda_default_captures_tensor(t, compiled):
    net = linear(t)
    w = t.ones(2)
    f = compiled(lambda x, w=w: (net(x) * w).sum().detach())
    for n in range(10):
        if n == 4:
            w.mul_(2)
        if n == 7:
            w.data = t.zeros(2)
        yield f(batch(t)[0])
