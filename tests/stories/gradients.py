"""Gradients: where they go, what they share, who keeps, sets, clips and accumulates them."""

from tests.stories.storykit import (
    attempt_type,
    batch,
    everything,
    fill,
    linear,
    mlp,
    story,
)


@story
def accumulation_over_calls(t, compiled):
    net = mlp(t)

    @compiled
    def run(x, y):
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        return loss

    for k in range(4):
        yield run(*batch(t, k)), everything(net)
        if k == 2:
            net.zero_grad()


@story
def accumulation_every_second_step(t, compiled):
    net = mlp(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y, number):
        loss = t.nn.functional.mse_loss(net(x), y) / 2
        loss.backward()
        if (number + 1) % 2 == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    for k in range(5):
        yield step(*batch(t, k), k), everything(net)


@story
def accumulation_counted_by_an_attribute(t, compiled):
    class Trainer:
        def __init__(self):
            self.net = linear(t)
            self.optimizer = t.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9)
            self.calls = 0

        def step(self, x, y):
            (t.nn.functional.mse_loss(self.net(x), y) / 3).backward()
            self.calls += 1
            if self.calls % 3 == 0:
                self.optimizer.step()
                self.optimizer.zero_grad()

    trainer = Trainer()
    step = compiled(trainer.step)
    for k in range(7):
        step(*batch(t, k))
        yield trainer.calls, everything(trainer.net, trainer.optimizer)


@story
def gradients_zeroed_in_place(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x):
        optimizer.zero_grad(set_to_none=False)
        net(x).sum().backward()
        optimizer.step()

    for k in range(4):
        step(batch(t, k)[0])
        yield everything(net)


@story
def gradient_kept_over_calls(t, compiled):
    net = linear(t)

    @compiled
    def step(x):
        net.zero_grad()
        net(x).square().sum().backward()

    kept = []
    for k in range(4):
        step(batch(t, k)[0])
        kept.append(net.weight.grad)
        yield kept


@story
def gradient_kept_that_is_added_to(t, compiled):
    # Without zero_grad the tensor that was kept is the one that is added to.
    w = t.ones(2, requires_grad=True)
    run = compiled(lambda x: (w * x).sum().backward())
    run(t.ones(2))
    kept, copy = w.grad, w.grad.clone()
    for k in range(3):
        run(t.ones(2) * k)
        yield kept is w.grad, kept, copy


