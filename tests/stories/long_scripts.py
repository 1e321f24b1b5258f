"""Whole scripts as researchers write them, with things changed on the way."""

import collections
import copy
import math
import types

import numpy as np

from tests.stories.storykit import (
    batch,
    everything,
    fill,
    numbers,
    story,
)


@story
def dqn_with_prioritised_replay(t, compiled):
    t.set_default_dtype(t.float64)  # or roundings would grow from step to step
    nn, F = t.nn, t.nn.functional
    rng = np.random.RandomState(0)

    class Q(nn.Module):
        def __init__(s):
            super().__init__()
            s.f = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
            s.v = nn.Linear(8, 1)
            s.a = nn.Linear(8, 2)

        def forward(s, x):
            h = s.f(x)
            a = s.a(h)
            return s.v(h) + a - a.mean(1, keepdim=True)

    Tr = collections.namedtuple("Tr", "s a r s2 d")

    class Buffer:
        def __init__(s, n):
            s.n, s.data, s.prio = n, [], []

        def push(s, *x):
            if len(s.data) >= s.n:
                s.data.pop(0)
                s.prio.pop(0)
            s.data.append(Tr(*x))
            s.prio.append(max(s.prio, default=1.0))

        def sample(s, k):
            p = np.array(s.prio)
            p = p / p.sum()
            ids = rng.choice(len(s.data), k, p=p)
            w = (len(s.data) * p[ids]) ** -0.4
            rows = Tr(*zip(*[s.data[i] for i in ids], strict=False))
            return ids, t.tensor(w / w.max()), Tr(*[t.tensor(np.array(c)) for c in rows])

        def update(s, ids, e):
            for i, v in zip(ids, e, strict=False):
                s.prio[i] = float(abs(v)) + 1e-3

    q = fill(t, Q())
    target = copy.deepcopy(q)
    for p in target.parameters():
        p.requires_grad_(False)
    opt = t.optim.Adam(q.parameters(), lr=0.01)
    buf = Buffer(20)
    cfg = types.SimpleNamespace(gamma=0.9, double=True, tau=None)
    stats = collections.Counter()

    @compiled
    def act(s, eps):
        if rng.rand() < eps:
            stats["random"] += 1
            return int(rng.randint(2))
        with t.no_grad():
            return int(q(s[None]).argmax(1).item())

    @compiled
    def learn(w, b):
        qa = q(b.s).gather(1, b.a[:, None]).squeeze(1)
        with t.no_grad():
            if cfg.double:
                best = q(b.s2).argmax(1, keepdim=True)
                nxt = target(b.s2).gather(1, best).squeeze(1)
            else:
                nxt = target(b.s2).max(1).values
            y = b.r + cfg.gamma * nxt * (1 - b.d)
        td = y - qa
        loss = (w * F.smooth_l1_loss(qa, y, reduction="none")).mean()
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(q.parameters(), 1.0)
        opt.step()
        if cfg.tau is not None:
            with t.no_grad():
                for p, tp in zip(q.parameters(), target.parameters(), strict=False):
                    tp.mul_(1 - cfg.tau).add_(p, alpha=cfg.tau)
        return loss.detach(), td.detach()

    s = rng.randn(4)
    for n in range(24):
        a = act(t.tensor(s), max(0.1, 1 - n / 10))
        s2 = rng.randn(4) + a
        r = float(s2.sum())
        d = float(n % 6 == 5)
        buf.push(s, a, r, s2, d)
        s = s2
        if n == 12:
            cfg.double = False
        if n == 16:
            cfg.tau = 0.1
        if n == 20:
            cfg.gamma = 0.5
        if n % 5 == 4 and cfg.tau is None:
            target.load_state_dict(q.state_dict())
        if len(buf.data) >= 4:
            ids, w, b = buf.sample(4)
            loss, td = learn(w, b)
            buf.update(ids, td.tolist())
            yield a, loss, td, dict(stats), everything(q, opt), everything(target)
        else:
            yield a


