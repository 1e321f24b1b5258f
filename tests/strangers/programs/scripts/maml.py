"""Meta-learning: a gradient through two steps of gradient descent, of tasks that are drawn anew."""

import argparse
from collections import OrderedDict

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from prepare import draw_weights

p = argparse.ArgumentParser()
p.add_argument("--iters", type=int, default=6)
p.add_argument("--fo", action="store_true")
args = p.parse_args()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            OrderedDict(
                [
                    ("l1", nn.Linear(1, 32)),
                    ("r1", nn.ReLU()),
                    ("l2", nn.Linear(32, 32)),
                    ("r2", nn.ReLU()),
                    ("l3", nn.Linear(32, 1)),
                ]
            )
        )

    def arg_forward(self, x, w):
        x = F.relu(F.linear(x, w[0], w[1]))
        x = F.relu(F.linear(x, w[2], w[3]))
        return F.linear(x, w[4], w[5])


def task():
    A, ph = np.random.uniform(0.1, 5), np.random.uniform(0, np.pi)

    def s(n):
        x = np.random.uniform(-5, 5, (n, 1))
        return torch.tensor(x, dtype=torch.float), torch.tensor(
            A * np.sin(x + ph), dtype=torch.float
        )

    return s


net = Net()
draw_weights(net)
np.random.seed(0)
weights = list(net.parameters())
opt = torch.optim.Adam(weights, 1e-3)
for it in range(args.iters):
    meta = 0
    for _ in range(3):
        s = task()
        X, y = s(10)
        tw = [w.clone() for w in weights]
        for k in range(2):
            loss = F.mse_loss(net.arg_forward(X, tw), y)
            g = torch.autograd.grad(loss, tw, create_graph=not args.fo)
            tw = [w - 0.01 * x for w, x in zip(tw, g)]
        X, y = s(10)
        meta += F.mse_loss(net.arg_forward(X, tw), y)
    grads = torch.autograd.grad(meta, weights)
    for w, g in zip(weights, grads):
        w.grad = g
    opt.step()
    print(f"number meta {meta.item() / 3:.5f}")
    print(f"number norm {sum(g.pow(2).sum() for g in grads).sqrt():.5f}")