@story
def gradient_set_by_hand(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    update = compiled(lambda: optimizer.step())
    for k in range(3):
        for parameter in net.parameters():
            parameter.grad = t.ones_like(parameter) * k
        update()
        yield everything(net)
    net.bias.grad = None
    update()
    yield everything(net)


@story
def gradient_is_a_view_of_a_flat_buffer(t, compiled):
    flat = t.zeros(4)
    v, w = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    v.grad, w.grad = flat[:2], flat[2:]

    @compiled
    def run(x):
        (v * x + w * 2).sum().backward()

    for k in range(3):
        run(t.ones(2) * k)
        yield flat, v.grad, w.grad
    flat.zero_()
    run(t.ones(2))
    yield flat, v.grad, w.grad


@story
def gradient_shared_by_two(t, compiled):
    a, b = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    a.grad = t.zeros(2)
    b.grad = a.grad
    run = compiled(lambda x: (a * x + b * 3).sum().backward())
    for k in range(3):
        run(t.ones(2) * k)
        yield a.grad, b.grad, a.grad is b.grad
    b.grad = b.grad.clone()
    run(t.ones(2))
    yield a.grad, b.grad


@story
def gradient_scaled_between_calls(t, compiled):
    net = linear(t)
    run = compiled(lambda x: net(x).sum().backward())
    for k in range(3):
        run(batch(t, k)[0])
        net.weight.grad.mul_(0.5)
        net.bias.grad = net.bias.grad / 2
        yield everything(net)


@story
def clipped_by_norm(t, compiled):
    net = mlp(t)
    optimizer = t.optim.Adam(net.parameters(), lr=0.01)

    @compiled
    def step(x, y, most):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        norm = t.nn.utils.clip_grad_norm_(net.parameters(), most)
        optimizer.step()
        return loss, norm

    for most in (1.0, 0.1, 100.0):
        yield step(*batch(t), most), everything(net)


@story
def clipped_by_hand(t, compiled):
    net = mlp(t)

    @compiled
    def step(x, y):
        net.zero_grad()
        t.nn.functional.mse_loss(net(x), y).backward()
        norm = sum(p.grad.pow(2).sum() for p in net.parameters()).sqrt()
        if norm > 0.5:
            for p in net.parameters():
                p.grad.mul_(0.5 / norm)
        return norm

    for k in range(3):
        x, y = batch(t, k)
        yield step(x, y * (0.1 + k)), everything(net)


@story
def clipped_by_value(t, compiled):
    net = linear(t)

    @compiled
    def step(x):
        net.zero_grad()
        net(x).square().sum().backward()
        t.nn.utils.clip_grad_value_(net.parameters(), 0.5)

    for k in range(3):
        step(batch(t, k)[0])
        yield everything(net)


@story
def backward_outside_on_what_was_returned(t, compiled):
    net = mlp(t)
    forward = compiled(lambda x, y: t.nn.functional.mse_loss(net(x), y))
    for k in range(3):
        net.zero_grad()
        loss = forward(*batch(t, k))
        loss.backward()
        yield loss, everything(net)


@story
def backward_inside_on_something_from_outside(t, compiled):
    net = mlp(t)
    backward = compiled(lambda loss: loss.backward())
    for k in range(3):
        loss = net(batch(t, k)[0]).square().sum()
        backward(loss)
        yield everything(net), attempt_type(backward, loss)


@story
def retained_graph(t, compiled):
    w = t.tensor([1.0, 2.0], requires_grad=True)

    @compiled
    def run(x, retain):
        loss = (w * x).square().sum()
        loss.backward(retain_graph=retain)
        return loss

    for retain in (False, True, False, True):
        loss = run(t.ones(2), retain)
        yield w.grad, attempt_type(loss.backward), w.grad


@story
def gradient_of_an_intermediate_result(t, compiled):
    w = t.ones(2, requires_grad=True)

    @compiled
    def run(x, retain):
        h = w * x
        if retain:
            h.retain_grad()
        h.square().sum().backward()
        return h.grad, h

    for retain in (True, False, True):
        gradient, hidden = run(t.ones(2) * 2, retain)
        yield gradient, hidden.detach(), w.grad


@story
def backward_with_a_gradient_of_ones_own(t, compiled):
    w = t.ones(2, requires_grad=True)
    run = compiled(lambda x, seed: (w * x).backward(seed))
    for k in range(3):
        run(t.ones(2), t.tensor([1.0, float(k)]))
        yield w.grad


@story
def gradients_as_results(t, compiled):
    net = linear(t)

    @compiled
    def run(x):
        loss = net(x).square().mean()
        return loss, t.autograd.grad(loss, list(net.parameters()))

    for k in range(3):
        yield run(batch(t, k)[0]), everything(net)


@story
def unused_parameters(t, compiled):
    v, w = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)

    @compiled
    def run(x, both):
        loss = (v * x).sum() + ((w * x).sum() if both else 0)
        return t.autograd.grad(loss, [v, w], allow_unused=True)

    for both in (True, False, True, False):
        yield run(t.ones(2), both)


@story
def detached_branch(t, compiled):
    net = mlp(t)

    @compiled
    def run(x, stop):
        net.zero_grad()
        hidden = net[0](x)
        hidden = hidden.detach() if stop else hidden
        net[2](net[1](hidden)).sum().backward()

    x, _ = batch(t)
    for stop in (False, True, False):
        run(x, stop)
        yield everything(net)


@story
def sum_of_two_losses(t, compiled):
    net = fill(t, t.nn.ModuleDict({"a": t.nn.Linear(3, 2), "b": t.nn.Linear(3, 2)}))
    weights = {"a": 1.0, "b": 0.5}

    @compiled
    def run(x):
        net.zero_grad()
        losses = {name: net[name](x).square().mean() for name in weights}
        sum(weights[name] * losses[name] for name in losses).backward()
        return losses

    x, _ = batch(t)
    yield run(x), everything(net)
    weights["a"] = 0.0
    yield run(x), everything(net)
    del weights["a"]
    yield run(x), everything(net)
