"""Whole scripts that adapt, distil, prune or share a network."""

import random
import types

import numpy as np

from tests.stories.storykit import (
    batch,
    everything,
    fill,
    mlp,
    mlp_with_momentum,
    mse,
    story,
    train_step,
)


@story
def seq2seq_teacher_forcing_and_beam(t, compiled):
    nn, _F = t.nn, t.nn.functional

    class S(nn.Module):
        def __init__(s):
            super().__init__()
            s.emb = nn.Embedding(7, 4, padding_idx=0)
            s.enc = nn.GRU(4, 5, batch_first=True)
            s.dec = nn.GRUCell(4, 5)
            s.out = nn.Linear(5, 7)

        def forward(s, src, tgt, ratio, rng):
            _, h = s.enc(s.emb(src))
            h = h[0]
            tok = tgt[:, 0]
            outs = []
            for i in range(1, tgt.shape[1]):
                h = s.dec(s.emb(tok), h)
                o = s.out(h)
                outs.append(o)
                tok = tgt[:, i] if rng.random() < ratio else o.argmax(1)
            return t.stack(outs, 1)

        @t.no_grad()
        def greedy(s, src, stop=6):
            _, h = s.enc(s.emb(src))
            h = h[0]
            tok = t.ones(src.shape[0], dtype=t.long)
            seq = []
            for _ in range(stop):
                h = s.dec(s.emb(tok), h)
                tok = s.out(h).argmax(1)
                seq.append(tok)
                if (tok == 2).all():
                    break
            return t.stack(seq, 1)

    m = fill(t, S())
    opt = t.optim.Adam(m.parameters(), lr=0.05)
    rng = random.Random(0)
    rat = {"r": 1.0}
    crit = nn.CrossEntropyLoss(ignore_index=0, label_smoothing=0.1)

    @compiled
    def step(src, tgt):
        o = m(src, tgt, rat["r"], rng)
        loss = crit(o.reshape(-1, 7), tgt[:, 1:].reshape(-1))
        opt.zero_grad()
        loss.backward()
        n = nn.utils.clip_grad_norm_(m.parameters(), 1.0)
        opt.step()
        return loss.item(), n.item()

    dec = compiled(m.greedy)
    for n in range(12):
        g = np.random.RandomState(n % 4)
        src = t.tensor(g.randint(1, 7, (2, 4 + n % 2)))
        tgt = t.tensor(g.randint(1, 7, (2, 5)))
        if n == 4:
            rat["r"] = 0.5
        if n == 8:
            crit.label_smoothing = 0.0
        if n == 10:
            rat["r"] = 0.0
        yield step(src, tgt), everything(m, opt), dec(src)


@story
def maml_with_outer_loop(t, compiled):
    net = mlp(t)
    meta = t.optim.Adam(net.parameters(), lr=0.01)
    h = dict(inner=0.1, steps=1, first=False)

    @compiled
    def adapt_and_query(xs, ys, xq, yq):
        fast = {k: v for k, v in net.named_parameters()}
        for _ in range(h["steps"]):
            loss = mse(t, t.func.functional_call(net, fast, (xs,)), ys)
            gs = t.autograd.grad(loss, list(fast.values()), create_graph=not h["first"])
            fast = {
                k: v - h["inner"] * (g.detach() if h["first"] else g)
                for (k, v), g in zip(fast.items(), gs, strict=False)
            }
        return mse(t, t.func.functional_call(net, fast, (xq,)), yq)

    @compiled
    def outer(tasks):
        meta.zero_grad()
        total = 0.0
        for xs, ys, xq, yq in tasks:
            term = adapt_and_query(xs, ys, xq, yq) / len(tasks)
            term.backward()
            total += term.item()
        meta.step()
        return total

    for n in range(12):
        if n == 4:
            h["steps"] = 2
        if n == 7:
            h["first"] = True
        if n == 10:
            h["inner"] = 0.01
        tasks = [(*batch(t, n % 2 + k), *batch(t, n % 2 + k + 10)) for k in range(2)]
        yield outer(tasks), everything(net, meta)


@story
def swa_and_bn_update(t, compiled):
    nn = t.nn
    net = fill(t, nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)))
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    swa = t.optim.swa_utils.AveragedModel(net)
    sched = t.optim.lr_scheduler.CosineAnnealingLR(opt, 6)
    swas = t.optim.swa_utils.SWALR(opt, swa_lr=0.02, anneal_epochs=2)
    step = train_step(t, compiled, net, opt)
    ev = compiled(lambda x: swa(x).detach())
    for n in range(12):
        term = step(*batch(t, n % 3)).detach()
        if n >= 6:
            swa.update_parameters(net)
            swas.step()
        else:
            sched.step()
        if n == 9:
            t.optim.swa_utils.update_bn([batch(t, k)[0] for k in range(3)], swa)
        yield (
            term,
            opt.param_groups[0]["lr"],
            everything(net),
            ev(batch(t, 8)[0]),
            int(swa.n_averaged),
        )


