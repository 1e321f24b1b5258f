"""Decorators and wrappers: counting, timing, caching, partial functions, functions as data."""

import functools
import importlib
import inspect

from tests.stories.storykit import attempt, batch, everything, linear, story


@story
def decorator_that_counts(t, compiled):
    def counted(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            wrapper.calls += 1
            return function(*args, **kwargs) * wrapper.calls

        wrapper.calls = 0
        return wrapper

    @compiled
    @counted
    def run(x):
        return x + 1

    for _ in range(3):
        yield run(t.ones(2)), run.__name__


@story
def decorator_that_scales(t, compiled):
    settings = {"scale": 1.0}

    def scaled(function):
        @functools.wraps(function)
        def wrapper(x):
            return function(x) * settings["scale"]

        return wrapper

    run = compiled(scaled(lambda x: x + 1))
    for scale in (1.0, 2.0, 3.0):
        settings["scale"] = scale
        yield run(t.ones(2))


@story
def counter_in_the_closure_of_a_decorator(t, compiled):
    def numbered(function):
        count = 0

        @functools.wraps(function)
        def wrapper(x):
            nonlocal count
            count += 1
            return function(x, count)

        return wrapper

    run = compiled(numbered(lambda x, n: x * n))
    for _ in range(4):
        yield run(t.ones(2))


@story
def helper_is_decorated(t, compiled):
    log = []

    def logged(function):
        @functools.wraps(function)
        def wrapper(*args):
            result = function(*args)
            log.append((function.__name__, tuple(result.shape)))
            return result

        return wrapper

    @logged
    def helper(x):
        return x * 2

    run = compiled(lambda x: helper(x).sum())
    for size in (2, 3, 2):
        yield run(t.ones(size)), log


@story
def decorator_applied_outside(t, compiled):
    log = []

    def logged(function):
        @functools.wraps(function)
        def wrapper(x):
            log.append("before")
            y = function(x)
            log.append("after")
            return y * len(log)

        return wrapper

    @logged
    @compiled
    def run(x):
        log.append("inside")
        return x

    for _ in range(3):
        yield run(t.ones(2)), log


@story
def partial_with_changed_keywords(t, compiled):
    helper = functools.partial(lambda x, scale: x * scale, scale=2.0)
    run = compiled(lambda x: helper(x))
    for scale in (2.0, 3.0, 4.0):
        helper.keywords["scale"] = scale
        yield run(t.ones(2))


@story
def partial_method(t, compiled):
    class Scaler:
        base = 1.0

        def scale(self, x, k):
            return x * k * self.base

        double = functools.partialmethod(scale, k=2.0)

    scaler = Scaler()
    run = compiled(lambda x: scaler.double(x))
    for base in (1.0, 5.0, -1.0):
        scaler.base = base
        yield run(t.ones(2))


@story
def single_dispatch(t, compiled):
    @functools.singledispatch
    def encode(value):
        return t.ones(2) * 0

    @encode.register
    def _(value: int):
        return t.ones(2) * value

    @encode.register
    def _(value: list):
        return sum(encode(v) for v in value)

    run = compiled(lambda value: encode(value) + 1)
    for value in (3, [1, 2], "text", 3):
        yield run(value)
    encode.register(str, lambda value: t.ones(2) * len(value))
    yield run("text")


@story
def memoised_method(t, compiled):
    class Net:
        def __init__(self):
            self.made = []

        @functools.cache  # noqa: B019 - as it is often written
        def mask(self, size):
            self.made.append(size)
            return t.ones(size, size).tril()

    net = Net()
    run = compiled(lambda x: net.mask(len(x)) @ x)
    for size in (2, 4, 2, 4):
        yield run(t.ones(size)), net.made


@story
def memo_of_ones_own_by_identity(t, compiled):
    memo = {}

    def cached(function):
        @functools.wraps(function)
        def wrapper(x):
            if id(x) not in memo:
                memo[id(x)] = (x, function(x))
            return memo[id(x)][1]

        return wrapper

    run = compiled(cached(lambda x: x * 2))
    a, b = t.ones(2), t.ones(2) * 3
    for x in (a, b, a):
        x.add_(1)
        y = run(x)
        yield y, len(memo)


@story
def retries(t, compiled):
    tries = []

    def retried(function):
        @functools.wraps(function)
        def wrapper(*args):
            for _ in range(3):
                try:
                    return function(*args)
                except ConnectionError:
                    tries.append("failed")
            raise TimeoutError("three times")

        return wrapper

    @compiled
    @retried
    def run(x, fails):
        if len(tries) < fails:
            raise ConnectionError
        return x * len(tries)

    for fails in (0, 2, 2, 9):
        yield attempt(run, t.ones(2), fails), tries


@story
def no_grad_as_a_decorator(t, compiled):
    net = linear(t)

    @t.no_grad()
    def evaluate(x):
        return net(x)

    run = compiled(lambda x: (evaluate(x), net(x)))
    decorated = compiled(t.no_grad()(net.forward))
    for k in range(3):
        yield run(batch(t, k)[0]), decorated(batch(t, k)[0])


@story
def callbacks_in_a_list(t, compiled):
    callbacks = []

    @compiled
    def run(x):
        for callback in callbacks:
            x = callback(x)
        return x

    yield run(t.ones(2))
    callbacks.append(lambda x: x * 2)
    yield run(t.ones(2))
    callbacks.insert(0, lambda x: x + 1)
    yield run(t.ones(2))
    callbacks.pop()
    yield run(t.ones(2))


@story
def composed_transforms(t, compiled):
    class Compose:
        def __init__(self, transforms):
            self.transforms = transforms

        def __call__(self, x):
            for transform in self.transforms:
                x = transform(x)
            return x

    class Normalize:
        def __init__(self, mean, std):
            self.mean, self.std = mean, std

        def __call__(self, x):
            return (x - self.mean) / self.std

    transform = Compose([Normalize(0.5, 2.0), t.relu])
    run = compiled(lambda x: transform(x))
    yield run(t.ones(2))
    transform.transforms[0].mean = 0.0
    yield run(t.ones(2))
    transform.transforms.append(t.neg)
    yield run(t.ones(2))


@story
def closure_of_a_closure(t, compiled):
    def make():
        scale = 1.0

        def inner(x):
            return x * scale

        def change(value):
            nonlocal scale
            scale = value

        return (lambda x: inner(x) + 1), change

    function, change = make()
    run = compiled(function)
    for scale in (1.0, 2.0, 3.0):
        change(scale)
        yield run(t.ones(2))


@story
def loss_chosen_from_a_table(t, compiled):
    F, net = t.nn.functional, linear(t)
    table = {"l1": F.l1_loss, "l2": F.mse_loss, "own": lambda a, b: (a - b).abs().amax()}

    @compiled
    def step(x, y, name, **options):
        net.zero_grad()
        loss = table[name](net(x), y, **options)
        loss.sum().backward()
        return loss

    yield step(*batch(t), "l1"), everything(net)
    yield step(*batch(t), "l2", reduction="none"), everything(net)
    yield step(*batch(t), "own"), everything(net)
    table["l1"] = F.smooth_l1_loss
    yield step(*batch(t), "l1", beta=0.5), everything(net)


@story
def gradient_checkpointing(t, compiled):
    checkpoint = importlib.import_module(f"{t.__name__}.utils.checkpoint").checkpoint
    net, calls = linear(t), []

    def block(x):
        calls.append("block")
        return net(x).tanh()

    @compiled
    def step(x):
        net.zero_grad()
        loss = checkpoint(block, x, use_reentrant=False).sum()
        loss.backward()
        return loss

    for k in range(3):
        yield step(batch(t, k)[0]), everything(net), calls


@story
def name_and_text_of_the_step(t, compiled):
    @compiled
    def train_one_batch(x, scale=2.0):
        """Train on one batch."""
        return x * scale

    parameters = list(inspect.signature(train_one_batch).parameters)
    for k in range(3):
        yield train_one_batch(t.ones(2) * k), train_one_batch.__name__, train_one_batch.__doc__
    yield parameters, callable(train_one_batch)


@story
def timed_by_a_profiler_of_ones_own(t, compiled):
    sections = []

    class Section:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            sections.append(f"start {self.name}")

        def __exit__(self, *error):
            sections.append(f"end {self.name}")

    net = linear(t)

    @compiled
    def step(x):
        net.zero_grad()
        with Section("forward"):
            loss = net(x).sum()
        with Section("backward"):
            loss.backward()
        return len(sections)

    for k in range(3):
        yield step(batch(t, k)[0]), sections, everything(net)
