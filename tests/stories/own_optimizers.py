"""Optimizers and updates that the user wrote: with counts, with state, around another one."""

from tests.stories.storykit import batch, everything, linear, story, train_step


@story
def own_optimizer_with_a_step_count(t, compiled):
    class Growing(t.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @t.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    state = self.state[p]
                    state["t"] = state.get("t", 0) + 1
                    p.sub_(state["t"] * group["lr"] * p.grad)

    w = t.nn.Parameter(t.ones(2))
    optimizer = Growing([w], lr=1.0)

    @compiled
    def step():
        optimizer.zero_grad()
        w.sum().backward()
        optimizer.step()

    for _ in range(4):
        step()
        yield w, dict(optimizer.state[w])


@story
def own_adam(t, compiled):
    class Adam(t.optim.Optimizer):
        def __init__(self, params, lr=0.1, betas=(0.9, 0.99)):
            super().__init__(params, {"lr": lr, "betas": betas})

        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    state = self.state[p]
                    if len(state) == 0:
                        state["step"] = 0
                        state["m"] = t.zeros_like(p.data)
                        state["v"] = t.zeros_like(p.data)
                    state["step"] += 1
                    b1, b2 = group["betas"]
                    state["m"].mul_(b1).add_(p.grad.data, alpha=1 - b1)
                    state["v"].mul_(b2).addcmul_(p.grad.data, p.grad.data, value=1 - b2)
                    m = state["m"] / (1 - b1 ** state["step"])
                    v = state["v"] / (1 - b2 ** state["step"])
                    p.data.addcdiv_(m, v.sqrt().add_(1e-8), value=-group["lr"])

    net = linear(t)
    optimizer = Adam(net.parameters())
    step = train_step(t, compiled, net, optimizer)
    for k in range(4):
        yield step(*batch(t, k)), everything(net, optimizer)
        optimizer.param_groups[0]["lr"] *= 0.5


@story
def subclass_of_a_built_in_optimizer(t, compiled):
    class Clipped(t.optim.SGD):
        most = 0.1

        def step(self, closure=None):
            for group in self.param_groups:
                t.nn.utils.clip_grad_norm_(group["params"], self.most)
            return super().step(closure)

    net = linear(t)
    optimizer = Clipped(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, optimizer)
    for most in (0.1, 10.0, 0.2):
        optimizer.most = most
        yield step(*batch(t)), everything(net, optimizer)


@story
def sam_that_wraps_another(t, compiled):
    net = linear(t)
    base = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    radius = [0.05]

    @compiled
    def step(x, y):
        t.nn.functional.mse_loss(net(x), y).backward()
        old = [p.detach().clone() for p in net.parameters()]
        with t.no_grad():
            for p in net.parameters():
                p.add_(radius[0] * p.grad / (p.grad.norm() + 1e-12))
        base.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        with t.no_grad():
            for p, value in zip(net.parameters(), old, strict=True):
                p.copy_(value)
        base.step()
        base.zero_grad()
        return loss

    for k in (0.05, 0.5, 0.0):
        radius[0] = k
        yield step(*batch(t)), everything(net, base)


@story
def lookahead_every_second_step(t, compiled):
    net = linear(t)
    fast = t.optim.SGD(net.parameters(), lr=0.2)
    slow = [p.detach().clone() for p in net.parameters()]
    counts = {"steps": 0}

    @compiled
    def step(x, y):
        fast.zero_grad()
        t.nn.functional.mse_loss(net(x), y).backward()
        fast.step()
        counts["steps"] += 1
        if counts["steps"] % 2 == 0:
            with t.no_grad():
                for p, old in zip(net.parameters(), slow, strict=True):
                    old.add_(p - old, alpha=0.5)
                    p.copy_(old)

    for _ in range(5):
        step(*batch(t))
        yield everything(net), slow


@story
def update_by_hand(t, compiled):
    net, rate = linear(t), {"lr": 0.1}

    @compiled
    def step(x, y):
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        with t.no_grad():
            for p in net.parameters():
                p -= rate["lr"] * p.grad
                p.grad.zero_()
        return loss

    for k in (0.1, 0.5, 0.0):
        rate["lr"] = k
        yield step(*batch(t)), everything(net)


@story
def update_by_hand_through_data(t, compiled):
    net = linear(t)

    @compiled
    def step(x, y):
        net.zero_grad()
        t.nn.functional.mse_loss(net(x), y).backward()
        for p in net.parameters():
            p.data = p.data - 0.1 * p.grad.data

    for _ in range(4):
        step(*batch(t))
        yield everything(net)
