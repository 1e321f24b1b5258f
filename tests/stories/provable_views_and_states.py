"""Views that are state, `state_dict()`: and what changes them."""

import collections
import copy
import types

from tests.stories.storykit import (
    attempt_type,
    batch,
    everything,
    fill,
    linear,
    mse,
    numbers,
    story,
)


@story(tolerance=(1e-3, 1e-5))
def views_that_are_state(t, compiled):
    class Att(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.l = t.nn.Linear(3, 3)
            s.register_buffer("mask", t.tril(t.ones(4, 4)).view(1, 4, 4))
            s.base = t.arange(12.0)
            s.row = s.base[3:6]
            s.table = s.base.view(3, 4).t()

        def forward(s, x):
            n = x.shape[0]
            y = s.l(x) * s.row + s.table[:n, :3]
            return (y @ y.T).masked_fill(s.mask[0, :n, :n] == 0, 0.0)

    net = fill(t, Att())
    opt = t.optim.SGD(net.parameters(), lr=0.01)

    @compiled
    def step(x):
        opt.zero_grad()
        loss = net(x).mean()
        loss.backward()
        opt.step()
        return loss.detach()

    for n in range(26):
        if n == 3:
            net.base.mul_(2)
        if n == 5:
            net.row.zero_()
        if n == 7:
            net.mask = t.ones(1, 4, 4)
        if n == 9:
            net.mask = t.triu(t.ones(4, 4)).view(1, 4, 4)
        if n == 11:
            net.base = net.base * 2
        if n == 13:
            net.row.data = t.ones(3)
        if n == 15:
            net.row = net.table[0, :3]
        if n == 17:
            net.table.add_(1)
        if n == 19:
            net.base.requires_grad_(True)
        if n == 23:
            net.row = net.base.detach()[1:4]
        if n == 25:
            net.l.weight.data[0] = 0.5
        yield (
            attempt_type(step, numbers(t, 4 if n % 6 else 3, 3)),
            everything(net),
            net.row.detach(),
            net.base.grad,
        )


@story
def views_that_are_written(t, compiled):
    S = types.SimpleNamespace()
    S.base = t.zeros(6)
    S.a, S.b = S.base[:3], S.base[2:5]

    @compiled
    def f(x):
        S.a.add_(x)
        y = S.b * 2
        S.b.mul_(0.5)
        S.base[0] = 1.0
        return y, S.a + 0, S.a

    for n in range(12):
        if n == 4:
            S.a = S.base[3:]
        if n == 6:
            S.base = t.ones(6)
        if n == 8:
            S.b = S.base.view(2, 3)[1]
        if n == 10:
            S.a = S.b
        x = S.base[:3] if n == 9 else t.ones(3)
        y, c, a = f(x)
        yield y, c, a, S.base, S.b, S.a._version, S.base._version, a is S.a


@story(tolerance=(1e-3, 1e-5))
def views_of_everything(t, compiled):
    net = linear(t)
    big = t.zeros(4, 4)
    S = types.SimpleNamespace(
        v=net.weight.detach()[0],
        w=net.weight.data.view(-1),
        d=big.diagonal(),
        e=t.ones(3).expand(2, 3),
        p=big.permute(1, 0)[1:, ::2],
        nv=t.as_tensor([[1.0, 2.0]]).unsqueeze(0),
    )
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x):
        opt.zero_grad()
        loss = (net(x) * S.nv[0]).pow(2).mean() + (S.e.sum() + S.p.sum())
        loss.backward()
        opt.step()
        return loss.detach(), S.v * 2, S.w + 0, S.d + 1

    for n in range(14):
        if n == 3:
            S.w.mul_(0.5)
        if n == 5:
            big.fill_(3.0)
        if n == 7:
            S.d.add_(1)
        if n == 9:
            net.weight = t.nn.Parameter(t.ones(2, 3))
            opt.param_groups[0]["params"][0] = net.weight
        if n == 11:
            S.nv.zero_()
        if n == 13:
            big.resize_(2, 2)
        yield step(batch(t)[0]), everything(net), S.v, S.w, big


