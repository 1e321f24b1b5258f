"""Gradients that a step sets itself, and what else has them."""

from tests.stories.storykit import batch, everything, mlp_with_momentum, mse, numbers, story


@story
def gradients_scaled(t, compiled):
    net, opt = mlp_with_momentum(t)
    scale, kept = {"k": 0.5}, []

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = mse(t, net(x), y)
        loss.backward()
        for p in net.parameters():
            if p.grad is not None:
                p.grad = p.grad * scale["k"]
        opt.step()
        return loss.detach()

    for i in range(12):
        if i == 4:
            kept.append(net[0].weight.grad)
        if i == 5:
            kept[0].zero_()
        if i == 6:
            net[2].requires_grad_(False)
        if i == 8:
            net[2].requires_grad_(True)
            scale["k"] = 2.0
        yield step(*batch(t, i)), everything(net, opt), kept


@story
def gradients_added_up(t, compiled):
    net, opt = mlp_with_momentum(t)

    @compiled
    def step(x, y):
        loss = mse(t, net(x), y)
        parameters = list(net.parameters())
        gradients = t.autograd.grad(loss, parameters)
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = g if p.grad is None else p.grad + g
        return loss.detach()

    for i in range(12):
        if i == 4:
            net[0].bias.grad = None
        if i == 6:
            net[0].bias.grad = net[0].weight.grad[:, 0]
        if i == 7:
            net[0].bias.grad = net[0].bias.grad.clone()
        if i == 8:
            net[2].bias.grad = net[2].bias.detach()
        yield step(*batch(t, i)), everything(net, opt)
        if i % 3 == 2:
            opt.step()
            opt.zero_grad(set_to_none=i > 5)


@story
def gradients_that_something_else_has(t, compiled):
    a, b = t.nn.Parameter(t.ones(2)), t.nn.Parameter(t.ones(2) * 2)
    kept, way = {"g": t.zeros(2)}, {"n": 0}

    @compiled
    def step(x):
        g = x * a.detach() + 1
        if way["n"] == 0:
            a.grad = g
        elif way["n"] == 1:
            a.grad = b.grad = g
        elif way["n"] == 2:
            a.grad = kept["g"] = g
        elif way["n"] == 3:
            a.grad = x
        elif way["n"] == 4:
            a.grad = b.detach()
        elif way["n"] == 5:
            a.grad = g
            return g
        elif way["n"] == 6:
            a.grad, b.grad = None, g[:]
        else:
            a.grad = g
            b.grad = a.grad * 2
            a.grad = b.grad + 1
        return g.sum()

    for n in range(8):
        way["n"] = n
        for i in range(4):
            x = numbers(t, 2, seed=i)
            found = step(x)
            yield found, x, a.grad, b.grad, kept["g"]
            with t.no_grad():
                (b.grad if a.grad is None else a.grad).add_(1)
            yield found, x, a.grad, b.grad, kept["g"], b
