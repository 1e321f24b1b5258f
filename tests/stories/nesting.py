"""Compiled functions within compiled functions, and what may be compiled at all."""

import functools

from tests.stories.storykit import attempt, batch, everything, fill, linear, mlp, numbers, story


@story
def inner_reads_a_changed_global(t, compiled):
    class Settings:
        k = 2.0

    inner = compiled(lambda x: x * Settings.k)
    outer = compiled(lambda x: inner(x) + 1)
    for k in (2.0, 5.0, 7.0):
        Settings.k = k
        yield outer(t.ones(2)), inner(t.ones(2))


@story
def inner_with_state(t, compiled):
    counts = {"inner": 0, "outer": 0}

    @compiled
    def inner(x):
        counts["inner"] += 1
        return x * counts["inner"]

    @compiled
    def outer(x):
        counts["outer"] += 1
        return inner(x) + inner(x)

    for _ in range(3):
        yield outer(t.ones(2)), counts
    yield inner(t.ones(2)), counts


@story
def inner_forward_in_an_outer_step(t, compiled):
    net = mlp(t)
    forward = compiled(net.forward)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(forward(x), y)
        loss.backward()
        optimizer.step()
        return loss

    for k in range(3):
        yield step(*batch(t, k)), forward(batch(t)[0]), everything(net)


@story
def inner_branch_on_a_value(t, compiled):
    inner = compiled(lambda x: x if x.sum() > 0 else -x)
    outer = compiled(lambda x: inner(x * 2) + 1)
    for k in (1, -1, 2, -3):
        yield outer(t.ones(2) * k)


@story
def inner_raises(t, compiled):
    @compiled
    def inner(x, fail):
        x.add_(1)
        if fail:
            raise ValueError("inner")
        return x

    @compiled
    def outer(x, fail):
        try:
            return inner(x, fail)
        except ValueError:
            return x * 10

    x = t.ones(2)
    for fail in (False, True, False):
        yield outer(x, fail), x
    yield attempt(inner, x, True), x


@story
def step_that_calls_a_plain_step(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    def plain(x):
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    twice = compiled(lambda x: (plain(x), plain(x * 2)))
    once = compiled(plain)
    for k in range(3):
        yield twice(batch(t, k)[0]), everything(net)
        once(batch(t, k)[0])
        plain(batch(t, k)[0])
        yield everything(net)


@story
def network(t, compiled):
    net = mlp(t)
    run = compiled(net)
    for k in range(3):
        net.zero_grad()
        run(batch(t, k)[0]).sum().backward()
        yield everything(net), list(run.state_dict()) == list(net.state_dict())


@story
def forward_of_a_network_rebound(t, compiled):
    net = mlp(t)
    net.forward = compiled(net.forward)
    for k in range(3):
        yield net(batch(t, k)[0])
        net.train(k % 2 == 0)


@story
def method_of_a_class(t, compiled):
    class Scaler:
        def __init__(self, k):
            self.k, self.calls = k, 0

        @compiled
        def scale(self, x):
            self.calls += 1
            return x * self.k

    first, second = Scaler(2.0), Scaler(3.0)
    for k in range(3):
        yield first.scale(t.ones(2)), second.scale(t.ones(2)), first.calls, second.calls
        first.k = float(k)


@story
def static_and_class_methods(t, compiled):
    class Tools:
        factor = 2.0

        @staticmethod
        @compiled
        def double(x):
            return x * 2

        @classmethod
        def scale(cls, x):
            return x * cls.factor

    scale = compiled(Tools.scale)
    for factor in (2.0, 3.0, 4.0):
        Tools.factor = factor
        yield Tools.double(t.ones(2)), scale(t.ones(2)), Tools().double(t.ones(2))


@story
def lambda_and_partial(t, compiled):
    options = {"scale": 2.0}
    run = compiled(functools.partial(lambda x, scale, bias: x * scale + bias, bias=1.0, **options))
    bound = compiled(functools.partial(t.add, t.ones(2)))
    for k in range(3):
        yield run(t.ones(2)), run(t.ones(2), scale=float(k)), bound(t.ones(2) * k)


@story
def callable_object(t, compiled):
    class Step:
        def __init__(self):
            self.k = 0

        def __call__(self, x):
            self.k += 1
            return x * self.k

    step = Step()
    run = compiled(step)
    for _ in range(3):
        yield run(t.ones(2)), step.k
    step.k = 10
    yield run(t.ones(2)), step.k


@story
def two_functions_write_one_tensor(t, compiled):
    total = t.zeros(2)
    first, second = compiled(lambda x: total.add_(x)), compiled(lambda x: total.mul_(x))
    for k in range(3):
        yield first(t.ones(2) * k).sum(), second(t.ones(2) * 2).sum(), total


@story
def made_by_a_factory(t, compiled):
    def make(scale):
        @compiled
        def run(x):
            return x * scale

        return run

    functions = [make(k) for k in (1.0, 2.0, 3.0)]
    for _ in range(3):
        yield [run(t.ones(2)) for run in functions]


@story
def made_anew_at_every_call(t, compiled):
    net = linear(t)
    for k in range(4):
        run = compiled(lambda x, k=k: net(x) * k)
        yield run(batch(t)[0])


@story
def generator_expression_and_comprehension(t, compiled):
    inner = compiled(lambda x, k: x * k)
    outer = compiled(lambda xs: (sum(inner(x, 2.0) for x in xs), [inner(x, 3.0) for x in xs]))
    for count in (1, 3, 2):
        yield outer([t.ones(2) * k for k in range(count)])


@story
def two_nets_of_one_step(t, compiled):
    first, second = linear(t), fill(t, t.nn.Linear(3, 2, bias=False))

    @compiled
    def step(net, x):
        net.zero_grad()
        net(x).sum().backward()

    for k in range(3):
        for net in (first, second):
            step(net, numbers(t, 4, 3, seed=k))
            yield everything(net)