@story
def distillation_with_hooks_and_hints(t, compiled):
    nn, F = t.nn, t.nn.functional
    T = fill(t, nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)))
    S = mlp(t)
    proj = fill(t, nn.Linear(4, 8))
    feats = {}
    T.eval().requires_grad_(False)

    def keep(name):
        def hook(m, i, o):
            feats[name] = o

        return hook

    hs = [T[0].register_forward_hook(keep("t")), S[0].register_forward_hook(keep("s"))]
    opt = t.optim.Adam([*S.parameters(), *proj.parameters()], lr=0.01)
    w = types.SimpleNamespace(tau=2.0, alpha=0.5, hint=0.1)

    @compiled
    def step(x, y):
        with t.no_grad():
            zt = T(x)
        zs = S(x)
        kd = (
            F.kl_div(
                F.log_softmax(zs / w.tau, 1),
                F.log_softmax(zt / w.tau, 1),
                log_target=True,
                reduction="batchmean",
            )
            * w.tau**2
        )
        loss = w.alpha * kd + (1 - w.alpha) * F.cross_entropy(zs, y)
        if w.hint and "s" in feats:
            loss = loss + w.hint * F.mse_loss(proj(feats["s"]), feats["t"])
        opt.zero_grad()
        loss.backward()
        opt.step()
        feats.clear()
        return loss.detach()

    for n in range(14):
        if n == 4:
            w.tau = 4.0
        if n == 7:
            hs[1].remove()
            w.hint = 0.0
        if n == 10:
            w.alpha = 1.0
        if n == 12:
            T[2].weight.data.mul_(2)
        yield step(batch(t, n % 2)[0], t.tensor([0, 1, 1, 0])), everything(S, opt), everything(proj)


@story
def iterative_pruning_with_masks(t, compiled):
    import importlib

    prune = importlib.import_module(t.__name__ + ".nn.utils.prune")
    net, opt = mlp_with_momentum(t)
    step = train_step(t, compiled, net, opt)
    for n in range(16):
        if n == 4:
            prune.l1_unstructured(net[0], "weight", amount=0.3)
            opt.param_groups[0]["params"] = list(net.parameters())
        if n == 8:
            prune.random_unstructured if False else prune.ln_structured(
                net[2], "weight", amount=0.5, n=2, dim=0
            )
            opt.param_groups[0]["params"] = list(net.parameters())
        if n == 12:
            prune.remove(net[0], "weight")
            opt.param_groups[0]["params"] = list(net.parameters())
        yield step(*batch(t, n % 2)).detach(), dict(net.state_dict())


@story
def lora_merge_and_unmerge(t, compiled):
    nn, F = t.nn, t.nn.functional

    class L(nn.Module):
        def __init__(s, base, r=2, alpha=4.0):
            super().__init__()
            s.base = base
            s.A = nn.Parameter(t.zeros(r, base.in_features))
            s.B = nn.Parameter(t.zeros(base.out_features, r))
            s.scale = alpha / r
            s.merged = False
            s.on = True
            base.requires_grad_(False)

        def forward(s, x):
            return (
                s.base(x)
                if s.merged or not s.on
                else s.base(x) + F.linear(F.linear(x, s.A), s.B) * s.scale
            )

        def merge(s):
            if not s.merged:
                s.base.weight.data += (s.B @ s.A).data * s.scale
                s.merged = True

        def unmerge(s):
            if s.merged:
                s.base.weight.data -= (s.B @ s.A).data * s.scale
                s.merged = False

    net = mlp(t)
    net[0] = fill(t, L(net[0]))
    net[2] = fill(t, L(net[2]))
    opt = t.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=0.01)
    step = train_step(t, compiled, net, opt)
    ev = compiled(lambda x: net(x).detach())
    for n in range(14):
        x, y = batch(t, n % 2)
        term = step(x, y).detach() if not net[0].merged else None
        if n == 5:
            net[0].merge()
            net[2].merge()
        if n == 8:
            net[0].unmerge()
            net[2].unmerge()
        if n == 10:
            net[0].on = False
            net[0].A.requires_grad_(False)
        if n == 12:
            net[0].scale = 0.5
            net[0].on = True
        yield term, ev(x), everything(net, opt)


@story
def multitask_gradnorm_and_pcgrad(t, compiled):
    nn = t.nn
    trunk = fill(t, nn.Linear(3, 4))
    heads = nn.ModuleDict({"a": fill(t, nn.Linear(4, 2)), "b": fill(t, nn.Linear(4, 2))})
    ps = list(trunk.parameters())
    opt = t.optim.SGD([*ps, *heads.parameters()], lr=0.05)
    logv = nn.ParameterDict({k: nn.Parameter(t.zeros(())) for k in heads})
    opt.add_param_group({"params": logv.values(), "lr": 0.01})
    mode = {"m": "uncertainty"}

    def project(gs):
        out = []
        for i, g in enumerate(gs):
            g = [x.clone() for x in g]
            for j, o in enumerate(gs):
                if i != j:
                    dot = sum((a * b).sum() for a, b in zip(g, o, strict=False))
                    n = sum((b * b).sum() for b in o)
                    c = t.where(dot < 0, dot / n, t.zeros_like(dot))
                    g = [a - c * b for a, b in zip(g, o, strict=False)]
            out.append(g)
        return [sum(x) for x in zip(*out, strict=False)]

    @compiled
    def step(x, ys):
        h = trunk(x).relu()
        ls = {k: mse(t, heads[k](h), ys[k]) for k in heads}
        opt.zero_grad()
        if mode["m"] == "uncertainty":
            sum(term * (-logv[k]).exp() + logv[k] for k, term in ls.items()).backward()
        else:
            gs = [t.autograd.grad(term, ps, retain_graph=True) for term in ls.values()]
            sum(ls.values()).backward()
            for p, g in zip(ps, project(gs), strict=False):
                p.grad = g
        opt.step()
        return {k: term.item() for k, term in ls.items()}

    for n in range(12):
        if n == 5:
            mode["m"] = "pcgrad"
        if n == 9:
            heads["c"] = fill(t, nn.Linear(4, 2))
            logv["c"] = nn.Parameter(t.zeros(()))
            opt.add_param_group({"params": [*heads["c"].parameters(), logv["c"]]})
        x, y = batch(t, n % 2)
        yield (
            step(x, {k: y * (i + 1) for i, k in enumerate("abc")}),
            everything(trunk, opt),
            everything(heads),
            everything(logv),
        )