@story
def views_as_arguments_too(t, compiled):
    big = numbers(t, 6)
    S = types.SimpleNamespace(v=big[:3])

    @compiled
    def f(x, y):
        x.add_(1)
        return x * S.v + y, S.v.sum()

    for n in range(12):
        x = [t.ones(3), big, big[3:], S.v][n // 3]
        y = t.ones(3) if n % 2 else S.v
        yield attempt_type(f, x, y), big, S.v, x._version


@story
def view_gets_a_gradient(t, compiled):
    big = numbers(t, 6)
    S = types.SimpleNamespace(v=big[:3])

    @compiled
    def f(x):
        y = (x * S.v).sum()
        if y.requires_grad:
            y.backward()
        return y.detach()

    for n in range(14):
        if n == 3:
            S.v.requires_grad_(True)
        if n == 6:
            S.v = S.v.detach()
        if n == 8:
            S.v.grad = t.ones(3)
        if n == 10:
            S.v.requires_grad_(True)
        if n == 12:
            S.v = big.view(2, 3)[0]
        yield f(t.ones(3)), S.v.grad, S.v.detach(), S.v._version


@story(tolerance=(1e-3, 1e-5))
def averages_of_states(t, compiled):
    net = fill(t, t.nn.Sequential(t.nn.Linear(3, 2), t.nn.BatchNorm1d(2)))
    ema = copy.deepcopy(net)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    S = types.SimpleNamespace(d=0.9)
    net.register_buffer("count", t.zeros(1), persistent=False)

    def update(old, new, fn):
        for e, m in zip(old.state_dict().values(), new.state_dict().values(), strict=False):
            e.copy_(fn(e, m))

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = mse(t, net(x), y)
        loss.backward()
        opt.step()
        with t.no_grad():
            update(ema, net, lambda e, m: S.d * e + (1.0 - S.d) * m)
            msd = net.state_dict()
            for k, v in ema.state_dict().items():
                if v.dtype.is_floating_point:
                    v *= S.d
                    v += (1 - S.d) * msd[k].detach()
        return loss.detach(), len(msd), sorted(msd)

    for n in range(26):
        if n == 3:
            S.d = 0.5
        if n == 5:
            h = net._register_state_dict_hook(
                lambda m, sd, p, md: sd.update({k: v * 0 for k, v in sd.items()})
            )
        if n == 7:
            h.remove()
        if n == 9:
            net[0].weight.data.mul_(2)
        if n == 11:
            net.register_buffer("count", t.zeros(1))
            ema.register_buffer("count", t.ones(1))
        if n == 13:
            net._non_persistent_buffers_set.add("count")
            ema._non_persistent_buffers_set.add("count")
        if n == 15:
            t.nn.BatchNorm1d.get_extra_state = lambda s: t.ones(1)
            t.nn.BatchNorm1d.set_extra_state = lambda s, v: None
        if n == 17:
            del t.nn.BatchNorm1d.get_extra_state, t.nn.BatchNorm1d.set_extra_state
        if n == 19:
            net.state_dict = ema.state_dict
        if n == 21:
            del net.state_dict
        if n == 23:
            ema.append(t.nn.Identity())
            net.append(t.nn.Identity())
        if n == 25:
            ema = copy.deepcopy(net)
        yield attempt_type(step, *batch(t)), everything(net), everything(ema)


@story
def states_returned_and_kept(t, compiled):
    net = linear(t)
    kept = []

    @compiled
    def f(x):
        sd = net.state_dict()
        with t.no_grad():
            sd["bias"].add_(1)
        if isinstance(sd, collections.OrderedDict):
            sd["more"] = x * 2
        sd.move_to_end("bias")
        return sd

    @compiled
    def g(x):
        sd = net.state_dict()
        sd.pop("bias")
        sd["w2"] = sd["weight"] * 2
        return dict(sd), {k: v.clone() for k, v in sd.items()}, "bias" in sd

    for n in range(8):
        if n == 4:
            net.bias = None
        r = attempt_type(f, t.ones(2))
        kept.append(r)
        yield r, attempt_type(g, t.ones(2)), everything(net)
