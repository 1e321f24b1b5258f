"""Plain Python state: counters, globals, closures, configurations, caches."""

import functools

from tests.stories.storykit import batch, everything, linear, story

GAIN = 1.0


@story
def counter_on_the_module(t, compiled):
    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.steps = 0

        def forward(self, x):
            self.steps += 1
            return x * self.steps

    net = Net()
    run = compiled(net)
    for _ in range(4):
        yield run(t.ones(2)), net.steps


@story
def counter_that_is_not_used(t, compiled):
    class Trainer:
        global_step = 0

        def step(self, x):
            self.global_step += 1
            return x * 2

    trainer = Trainer()
    step = compiled(trainer.step)
    for _ in range(4):
        yield step(t.ones(2)), trainer.global_step, Trainer.global_step


@story
def global_rebound(t, compiled):
    global GAIN
    run = compiled(lambda x: x * GAIN)
    for value in (1.0, 2.0, t.ones(2), 1.0):
        GAIN = value
        yield run(t.ones(2))


@story
def global_rebound_inside(t, compiled):
    global GAIN
    GAIN = 1.0

    @compiled
    def run(x):
        global GAIN
        GAIN = GAIN * 2
        return x * GAIN

    for _ in range(4):
        yield run(t.ones(2)), GAIN
    GAIN = 1.0
    yield run(t.ones(2))


@story
def nonlocal_number(t, compiled):
    best = float("inf")

    @compiled
    def run(x):
        nonlocal best
        value = x.sum().item()
        best = min(best, value)
        return x - best

    for k in (3, 1, 2):
        yield run(t.ones(2) * k), best


@story
def nonlocal_tensor(t, compiled):
    total = t.zeros(2)

    @compiled
    def run(x):
        nonlocal total
        total = total + x
        return total.sum()

    for k in range(4):
        kept = total
        yield run(t.ones(2) * k), total, kept


@story
def closed_over_number_rebound(t, compiled):
    factor = 1.0
    run = compiled(lambda x: x * factor)
    for value in (1.0, 2.0, -0.0, 3):
        factor = value
        yield 1 / run(t.ones(2))


@story
def set_that_grows(t, compiled):
    seen = set()

    @compiled
    def run(x, name):
        seen.add(name)
        return x * len(seen)

    for name in ("a", "a", "b", "a", "c"):
        yield run(t.ones(2), name), sorted(seen)


@story
def moving_average_and_a_tuple(t, compiled):
    class Meter:
        def __init__(self):
            self.ema, self.t = t.zeros(2), (0,)

        def update(self, x):
            self.ema = self.ema * 0.5 + x
            self.t = (self.t[0] + 1,)

    meter = Meter()
    update = compiled(meter.update)
    for k in range(4):
        update(t.ones(2) * k)
        yield meter.ema, meter.t


@story
def cache_of_a_function(t, compiled):
    calls = []

    @functools.lru_cache
    def table(size):
        calls.append(size)
        return t.arange(size)

    run = compiled(lambda x: x * table(len(x)))
    for size in (2, 3, 2, 3):
        yield run(t.ones(size)), list(calls)
    table.cache_clear()
    yield run(t.ones(2)), list(calls)


@story
def cache_in_a_dict(t, compiled):
    class Positions(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.cache = {}

        def forward(self, x):
            if x.shape not in self.cache:
                self.cache[x.shape] = t.arange(x.shape[-1]).float() * (len(self.cache) + 1)
            return x + self.cache[x.shape]

    net = Positions()
    run = compiled(net)
    for shape in ((2,), (4, 3), (2,), (4, 3)):
        yield run(t.ones(*shape)), list(net.cache.values())
    net.cache.clear()
    yield run(t.ones(4, 3))


@story
def made_at_the_first_call(t, compiled):
    class Trainer:
        net = None

        def step(self, x, y):
            if self.net is None:
                self.net = linear(t)
                self.optimizer = t.optim.SGD(self.net.parameters(), lr=0.1)
            self.optimizer.zero_grad()
            t.nn.functional.mse_loss(self.net(x), y).backward()
            self.optimizer.step()

    trainer = Trainer()
    step = compiled(trainer.step)
    for k in range(4):
        step(*batch(t, k))
        yield everything(trainer.net)
        if k == 1:
            trainer.net = None


@story
def flag_toggled_inside(t, compiled):
    state = {"odd": False}

    @compiled
    def run(x):
        state["odd"] = not state["odd"]
        return x if state["odd"] else -x

    for _ in range(4):
        yield run(t.ones(2)), state


@story
def defaults_of_the_function_itself(t, compiled):
    def plain(x, scale=1.0, *, bias=0.0):
        return x * scale + bias

    run = compiled(plain)
    yield run(t.ones(2))
    plain.__defaults__ = (3.0,)
    yield run(t.ones(2))
    plain.__kwdefaults__ = {"bias": 2.0}
    yield run(t.ones(2))


@story
def attribute_on_the_function(t, compiled):
    def helper(x):
        helper.calls += 1
        return x * helper.calls

    helper.calls = 0
    run = compiled(lambda x: helper(x))
    for _ in range(3):
        yield run(t.ones(2)), helper.calls
    helper.calls = 10
    yield run(t.ones(2)), helper.calls


@story
def helper_function_replaced(t, compiled):
    def double(x):
        return x * 2

    def triple(x):
        return x * 3

    helper = double
    run = compiled(lambda x: helper(x))
    for function in (double, triple, t.neg, double):
        helper = function
        yield run(t.ones(2))
