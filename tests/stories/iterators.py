"""Iterators, generators and loaders drawn from inside of the step."""

import itertools
import random

import numpy as np

from tests.stories.storykit import attempt, batch, everything, linear, numbers, story


@story
def next_of_an_iterator(t, compiled):
    it = iter([numbers(t, 2, seed=k) for k in range(4)])
    run = compiled(lambda: next(it).sum())
    for _ in range(3):
        yield run()
    yield next(it)


@story
def next_until_it_stops(t, compiled):
    it = iter([t.ones(2), t.ones(2) * 2])
    run = compiled(lambda: next(it) * 2)
    for _ in range(4):
        yield attempt(run)


@story
def next_with_a_default(t, compiled):
    it = iter([t.ones(2), t.ones(2) * 2])
    run = compiled(lambda: next(it, None))
    for _ in range(4):
        yield run()


@story
def iterator_as_an_argument(t, compiled):
    total = compiled(lambda it: sum(x.sum() for x in it))
    for count in (1, 2, 3):
        yield total(iter([t.ones(2) * k for k in range(count)]))
    it = iter([t.ones(2)] * 4)
    next(it)
    yield total(it), next(it, None)


@story
def generator_function(t, compiled):
    def endless():
        k = 0
        while True:
            k += 1
            yield numbers(t, 2, seed=k)

    source = endless()
    run = compiled(lambda x: next(source) * x)
    for _ in range(3):
        yield run(t.ones(2))
    yield next(source)


@story
def generator_as_the_step(t, compiled):
    @compiled
    def parts(x):
        for k in range(3):
            x = x * 2
            yield x + k

    for k in range(3):
        yield list(parts(t.ones(2) * k))


@story
def generator_that_is_sent_to(t, compiled):
    def average():
        total, count, value = t.zeros(2), 0, None
        while True:
            x = yield value
            total = total + x
            count += 1
            value = total / count

    running = average()
    next(running)
    run = compiled(lambda x: running.send(x) * 2)
    for k in range(4):
        yield run(t.ones(2) * k)


@story
def cycle_and_count(t, compiled):
    scales, steps = itertools.cycle([1.0, 2.0]), itertools.count()
    run = compiled(lambda x: x * next(scales) + next(steps))
    for _ in range(4):
        yield run(t.ones(2))


@story
def zip_and_enumerate(t, compiled):
    @compiled
    def run(xs, scales):
        total = t.zeros(2)
        for number, (x, scale) in enumerate(zip(xs, scales, strict=False)):
            total = total + x * scale * number
        return total

    for count in (2, 3, 1):
        yield run([t.ones(2) * k for k in range(count)], iter([1.0, 2.0, 3.0]))


@story
def loop_over_batches_inside(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def epoch(batches):
        total = 0.0
        for number, (x, y) in enumerate(batches):
            optimizer.zero_grad()
            loss = t.nn.functional.mse_loss(net(x), y)
            loss.backward()
            optimizer.step()
            total = total + loss.detach() * (number + 1)
        return total

    for count in (2, 1, 3):
        yield epoch([batch(t, k) for k in range(count)]), everything(net)


@story
def random_numbers_of_python(t, compiled):
    source = random.Random(3)
    run = compiled(lambda x: x * source.random())
    for _ in range(3):
        yield run(t.ones(2))
    yield source.random()


@story
def random_numbers_of_the_module(t, compiled):
    random.seed(1)
    run = compiled(lambda x: x * random.uniform(1, 2) + random.randint(0, 9))
    for _ in range(3):
        yield run(t.ones(2))
    random.seed(1)
    yield run(t.ones(2)), random.random()


@story
def random_numbers_of_numpy(t, compiled):
    source, old = np.random.default_rng(3), np.random.RandomState(3)
    run = compiled(lambda x: x * float(source.random()) + float(old.rand()))
    for _ in range(3):
        yield run(t.ones(2))
    yield float(source.random()), float(old.rand())


@story
def random_choice_of_a_layer(t, compiled):
    source = random.Random(0)
    layers = [t.tanh, t.relu, t.neg]
    run = compiled(lambda x: source.choice(layers)(x))
    for _ in range(5):
        yield run(t.tensor([-1.0, 1.0]))


@story
def mixup(t, compiled):
    np.random.seed(0)
    net = linear(t)

    @compiled
    def step(x, y):
        share = np.random.beta(1.0, 1.0)
        order = t.from_numpy(np.random.permutation(len(x)))
        mixed = share * x + (1 - share) * x[order]
        loss = share * t.nn.functional.mse_loss(net(mixed), y)
        return loss + (1 - share) * t.nn.functional.mse_loss(net(mixed), y[order])

    for k in range(3):
        yield step(*batch(t, k))


@story
def shuffled_in_place(t, compiled):
    order = [0, 1, 2, 3]
    source = random.Random(0)

    @compiled
    def run(x):
        source.shuffle(order)
        return x[order]

    for _ in range(3):
        yield run(t.arange(4)), order


@story
def map_and_filter(t, compiled):
    run = compiled(lambda xs: list(map(t.neg, filter(lambda x: len(x) > 2, xs))))
    for sizes in ((2, 3), (3, 3), (2,)):
        yield run([t.ones(size) for size in sizes])


@story
def reversed_and_sorted(t, compiled):
    @compiled
    def run(layers):
        x = t.ones(2)
        for name in sorted(layers):
            x = x * layers[name] + 1
        for name in reversed(layers):
            x = x - layers[name]
        return x

    yield run({"b": 2.0, "a": 3.0})
    yield run({"a": 2.0, "b": 3.0})
    yield run({"c": 2.0, "b": 3.0, "a": 1.0})


@story
def own_iterator_class(t, compiled):
    class Batches:
        def __init__(self):
            self.position = 0

        def __iter__(self):
            return self

        def __next__(self):
            if self.position % 3 == 2:
                self.position += 1
                raise StopIteration
            self.position += 1
            return t.ones(2) * self.position

    batches = Batches()

    @compiled
    def run():
        total = t.zeros(2)
        for x in batches:
            total = total + x
        return total

    for _ in range(3):
        yield run(), batches.position
