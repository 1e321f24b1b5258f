"""Recipes of training, with a change of some kind between the calls."""

import contextlib
import copy
import types

from tests.stories.storykit import (
    batch,
    everything,
    fill,
    linear,
    mlp,
    numbers,
    story,
    train_step,
)


@story
def soft_update_in_the_step(t, compiled):
    actor, target = mlp(t), copy.deepcopy(mlp(t))
    opt = t.optim.Adam(actor.parameters(), lr=0.01)
    tau = 0.1

    @compiled
    def step(x, y):
        loss = ((actor(x) - y - 0.1 * target(x).detach()) ** 2).mean()
        opt.zero_grad(set_to_none=False)
        loss.backward()
        opt.step()
        with t.no_grad():
            for p, q in zip(actor.parameters(), target.parameters(), strict=True):
                q.lerp_(p, tau)
        return loss

    for i in range(7):
        if i == 3:
            tau = 0.7
        if i == 5:
            target[0].weight.data = actor[0].weight.data.clone() * 2
        yield step(*batch(t, i)), everything(actor, opt), everything(target)


@story
def kv_cache_class(t, compiled):
    class Cache:
        def __init__(self):
            self.k = self.v = None
            self.seen = 0

        def update(self, k, v):
            self.k = k if self.k is None else t.cat([self.k, k], 1)
            self.v = v if self.v is None else t.cat([self.v, v], 1)
            self.seen += k.shape[1]
            return self.k, self.v

    w = fill(t, t.nn.Linear(3, 9))
    cache = Cache()

    @compiled
    def decode(x, cache):
        with t.no_grad():
            q, k, v = w(x).split(3, dim=-1)
            k, v = cache.update(k, v)
            return t.nn.functional.scaled_dot_product_attention(q, k, v)

    for i in range(6):
        if i == 4:
            cache = Cache()
        yield decode(numbers(t, 1, 1, 3, seed=i), cache), cache.k, cache.seen


@story
def lora_injected(t, compiled):
    class LoRA(t.nn.Module):
        def __init__(self, base, r, alpha):
            super().__init__()
            self.base = base
            base.requires_grad_(False)
            self.A, self.B = t.nn.Parameter(numbers(t, r, 3)), t.nn.Parameter(t.zeros(4, r))
            self.scaling = alpha / r
            self.merged = False

        def forward(self, x):
            out = self.base(x)
            if not self.merged:
                out = out + (x @ self.A.T @ self.B.T) * self.scaling
            return out

        def merge(self):
            self.base.weight.data += self.B @ self.A * self.scaling
            self.merged = True

    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        opt.step()
        return loss

    for i in range(9):
        if i == 2:
            net[0] = LoRA(net[0], 2, 4.0)
            opt = t.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
        if i == 5:
            net[0].scaling = 0.5
        if i == 6:
            net[0].merge()
        if i == 8:
            net[0] = net[0].base
        yield step(*batch(t, i)), everything(net)


@story
def weight_tying_later(t, compiled):
    emb, out = fill(t, t.nn.Embedding(5, 3)), fill(t, t.nn.Linear(3, 5, bias=False))
    opt = t.optim.SGD([*emb.parameters(), *out.parameters()], lr=0.1)

    @compiled
    def step(i):
        opt.zero_grad()
        loss = t.nn.functional.cross_entropy(out(emb(i)), i)
        loss.backward()
        opt.step()
        return loss

    for i in range(7):
        if i == 2:
            out.weight = emb.weight
        if i == 5:
            out.weight = t.nn.Parameter(emb.weight.detach().clone())
        yield step(t.tensor([i % 5, 1, 2])), everything(emb), everything(out)


@story
def gradient_accumulation(t, compiled):
    net = mlp(t)
    opt = t.optim.Adam(net.parameters(), lr=0.01)
    every = 2
    state = {"n": 0}

    @compiled
    def micro(x, y):
        loss = ((net(x) - y) ** 2).mean() / every
        loss.backward()
        state["n"] += 1
        if state["n"] % every == 0:
            opt.step()
            opt.zero_grad()
        return loss.detach()

    for i in range(8):
        if i == 4:
            every = 3
        yield micro(*batch(t, i)), dict(state), everything(net, opt)


