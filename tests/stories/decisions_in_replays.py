"""Decisions that no proof knows but that are the same at each replay: shapes, gradients, flags."""

import itertools

from tests.stories.storykit import batch, everything, linear, mlp, numbers, story


@story
def missing_gradient_decides_a_number(t, compiled):
    a, b = numbers(t, 3).requires_grad_(), numbers(t, 3, seed=1).requires_grad_()

    @compiled
    def step(x, use):
        factor = 3.0 if b.grad is None else 1.0
        both = (a * x).sum() * factor + ((b * x).sum() if use else 0.0)
        both.square().backward()
        scale = 2.0 if b.grad is not None else 0.5
        with t.no_grad():
            a.sub_(0.01 * scale * a.grad)
        return both.detach()

    for k in range(14):
        yield step(numbers(t, 3, seed=k), 4 < k < 7), a, a.grad, b.grad
        if k == 2:
            a.grad = None
        if k == 9:
            b.grad = None
        if k == 11:
            b.grad = t.ones(3)


@story
def parameters_without_gradient_are_skipped(t, compiled):
    net, average = mlp(t), mlp(t)

    @compiled
    def step(x, y):
        for p in net.parameters():
            p.grad = None
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        norm = t.stack([p.grad.norm() for p in net.parameters() if p.grad is not None]).norm()
        with t.no_grad():
            for p, old in zip(net.parameters(), average.parameters(), strict=True):
                if p.grad is None or not p.requires_grad:
                    continue
                p -= 0.1 * p.grad
                old.mul_(0.9).add_(p, alpha=0.1)
        return loss.detach(), norm

    for k in range(12):
        yield step(*batch(t, k)), everything(net), everything(average)
        if k == 4:
            net[0].requires_grad_(False)
        if k == 8:
            net[0].requires_grad_(True)
        if k == 10:
            net[2].bias.requires_grad_(False)


@story
def flags_set_inside(t, compiled):
    w, v = numbers(t, 3).requires_grad_(), numbers(t, 3, seed=2).requires_grad_()

    @compiled
    def step(x):
        w.requires_grad_(False)
        factor = 2.0 if w.requires_grad else 3.0
        loss = (w * x).sum() * factor + (v * x).sum()
        loss.backward()
        w.requires_grad_(True)
        return loss.detach() * (5.0 if w.requires_grad else 7.0)

    for k in range(9):
        yield step(numbers(t, 3, seed=k)), w.grad, v.grad
        if k == 5:
            w.requires_grad_(False)


@story
def loop_that_may_end_early(t, compiled):
    w, b = t.ones(3).requires_grad_(), t.zeros(3).requires_grad_()

    @compiled
    def step(x, use):
        loss = (w * x).sum() + ((b * x).sum() if use else 0.0)
        loss.backward()
        total = loss.detach() * 0
        for p in (w, b):
            if p.grad is None:
                break
            if x.dim() == 2:
                x = x.sum(0)
                continue
            total = total + p.grad.sum()
        return loss.detach(), total, x

    for k in range(13):
        x = numbers(t, *((2, 3) if k in (5, 6, 7) else (3,)), seed=k)
        yield step(x, k % 7 > 3), w.grad, b.grad
        if k == 8:
            b.grad = None
        if k == 10:
            w.grad = None


@story
def shapes_decide_in_a_module(t, compiled):
    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = linear(t)

        def forward(self, x):
            alone = x.dim() == 1
            y = self.linear(x.unsqueeze(0) if alone else x)
            if y.shape[0] > 3:
                y = y[:3] * 1
            elif y.shape[0] == 2:
                y = y * 2
            return y.sum(0) if alone else y

    net = Net()

    @compiled
    def predict(x):
        with t.no_grad():
            return net(x)

    shapes = itertools.cycle([(3,), (3,), (2, 3), (2, 3), (5, 3), (5, 3), (1, 3), (1, 3)])
    for k in range(16):
        yield predict(numbers(t, *next(shapes), seed=k))


@story
def loop_over_the_length_of_an_argument(t, compiled):
    w = numbers(t, 3)

    @compiled
    def unrolled(x, masks):
        size, length, _ = x.shape
        state, states = t.zeros(x.size(0), 3), []
        for i in range(length):
            state = t.tanh(state + x[:, i] * w)
            states.append(state)
        y = t.stack(states, 1)
        for j in range(len(masks)):
            y = y * masks[j]
        return y.sum() * size, y.shape

    for k in range(11):
        yield unrolled(numbers(t, 2, 3 + (k in (4, 8)), 3, seed=k), t.ones(2 + k // 9))


@story
def shape_changed_in_between(t, compiled):
    @compiled
    def squeezed(x):
        y = x * 2
        x.unsqueeze_(0)
        for _ in range(x.shape[0]):
            y = y + 1
        x.squeeze_(0)
        for _ in range(x.shape[0]):
            y = y * 2
        return y

    @compiled
    def resized(x):
        y = x * 2
        x.resize_(2)
        for _ in range(x.shape[0]):
            y = y + 1
        return y

    for k in range(6):
        yield squeezed(numbers(t, 3, seed=k)), resized(numbers(t, 3, seed=k))