@story(draws=False)
def vae_with_beta_annealing_and_free_bits(t, compiled):
    nn, F = t.nn, t.nn.functional

    class VAE(nn.Module):
        def __init__(s):
            super().__init__()
            s.e = nn.Linear(3, 8)
            s.mu = nn.Linear(8, 2)
            s.lv = nn.Linear(8, 2)
            s.d = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3))
            s.eps = None

        def reparam(s, mu, lv):
            if not s.training:
                return mu
            return mu + (0.5 * lv).exp() * s.eps

        def forward(s, x):
            h = F.relu(s.e(x))
            mu, lv = s.mu(h), s.lv(h).clamp(-5, 5)
            z = s.reparam(mu, lv)
            return s.d(z), mu, lv

    m = fill(t, VAE())
    opt = t.optim.AdamW(m.parameters(), lr=0.01)
    sched = t.optim.lr_scheduler.StepLR(opt, 4, 0.5)

    class Beta:
        def __init__(s, top, steps):
            s.top, s.steps, s.n = top, steps, 0

        @property
        def value(s):
            return s.top * min(1.0, s.n / s.steps)

        def step(s):
            s.n += 1

    beta = Beta(2.0, 6)
    free = {"bits": 0.0}
    hist = collections.defaultdict(list)

    @compiled
    def step(x):
        rec, mu, lv = m(x)
        r = F.mse_loss(rec, x, reduction="sum") / x.shape[0]
        kl = -0.5 * (1 + lv - mu.pow(2) - lv.exp())
        if free["bits"] > 0:
            kl = kl.clamp(min=free["bits"])
        kl = kl.sum(1).mean()
        loss = r + beta.value * kl
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        for k, v in dict(rec=r, kl=kl, loss=loss).items():
            hist[k].append(v.item())
        return loss.item()

    @compiled
    def evaluate(x):
        m.eval()
        try:
            with t.no_grad():
                return m(x)[0]
        finally:
            m.train()

    for n in range(14):
        m.eps = numbers(t, 4, 2, seed=50 + n)
        if n == 7:
            free["bits"] = 0.05
        if n == 10:
            m.d[1] = nn.ReLU()
        yield (
            step(batch(t, n % 3)[0]),
            {k: v[-1] for k, v in hist.items()},
            everything(m, opt),
            evaluate(batch(t, 9)[0]),
        )
        beta.step()
        sched.step()


@story
def diffusion_with_ema_and_schedule_swap(t, compiled):
    nn, F = t.nn, t.nn.functional

    def linear_s(T):
        return t.linspace(1e-4, 0.2, T)

    def cosine_s(T):
        s = t.arange(T + 1) / T
        f = t.cos((s + 0.008) / 1.008 * math.pi / 2) ** 2
        return (1 - f[1:] / f[:-1]).clamp(max=0.999)

    class D(nn.Module):
        def __init__(s, T, sched):
            super().__init__()
            s.T = T
            s.set(sched)
            s.net = nn.Sequential(nn.Linear(4, 16), nn.SiLU(), nn.Linear(16, 3))

        def set(s, sched):
            b = sched(s.T)
            for k, v in dict(beta=b, abar=(1 - b).cumprod(0)).items():
                s.register_buffer(k, v, persistent=False)

        def q(s, x, i, e):
            a = s.abar[i][:, None]
            return a.sqrt() * x + (1 - a).sqrt() * e

        def forward(s, x, i):
            return s.net(t.cat([x, i[:, None].to(x.dtype) / s.T], 1))

        def loss(s, x, i, e):
            return F.mse_loss(s(s.q(x, i, e), i), e)

    class EMA:
        def __init__(s, m, d):
            s.m, s.d, s.shadow, s.backup = (
                m,
                d,
                {k: v.clone() for k, v in m.state_dict().items()},
                None,
            )

        def update(s):
            for k, v in s.m.state_dict().items():
                s.shadow[k] = s.shadow[k] * s.d + v * (1 - s.d)

        def __enter__(s):
            s.backup = {k: v.clone() for k, v in s.m.state_dict().items()}
            s.m.load_state_dict(s.shadow)
            return s.m

        def __exit__(s, *a):
            s.m.load_state_dict(s.backup)

    d = fill(t, D(8, linear_s))
    opt = t.optim.Adam(d.parameters(), lr=0.01)
    ema = EMA(d, 0.9)

    @compiled
    def step(x, i, e):
        opt.zero_grad()
        loss = d.loss(x, i, e)
        loss.backward()
        opt.step()
        with t.no_grad():
            ema.update()
        return loss

    @compiled
    def sample(x):
        with t.no_grad():
            for i in reversed(range(d.T)):
                ii = t.full((x.shape[0],), i)
                e = d(x, ii)
                b, a = d.beta[i], d.abar[i]
                x = (x - b / (1 - a).sqrt() * e) / (1 - b).sqrt()
            return x

    for n in range(10):
        if n == 4:
            d.set(cosine_s)
        if n == 7:
            ema.d = 0.5
        g = np.random.RandomState(n)
        yield (
            step(
                numbers(t, 4, 3, seed=n),
                t.tensor(g.randint(0, 8, 4)),
                numbers(t, 4, 3, seed=n + 90),
            ),
            ema.shadow["net.0.weight"],
            everything(d),
        )
        if n % 3 == 2:
            with ema:
                yield sample(numbers(t, 2, 3, seed=5))