@story
def replace_layers(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    for i in range(9):
        if i == 2:
            net[1] = t.nn.ReLU()
        if i == 3:
            net[2] = fill(t, t.nn.Linear(4, 2))
        if i == 4:
            net.insert(1, t.nn.Identity())
        if i == 5:
            net.append(t.nn.Softplus())
        if i == 6:
            del net[1]
        if i == 7:
            setattr(net, "1", t.nn.Sigmoid())
        if i == 8:
            net._modules["1"] = t.nn.Tanh()
        yield step(*batch(t, i)), everything(net, opt)


@story
def grads_by_hand(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y, noise):
        opt.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        for p in net.parameters():
            if p.grad is not None:
                p.grad.add_(noise)
        opt.step()
        return loss

    for i in range(8):
        if i == 3:
            net[0].weight.grad = t.ones(4, 3)
        if i == 4:
            net[0].weight.grad = None
        if i == 5:
            net[0].bias.requires_grad_(False)
        if i == 6:
            net[2].bias.grad = net[2].bias.detach()
        yield step(*batch(t, i), 0.0 if i < 2 else 0.1 * i), everything(net)


@story
def data_swap_two_nets(t, compiled):
    a, b = mlp(t), mlp(t)
    with t.no_grad():
        b[0].weight.mul_(2)
    oa = t.optim.SGD(a.parameters(), lr=0.1)
    step = train_step(t, compiled, a, oa)
    for i in range(7):
        if i in (2, 4):
            a[0].weight.data, b[0].weight.data = b[0].weight.data, a[0].weight.data
        if i == 5:
            b[0].weight.data = a[0].weight.data
        if i == 6:
            b[0].weight.data.add_(1)
        yield step(*batch(t, i)), everything(a, oa), everything(b)


@story
def param_group_of_params_edited(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    step = train_step(t, compiled, net, opt)
    g = opt.param_groups[0]
    for i in range(9):
        if i == 2:
            p = g["params"].pop()
        if i == 4:
            g["params"].append(p)
        if i == 5:
            g["params"].reverse()
        if i == 6:
            opt.param_groups = [dict(g, lr=0.01, params=list(g["params"]))]
        if i == 7:
            opt.param_groups.append(dict(g, params=[], lr=0.3))
        if i == 8:
            opt.param_groups.clear()
        yield step(*batch(t, i)), [everything(net)[k] for k in sorted(everything(net))]


@story
def parameters_iterated_after_added(t, compiled):
    net = mlp(t)

    @compiled
    def step(x, y):
        net.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        with t.no_grad():
            for p in net.parameters():
                if p.grad is not None:
                    p -= 0.1 * p.grad
        return loss

    for i in range(8):
        if i == 2:
            net.append(fill(t, t.nn.Linear(2, 2)))
        if i == 4:
            net[0].register_parameter("bias", None)
        if i == 6:
            net.register_parameter("unused", t.nn.Parameter(t.ones(1)))
        yield step(*batch(t, i)), everything(net)


@story
def lightning_like(t, compiled):
    class Lit(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.l = t.nn.Linear(3, 2)
            self.logged = {}
            self.global_step = 0
            self.hparams = types.SimpleNamespace(wd=0.0)

        def log(self, k, v):
            self.logged[k] = float(v)

        def forward(self, x):
            return self.l(x)

        def training_step(self, b, i):
            x, y = b
            loss = ((self(x) - y) ** 2).mean() + self.hparams.wd * self.l.weight.pow(2).sum()
            self.log("loss", loss)
            return {"loss": loss, "log": {"n": i}}

        def on_end(self, out):
            self.global_step += 1

    m = fill(t, Lit())
    opt = t.optim.SGD(m.parameters(), lr=0.1)

    @compiled
    def run(b, i):
        out = m.training_step(b, i)
        opt.zero_grad()
        out["loss"].backward()
        opt.step()
        m.on_end(out)
        return out

    for i in range(6):
        if i == 3:
            m.hparams.wd = 0.5
        if i == 5:
            m.training_step = lambda b, i: {"loss": m(b[0]).sum()}
        yield run(batch(t, i), i), m.logged, m.global_step, everything(m)


@story
def meta_weights_swapped_temporarily(t, compiled):
    net = mlp(t)
    ema = [p.detach().clone() * 0.5 for p in net.parameters()]

    @contextlib.contextmanager
    def swapped():
        old = [p.data for p in net.parameters()]
        for p, e in zip(net.parameters(), ema, strict=True):
            p.data = e
        try:
            yield
        finally:
            for p, o in zip(net.parameters(), old, strict=True):
                p.data = o

    @compiled
    def both(x):
        with t.no_grad():
            a = net(x)
            with swapped():
                b = net(x)
            return a, b

    for i in range(6):
        if i == 3:
            ema[0].mul_(3)
        yield both(numbers(t, 2, 3, seed=i)), everything(net)


@story
def frozen_bn_stats(t, compiled):
    net = t.nn.Sequential(linear(t), t.nn.BatchNorm1d(2))
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        net.train()
        net[1].eval()
        opt.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        opt.step()
        return loss

    for i in range(7):
        if i == 3:
            net[1].running_mean.add_(1)
        if i == 5:
            net[1].weight.requires_grad_(False)
        yield step(*batch(t, i)), everything(net)
