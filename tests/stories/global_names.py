"""`global` and `nonlocal` in steps: and what changes such variables."""

from tests.stories.storykit import batch, everything, mlp_with_momentum, mse, story

steps = 0
best = None
scale = 2.0


@story(tolerance=(1e-3, 1e-5))
def global_counters(t, compiled):
    global steps, best, scale
    steps, best, scale = 0, None, 2.0
    net, opt = mlp_with_momentum(t)
    log = []

    @compiled
    def step(x, y):
        """A step."""
        global steps, scale
        opt.zero_grad()
        loss = mse(t, net(x) * scale, y)
        loss.backward()
        opt.step()
        steps += 1
        if steps % 4 == 0:
            scale = scale * 0.5
        log.append(loss.item())
        return loss.detach()

    @compiled
    def first(x):
        global steps
        steps += 1
        y = x * steps
        return (y * 2 + net[0].bias.detach()[:2]).sum()

    @compiled
    def reads(x):
        global scale
        return x * scale

    @compiled
    def inner(x):
        if steps > 3:
            global best
            best = x * 2
        return x + 1

    @compiled
    def both(x):
        global scale
        a = x * scale
        scale = scale + 1
        b = a * scale
        scale = t.ones(2)
        return a + b * scale

    for n in range(16):
        if n == 8:
            scale = 1.5
        if n == 11:
            scale = t.tensor(0.5)
        keep = scale
        yield (
            step(*batch(t, n % 2)),
            steps,
            scale,
            log[-1],
            first(t.ones(2)),
            reads(t.ones(2)),
            inner(t.ones(2)),
            best,
            both(t.ones(2)),
            scale,
            everything(net),
        )
        scale = keep


@story
def nonlocal_and_inner(t, compiled):
    n, k = 0, 2.0

    @compiled
    def f(x):
        nonlocal n
        y = x * k
        n += 1
        return y + n

    def peek(x):
        nonlocal k
        return x * k

    @compiled
    def g(x):
        return peek(x) + 1

    @compiled
    def h(x):
        total = 0.0

        def add(v):
            nonlocal total
            return v + total

        total = k
        return add(x)

    for i in range(12):
        if i == 4:
            k = 5.0
        if i == 7:
            k = t.ones(2)
        yield f(t.ones(2)), n, g(t.ones(2)), h(t.ones(2))
