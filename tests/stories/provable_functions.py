"""Own autograd functions and loss scalers in replayed steps, and what changes them."""

from tests.stories.storykit import (
    attempt_type,
    batch,
    everything,
    linear,
    mlp,
    story,
)


@story
def own_function_with_saved_tensors(t, compiled):
    k = {"s": 2.0}

    class Sq(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, p):
            ctx.save_for_backward(x, None)
            ctx.p = p
            return x**p * k["s"]

        @staticmethod
        def backward(ctx, g):
            x, nothing = ctx.saved_tensors
            found = None
            if nothing is None and ctx.needs_input_grad[0]:
                found = g * ctx.p * x ** (ctx.p - 1) * k["s"]
            return found, None

    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.01)

    @compiled
    def step(x, p):
        opt.zero_grad()
        loss = Sq.apply(net(x), p).mean()
        loss.backward()
        opt.step()
        return loss

    for n in range(14):
        if n == 3:
            k["s"] = 3.0
        if n == 5:
            Sq.backward = staticmethod(lambda ctx, g: (g * 0.1, None))
        if n == 8:
            Sq.forward = staticmethod(lambda ctx, x, p: x * 5)
        if n == 10:
            net.requires_grad_(False)
            net[0].weight.requires_grad_(True)
        if n == 12:
            Sq.apply = classmethod(lambda c, x, p: x)
        yield step(batch(t)[0], 3 if n == 7 else 2), everything(net)


@story
def own_function_straight_through(t, compiled):
    class Sign(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.sign()

        @staticmethod
        def backward(ctx, g):
            return g.clamp(-0.1, 0.1)

    net = mlp(t)
    opt = t.optim.Adam(net.parameters(), lr=0.01)
    f = Sign.apply

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(f(net(x)), y)
        loss.backward()
        opt.step()
        return loss

    for n in range(10):
        if n == 4:
            f = t.tanh
        if n == 6:
            f = Sign.apply
        if n == 8:
            Sign.backward = staticmethod(lambda ctx, g: g)
        yield step(*batch(t)), everything(net)


@story
def own_function_with_setup_context_and_two_outputs(t, compiled):
    class MulAdd(t.autograd.Function):
        @staticmethod
        def forward(a, b):
            return a * b, a + b

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.n = len(inputs)

        @staticmethod
        @t.autograd.function.once_differentiable
        def backward(ctx, g, h):
            a, b = ctx.saved_tensors
            return g * b + h, g * a + h * ctx.n

    net = linear(t)

    @compiled
    def step(x):
        net.zero_grad()
        y = net(x)
        u, v = MulAdd.apply(y, y.detach())
        loss = (u + v).sum()
        loss.backward()
        return loss.detach()

    for n in range(9):
        if n == 3:
            net.weight.data.mul_(2)
        if n == 5:
            MulAdd.setup_context = staticmethod(
                lambda ctx, inputs, output: (ctx.save_for_backward(*inputs), setattr(ctx, "n", 9))[
                    0
                ]
            )
        if n == 7:
            net.bias.requires_grad_(False)
        yield step(batch(t)[0]), [p.grad for p in net.parameters()]


@story
def own_function_that_counts(t, compiled):
    seen = []

    class C(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            seen.append(1)
            return g

    net = linear(t)

    @compiled
    def step(x):
        loss = C.apply(net(x)).sum()
        loss.backward()
        return loss.detach()

    for _n in range(6):
        yield step(batch(t)[0]), len(seen), net.weight.grad


@story
def scaler_in_the_usual_step(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    sc = t.amp.GradScaler("cpu", init_scale=4.0, growth_interval=3)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        sc.scale(loss).backward()
        sc.unscale_(opt)
        t.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        sc.step(opt)
        sc.update()
        return loss.detach()

    for n in range(16):
        x, y = batch(t)
        if n in (4, 5):
            x = x * float("inf")
        if n == 7:
            opt.param_groups[0]["lr"] = 0.01
        if n == 9:
            sc.set_growth_factor(4.0)
        if n == 11:
            sc.update(2.0) if False else sc.load_state_dict({**sc.state_dict(), "scale": 64.0})
        if n == 13:
            sc.set_growth_interval(1)
        yield step(x, y), everything(net, opt), sc.get_scale()


def _with_a_scaler(t, compiled, enabled):
    net = mlp(t)
    opt = t.optim.Adam(net.parameters(), lr=0.1)
    sc = t.amp.GradScaler("cpu", init_scale=8.0, enabled=enabled)

    @compiled
    def step(x, y):
        opt.zero_grad()
        with t.autocast("cpu", dtype=t.bfloat16, enabled=False):
            loss = t.nn.functional.mse_loss(net(x), y)
        sc.scale(loss).backward()
        sc.step(opt)
        sc.update()
        return loss.detach()

    for n in range(8):
        if n == 4:
            sc = t.amp.GradScaler("cpu", init_scale=2.0)
        if n == 6:
            net[0].weight.requires_grad_(False)
        yield step(*batch(t)), everything(net, opt), sc.get_scale()


@story
def scaler_without_unscale_and_disabled(t, compiled):
    yield from _with_a_scaler(t, compiled, True)
    yield from _with_a_scaler(t, compiled, False)


@story
def scaler_that_is_not_updated(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    sc = t.amp.GradScaler("cpu", init_scale=8.0)

    @compiled
    def step(x, y, update):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        sc.scale(loss).backward()
        sc.step(opt)
        if update:
            sc.update()
        return loss.detach()

    for n in range(9):
        yield attempt_type(step, *batch(t), n not in (4, 6)), everything(net, opt), sc.get_scale()
        if n == 6:
            sc.update()
