"""Errors: what was done before one is raised stays done, as eagerly, and the next call is right."""

import warnings

from tests.stories.storykit import (
    attempt,
    attempt_type,
    batch,
    everything,
    fill,
    linear,
    numbers,
    story,
)


@story
def raised_after_an_update(t, compiled):
    total = t.zeros(2)

    @compiled
    def run(x, fail):
        total.add_(x)
        if fail:
            raise ValueError("half-way")
        total.mul_(2)
        return total.sum()

    for fail in (False, True, True, False):
        yield attempt(run, t.ones(2), fail), total


@story
def raised_after_backward(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, limit):
        optimizer.zero_grad()
        loss = net(x).square().sum()
        loss.backward()
        if loss.item() > limit:
            raise RuntimeError("diverged")
        optimizer.step()
        return loss

    for limit in (100.0, 0.0, 100.0):
        yield attempt(step, batch(t)[0], limit), everything(net)


@story
def raised_after_appending(t, compiled):
    losses = []

    @compiled
    def run(x):
        losses.append(x * 2)
        if len(losses) == 2:
            raise KeyError("second")
        return x

    for k in range(3):
        yield attempt(run, t.ones(2) * k), losses


@story
def caught_inside(t, compiled):
    table = {"a": t.ones(2)}

    @compiled
    def run(x, name):
        try:
            return x * table[name]
        except KeyError:
            table[name] = x * 3
            return -x
        finally:
            table["last"] = x

    for name in ("a", "b", "b", "c"):
        yield run(t.ones(2), name), table


@story
def error_of_the_library_caught_inside(t, compiled):
    @compiled
    def run(x, y):
        try:
            return x + y
        except RuntimeError:
            return x.sum() + y.sum()

    for size in (2, 3, 2):
        yield run(t.ones(2), t.ones(size))


@story
def error_of_the_library(t, compiled):
    net = linear(t)
    run = compiled(lambda x: net(x).sum())
    for size in (3, 5, 3):
        yield attempt_type(run, t.ones(4, size))


@story
def failed_assertion(t, compiled):
    @compiled
    def run(x, y):
        assert x.shape == y.shape, f"{tuple(x.shape)} and {tuple(y.shape)}"
        return x + y

    for size in (2, 1, 2):
        yield attempt(run, t.ones(2), t.ones(size))


@story
def assertion_about_numbers(t, compiled):
    @compiled
    def run(x):
        assert not t.isnan(x).any(), "nan in the input"
        return x * 2

    for value in (1.0, float("nan"), 2.0):
        yield attempt(run, t.ones(2) * value)


@story
def guard_against_nan_in_the_loss(t, compiled):
    net, skipped = linear(t), []
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x):
        optimizer.zero_grad()
        loss = net(x).square().mean()
        if not t.isfinite(loss):
            skipped.append(len(skipped))
            return None
        loss.backward()
        optimizer.step()
        return loss

    for value in (1.0, float("inf"), 2.0, float("nan")):
        yield step(batch(t)[0] * value), everything(net), skipped


@story
def own_exception_with_a_tensor(t, compiled):
    class Diverged(Exception):
        def __init__(self, loss):
            super().__init__("diverged")
            self.loss = loss

    @compiled
    def run(x):
        loss = x.sum() * 2
        if loss > 5:
            raise Diverged(loss)
        return loss

    for k in (1, 4, 2):
        result = attempt(run, t.ones(2) * k)
        yield result, getattr(result, "loss", None)


@story
def stop_by_an_exception(t, compiled):
    class Stop(Exception):
        pass

    count = {"n": 0}

    @compiled
    def step(x):
        count["n"] += 1
        if count["n"] >= 3:
            raise Stop
        return x * count["n"]

    for _ in range(4):
        yield attempt(step, t.ones(2)), count


@story
def raised_in_backward(t, compiled):
    class Fails(t.autograd.Function):
        fails = False

        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            if Fails.fails:
                raise ValueError("in backward")
            return gradient * 2

    v, w = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    run = compiled(lambda: (Fails.apply(w).sum() + v.sum()).backward())
    for fails in (False, True, False):
        Fails.fails = fails
        yield attempt(run), w.grad


@story
def raised_in_a_hook(t, compiled):
    net, fails = linear(t), [False]

    def hook(module, args, output):
        if fails[0]:
            raise ValueError("in a hook")

    net.register_forward_hook(hook)
    run = compiled(net)
    for fails[0] in (False, True, False):
        yield attempt(run, batch(t)[0])


@story
def warnings_at_every_call(t, compiled):
    @compiled
    def run(x, limit):
        if len(x) > limit:
            warnings.warn(f"longer than {limit}", UserWarning, stacklevel=2)
        return x * 2

    for limit in (1, 3, 1, 0):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            y = run(t.ones(2), limit)
        yield y, [str(w.message) for w in caught if "longer" in str(w.message)]


@story
def wrong_usage_then_right(t, compiled):
    run = compiled(lambda x: x.sum().backward())
    yield attempt_type(run, t.ones(2))
    x = t.ones(2, requires_grad=True)
    run(x)
    yield x.grad
    yield attempt_type(run, t.ones(2))
    run(x)
    yield x.grad


@story
def indices_out_of_range(t, compiled):
    table, net = fill(t, t.nn.Embedding(4, 3)), linear(t)
    optimizer = t.optim.SGD([*table.parameters(), *net.parameters()], lr=0.1)

    @compiled
    def step(words, classes):
        optimizer.zero_grad()
        loss = t.nn.functional.cross_entropy(net(table(words)), classes)
        loss.backward()
        optimizer.step()
        return loss

    for i in range(10):
        words = t.tensor([0, 9 if i in (4, 8) else 1, 2])
        classes = t.tensor([0, 5 if i == 6 else 1, -100])
        yield attempt(step, words, classes), everything(table), everything(net)


@story
def indices_of_a_kept_tensor(t, compiled):
    index, x = t.tensor([[0], [2]]), numbers(t, 2, 3)

    @compiled
    def gathered(x):
        return x.gather(1, index) * 2, t.nn.functional.one_hot(index, 4).sum(0)

    for i in range(9):
        if i in (3, 5):
            index.data = t.tensor([[0], [7 if i == 3 else 1]])
        if i == 7:
            index = t.tensor([[0], [-5]])
        yield attempt_type(gathered, x)