@story
def wgan_gp_with_critic_iterations(t, compiled):
    nn = t.nn
    G = fill(t, nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 3)))
    C = fill(t, nn.Sequential(nn.Linear(3, 6), nn.LeakyReLU(0.2), nn.Linear(6, 1)))
    og, oc = (
        t.optim.Adam(G.parameters(), lr=0.01, betas=(0.0, 0.9)),
        t.optim.Adam(C.parameters(), lr=0.01, betas=(0.0, 0.9)),
    )
    cfg = dict(lam=10.0, n_critic=2)
    log = []

    def gp(real, fake, e):
        x = (e * real + (1 - e) * fake).requires_grad_(True)
        out = C(x)
        (g,) = t.autograd.grad(out, x, t.ones_like(out), create_graph=True, retain_graph=True)
        return ((g.norm(2, dim=1) - 1) ** 2).mean()

    @compiled
    def critic(real, z, e):
        fake = G(z).detach()
        loss = C(fake).mean() - C(real).mean()
        if cfg["lam"]:
            loss = loss + cfg["lam"] * gp(real, fake, e)
        oc.zero_grad()
        loss.backward()
        oc.step()
        return loss

    @compiled
    def generator(z):
        for p in C.parameters():
            p.requires_grad = False
        loss = -C(G(z)).mean()
        og.zero_grad()
        loss.backward()
        og.step()
        for p in C.parameters():
            p.requires_grad = True
        return loss

    for n in range(10):
        if n == 4:
            cfg["lam"] = 0.0
        if n == 6:
            cfg["lam"] = 1.0
        if n == 8:
            C[1] = nn.ReLU()
        ls = [
            critic(
                numbers(t, 4, 3, seed=n * 7 + k),
                numbers(t, 4, 2, seed=n * 5 + k),
                numbers(t, 4, 1, seed=k).sigmoid(),
            ).detach()
            for k in range(cfg["n_critic"])
        ]
        log.append(generator(numbers(t, 4, 2, seed=n)).item())
        yield ls, log[-1], everything(G, og), everything(C, oc)


@story
def moco_queue_and_momentum_encoder(t, compiled):
    t.set_default_dtype(t.float64)  # or roundings would grow from step to step
    nn, F = t.nn, t.nn.functional

    class M(nn.Module):
        def __init__(s, K=6, m=0.9, T=0.2):
            super().__init__()
            s.q = nn.Linear(3, 2)
            s.k = nn.Linear(3, 2)
            s.m, s.T, s.K = m, T, K
            for a, b in zip(s.q.parameters(), s.k.parameters(), strict=False):
                b.data.copy_(a.data)
                b.requires_grad = False
            s.register_buffer("queue", F.normalize(numbers(t, 2, K, seed=3), dim=0))
            s.register_buffer("ptr", t.zeros(1, dtype=t.long))

        @t.no_grad()
        def _momentum(s):
            for a, b in zip(s.q.parameters(), s.k.parameters(), strict=False):
                b.data = b.data * s.m + a.data * (1.0 - s.m)

        @t.no_grad()
        def _enqueue(s, k):
            n = k.shape[0]
            p = int(s.ptr)
            s.queue[:, p : p + n] = k.T
            s.ptr[0] = (p + n) % s.K

        def forward(s, a, b):
            q = F.normalize(s.q(a), dim=1)
            with t.no_grad():
                s._momentum()
                k = F.normalize(s.k(b), dim=1)
            pos = t.einsum("nc,nc->n", [q, k]).unsqueeze(-1)
            neg = t.einsum("nc,ck->nk", [q, s.queue.clone().detach()])
            logits = t.cat([pos, neg], 1) / s.T
            s._enqueue(k)
            return logits, t.zeros(logits.shape[0], dtype=t.long)

    m = fill(t, M())
    opt = t.optim.SGD(m.q.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

    @compiled
    def step(a, b):
        logits, y = m(a, b)
        loss = F.cross_entropy(logits, y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        acc = (logits.argmax(1) == y).double().mean()
        return loss, acc

    for n in range(12):
        if n == 5:
            m.T = 0.5
        if n == 8:
            m.m = 0.0
        term, acc = step(numbers(t, 2, 3, seed=n), numbers(t, 2, 3, seed=n + 40))
        yield term.detach(), acc, everything(m), everything(m.q, opt)
