"""Subclasses of `autograd.Function`: with state, with NumPy, with several results."""

from tests.stories.storykit import (
    batch,
    everything,
    fill,
    linear,
    numbers,
    story,
)


@story
def own_function_with_a_backward(t, compiled):
    class Clamp(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, most):
            ctx.save_for_backward(x)
            ctx.most = most
            return x.clamp(max=most)

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            return gradient * (x < ctx.most) * 2, None

    w = t.tensor([1.0, 2.0], requires_grad=True)
    run = compiled(lambda most: Clamp.apply(w * 2, most).sum())
    for most in (3.0, 5.0, 1.0):
        w.grad = None
        loss = run(most)
        loss.backward()
        yield loss, w.grad


@story
def own_function_whose_class_changes(t, compiled):
    class Scale(t.autograd.Function):
        factor = 2.0
        calls = []

        @staticmethod
        def forward(ctx, x):
            Scale.calls.append("forward")
            return x * Scale.factor

        @staticmethod
        def backward(ctx, gradient):
            Scale.calls.append("backward")
            return gradient * Scale.factor

    w = t.ones(2, requires_grad=True)
    run = compiled(lambda: Scale.apply(w).sum().backward())
    for factor in (2.0, 3.0, 4.0):
        Scale.factor = factor
        w.grad = None
        run()
        yield w.grad, list(Scale.calls)


@story
def straight_through_estimator(t, compiled):
    w = numbers(t, 2, requires_grad=True)

    @compiled
    def run(x):
        hard = (w > 0).float()
        return ((w + (hard - w).detach()) * x).sum()

    for k in range(3):
        w.grad = None
        run(t.ones(2) * k).backward()
        yield w.grad
        w.data.neg_()


@story
def own_function_with_everything(t, compiled):
    class Split(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, n):
            ctx.n, ctx.shape = n, x.shape
            index = x.argmax()
            ctx.mark_non_differentiable(index)
            log.append(n)
            return x[:n].clone(), x[n:].clone(), index

        @staticmethod
        def backward(ctx, first, second, _):
            log.append(tuple(ctx.shape))
            return (t.cat([first * 2, second * 3]) if ctx.needs_input_grad[0] else None), None

    log, w = [], numbers(t, 4, requires_grad=True)

    @compiled
    def run(n):
        w.grad = None
        first, second, index = Split.apply(w, n)
        (first.sum() + second.square().sum()).backward()
        return index, index.requires_grad, w.grad

    for n in (1, 3, 2):
        yield run(n), log


@story
def own_function_that_computes_in_numpy(t, compiled):
    class Sort(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            order = x.detach().numpy().argsort()
            ctx.order = t.from_numpy(order)
            return x[ctx.order]

        @staticmethod
        def backward(ctx, gradient):
            out = t.zeros_like(gradient)
            out[ctx.order] = gradient
            return out

    weights = t.arange(4).float()
    run = compiled(lambda x: (Sort.apply(x) * weights).sum())
    for seed in range(3):
        x = numbers(t, 4, seed=seed, requires_grad=True)
        loss = run(x)
        loss.backward()
        yield loss, x.grad


@story
def gradient_reversal(t, compiled):
    class Reverse(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, strength):
            ctx.strength = strength
            return x.view_as(x)

        @staticmethod
        def backward(ctx, gradient):
            return -ctx.strength * gradient, None

    net, domain = linear(t), fill(t, t.nn.Linear(2, 2))

    @compiled
    def step(x, strength):
        net.zero_grad()
        domain.zero_grad()
        domain(Reverse.apply(net(x), strength)).square().mean().backward()

    for strength in (0.0, 1.0, 0.5):
        step(batch(t)[0], strength)
        yield everything(net), everything(domain)
