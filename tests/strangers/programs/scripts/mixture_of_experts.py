"""Experts that are each given the tokens that a gate chooses: sizes that change in each step."""

import argparse

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from prepare import draw_weights

p = argparse.ArgumentParser()
p.add_argument("--iters", type=int, default=12)
p.add_argument("--k", type=int, default=2)
args = p.parse_args()


class MoE(nn.Module):
    def __init__(self, d, n, k):
        super().__init__()
        self.g = nn.Linear(d, n, bias=False)
        self.e = nn.ModuleList(
            nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d)) for _ in range(n)
        )
        self.k = k

    def forward(self, x):
        b, t, d = x.shape
        x = x.view(-1, d)
        logits = self.g(x)
        w, sel = torch.topk(F.softmax(logits, 1, dtype=torch.float), self.k, dim=-1)
        w = w / w.sum(-1, keepdim=True)
        out = torch.zeros_like(x)
        mask = F.one_hot(sel, len(self.e)).permute(2, 1, 0)
        for i, ex in enumerate(self.e):
            idx, top = torch.where(mask[i])
            cur = x[None, top].reshape(-1, d)
            out.index_add_(0, top, (ex(cur) * w[top, idx, None]).to(x.dtype))
        me = F.softmax(logits, 1).mean(0)
        ce = F.one_hot(sel[:, 0], len(self.e)).float().mean(0)
        self.aux = (me * ce).sum() * len(self.e)
        return out.view(b, t, d)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(20, 16)
        self.m = nn.ModuleList(MoE(16, 4, args.k) for _ in range(2))
        self.norm = nn.LayerNorm(16)
        self.h = nn.Linear(16, 20)

    def forward(self, x):
        h = self.emb(x)
        for m in self.m:
            h = h + m(self.norm(h))
        return self.h(h), sum(m.aux for m in self.m)


net = Net()
draw_weights(net)
opt = torch.optim.AdamW(net.parameters(), 3e-3)
r = np.random.default_rng(0)
for i in range(args.iters):
    x = torch.from_numpy(r.integers(0, 20, (4, 12)))
    y = (x * 3 + 1) % 20
    o, aux = net(x)
    loss = F.cross_entropy(o.flatten(0, 1), y.flatten()) + 0.01 * aux
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    if i % 3 == 0:
        print(f"number loss {loss.item():.5f}")
        print(f"number balance {aux.item():.5f}")
        print("text unused", sum(p.grad is None for p in net.parameters()))
