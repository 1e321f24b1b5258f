"""Own functions that change between calls in uncommon ways."""

from tests.stories.storykit import (
    attempt,
    batch,
    everything,
    fill,
    linear,
    story,
)

CFG = {"scale": 2.0, "mode": "a"}
SCALE = 1.0


@story
def fn_forward_reads_global(t, compiled):
    global SCALE
    SCALE = 1.0

    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            ctx.s = SCALE
            return x * w * SCALE

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return g * w * ctx.s * CFG["scale"], g * x * ctx.s

    net = linear(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        opt.zero_grad()
        h = net(x)
        out = F.apply(h, y)
        loss = out.sum()
        loss.backward()
        opt.step()
        return loss

    for n in range(14):
        if n == 5:
            SCALE = 2.0
        if n == 8:
            CFG["scale"] = 3.0
        if n == 11:
            SCALE = 1.0
            CFG["scale"] = 2.0
        yield step(*batch(t, n % 2)), everything(net, opt)
    CFG["scale"] = 2.0


@story
def fn_class_attribute_in_forward(t, compiled):
    class F(t.autograd.Function):
        k = 2.0
        calls = []

        @staticmethod
        def forward(ctx, x):
            return x * F.k

        @staticmethod
        def backward(ctx, g):
            return g * F.k

    net = linear(t)

    @compiled
    def step(x):
        net.zero_grad()
        loss = F.apply(net(x)).sum()
        loss.backward()
        return loss

    for n in range(12):
        if n == 4:
            F.k = 3.0
        if n == 7:
            F.backward = staticmethod(lambda ctx, g: g * 100.0)
        if n == 9:
            F.forward = staticmethod(lambda ctx, x: x * 7.0)
        yield step(batch(t)[0]), everything(net)


@story
def fn_subclass_and_mixin(t, compiled):
    class Base(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * (x > 0)

    class Sub(Base):
        @staticmethod
        def backward(ctx, g):
            return Base.backward(ctx, g) * 2

    net = linear(t)
    kinds = [Base, Sub]

    @compiled
    def step(x):
        net.zero_grad()
        loss = kinds[0].apply(net(x)).sum()
        loss.backward()
        return loss

    for n in range(12):
        if n == 4:
            kinds.reverse()
        if n == 6:
            Base.backward = staticmethod(lambda ctx, g: g * 5.0)
        if n == 8:
            Sub.__bases__ = (Base,)
        if n == 9:
            del Sub.backward
        yield step(batch(t)[0]), everything(net)


@story
def fn_saved_input_changed_in_place(t, compiled):
    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, n):
            ctx.n = n
            y = x.exp()
            ctx.save_for_backward(y)
            ctx.extra = y * n
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * y + ctx.extra, None

    net = linear(t)
    opt = t.optim.Adam(net.parameters(), lr=0.01)

    @compiled
    def step(x, n):
        opt.zero_grad(set_to_none=False)
        out = F.apply(net(x), n)
        out.mean().backward()
        opt.step()
        return out.detach()

    for n in range(10):
        yield step(batch(t)[0], 1 if n < 5 else 2), everything(net, opt)


@story
def fn_two_outputs_one_unused(t, compiled):
    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(x, y)
            return x + y, x * y

        @staticmethod
        def backward(ctx, ga, gb):
            x, y = ctx.saved_tensors
            gx = gy = None
            if ga is not None:
                gx, gy = ga, ga
            if gb is not None:
                gx = gb * y if gx is None else gx + gb * y
                gy = gb * x if gy is None else gy + gb * x
            return gx, gy

    net = linear(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    use = {"which": 0}

    @compiled
    def step(x, y):
        opt.zero_grad()
        a, b = F.apply(net(x), y)
        loss = (a if use["which"] == 0 else b if use["which"] == 1 else a + b).sum()
        loss.backward()
        opt.step()
        return loss

    for n in range(15):
        use["which"] = n // 4
        yield step(*batch(t)), everything(net)


@story
def fn_needs_input_grad(t, compiled):
    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, w, b):
            ctx.save_for_backward(x, w)
            return x @ w.t() + b

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            gx = gw = gb = None
            if ctx.needs_input_grad[0]:
                gx = g @ w
            if ctx.needs_input_grad[1]:
                gw = g.t() @ x
            if ctx.needs_input_grad[2]:
                gb = g.sum(0)
            return gx, gw, gb

    class Lin(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = t.nn.Parameter(t.zeros(2, 3))
            self.b = t.nn.Parameter(t.zeros(2))

        def forward(self, x):
            return F.apply(x, self.w, self.b)

    net = fill(t, Lin())
    opt = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        opt.step()
        return loss

    for n in range(16):
        if n == 5:
            net.w.requires_grad_(False)
        if n == 9:
            net.w.requires_grad_(True)
            net.b.requires_grad_(False)
        if n == 12:
            net.b.requires_grad_(True)
        yield step(*batch(t, n % 3)), everything(net, opt)


@story
def fn_mark_dirty_and_non_differentiable(t, compiled):
    class F(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            i = (x > 0).to(x.dtype)
            ctx.mark_non_differentiable(i)
            ctx.save_for_backward(i)
            return x * i, i

        @staticmethod
        def backward(ctx, g, gi):
            (i,) = ctx.saved_tensors
            return g * i

    net = linear(t)

    @compiled
    def step(x):
        net.zero_grad()
        a, i = F.apply(net(x))
        a.sum().backward()
        return a.detach(), i

    for n in range(7):
        yield step(batch(t, n % 2)[0]), everything(net)


@story
def fn_with_closure_scalar(t, compiled):
    def make(k):
        class F(t.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * k[0]

            @staticmethod
            def backward(ctx, g):
                return g * k[0]

        return F

    k = [1.5]
    F = make(k)
    net = linear(t)

    @compiled
    def step(x):
        net.zero_grad()
        loss = F.apply(net(x)).sum()
        loss.backward()
        return loss

    for n in range(10):
        if n == 4:
            k[0] = 2.5
        if n == 7:
            k = [9.0]  # no effect: closed over by make
        yield step(batch(t)[0]), everything(net)


@story
def try_handler_swallows(t, compiled):
    net = linear(t)
    log = []
    cfg = {"scale": 1.0}

    @compiled
    def step(x):
        try:
            s = cfg["scale"]
        except KeyError:
            log.append("missing")
            s = 5.0
        else:
            s = s * 2
        finally:
            k = 1.0
        return net(x).sum() * s * k

    for n in range(12):
        if n == 4:
            del cfg["scale"]
        if n == 7:
            cfg["scale"] = 4.0
        yield step(batch(t)[0]), list(log)


@story
def try_reraises_differently(t, compiled):
    net = linear(t)
    cfg = {"scale": 1.0}

    class Missing(Exception):
        pass

    @compiled
    def step(x):
        try:
            s = cfg["scale"]
        except KeyError as error:
            raise Missing("no scale") from error
        return net(x).sum() * s

    for n in range(12):
        if n == 4:
            del cfg["scale"]
        if n == 7:
            cfg["scale"] = 4.0
        yield attempt(step, batch(t)[0])
