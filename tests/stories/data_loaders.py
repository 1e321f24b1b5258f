"""Data sets and loaders, read inside of the step and around it."""

import numpy as np

from tests.stories.storykit import attempt, batch, everything, linear, numbers, story


def loader(t, size=2, count=5, **options):
    """Batches of numbers; the last one is smaller."""
    data = t.utils.data.TensorDataset(numbers(t, count, 3), t.arange(count))
    return t.utils.data.DataLoader(data, batch_size=size, **options)


@story
def epoch_outside(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.cross_entropy(net(x), y % 2)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(2):
        for x, y in loader(t):
            yield step(x, y), everything(net)


@story
def epoch_inside(t, compiled):
    net, batches = linear(t), loader(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def epoch():
        total = 0.0
        for number, (x, _) in enumerate(batches):  # noqa: B007 - used after the loop
            optimizer.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total / (number + 1)

    for _ in range(3):
        yield epoch(), everything(net)


@story
def iterator_of_a_loader(t, compiled):
    it = iter(loader(t))

    @compiled
    def step():
        x, y = next(it)
        return x.sum(), y

    for _ in range(4):
        yield attempt(step)


@story
def endless_loader_that_starts_again(t, compiled):
    class Feeder:
        def __init__(self):
            self.batches, self.epochs = loader(t, count=3), 0
            self.it = iter(self.batches)

        def next(self):
            try:
                return next(self.it)
            except StopIteration:
                self.it = iter(self.batches)
                self.epochs += 1
                return next(self.it)

    feeder = Feeder()

    @compiled
    def step():
        x, y = feeder.next()
        return x * 2, y, feeder.epochs

    for _ in range(5):
        yield step()


@story
def data_set_that_counts(t, compiled):
    class Counted(t.utils.data.Dataset):
        def __init__(self):
            self.asked = []

        def __len__(self):
            return 4

        def __getitem__(self, index):
            self.asked.append(index)
            return t.ones(2) * index * len(self.asked)

    data = Counted()
    run = compiled(lambda index: data[index] + len(data))
    for index in (0, 3, 3, 1):
        yield run(index), data.asked


@story
def collate_of_ones_own(t, compiled):
    state = {"longest": 0}

    def pad(rows):
        length = max(len(row) for row in rows)
        state["longest"] = max(state["longest"], length)
        return t.stack([t.nn.functional.pad(row, (0, length - len(row))) for row in rows])

    data = [t.ones(size) for size in (1, 2, 3, 2)]
    batches = t.utils.data.DataLoader(data, batch_size=2, collate_fn=pad)

    @compiled
    def total():
        return [x.sum(1) for x in batches], state["longest"]

    for k in range(3):
        yield total()
        data.append(t.ones(k + 3))
        data.pop(0)


@story
def dictionaries_and_arrays(t, compiled):
    rows = [{"b": np.float32(k), "a": np.full(2, k, np.float32)} for k in range(4)]
    batches = t.utils.data.DataLoader(rows, batch_size=2)
    run = compiled(lambda b: ({name: b[name] * 2 for name in b}, list(b)))
    for b in batches:
        yield run(b)
    yield run({"a": t.ones(2), "b": t.ones(2)})


@story
def transform_with_a_changing_option(t, compiled):
    class Noisy(t.utils.data.Dataset):
        strength = 0.0

        def __len__(self):
            return 2

        def __getitem__(self, index):
            return t.ones(2) * index + self.strength

    data = Noisy()
    run = compiled(lambda: t.stack([data[k] for k in range(len(data))]))
    for strength in (0.0, 1.0, 2.0):
        data.strength = strength
        yield run()


@story
def prefetched_batch(t, compiled):
    class Prefetcher:
        def __init__(self, batches):
            self.it = iter(batches)
            self.waiting = next(self.it)

        def next(self):
            now, self.waiting = self.waiting, next(self.it, None)
            return now

    prefetcher = Prefetcher([batch(t, k) for k in range(3)])

    @compiled
    def step():
        found = prefetcher.next()
        return None if found is None else found[0].sum()

    for _ in range(4):
        yield step(), prefetcher.waiting is None


@story
def sampler_stepped_inside(t, compiled):
    class Curriculum(t.utils.data.Sampler):
        def __init__(self):
            self.epoch = 0

        def __iter__(self):
            self.epoch += 1
            return iter(range(self.epoch))

        def __len__(self):
            return self.epoch + 1

    sampler, x = Curriculum(), numbers(t, 4, 3)
    run = compiled(lambda: sum(x[index] for index in sampler))
    for _ in range(4):
        yield run(), sampler.epoch
