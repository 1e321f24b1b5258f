"""Containers that live between calls: deques, default dicts, queues, replay buffers."""

import collections
import heapq
import random

from tests.stories.storykit import batch, everything, linear, numbers, story


@story
def deque_of_losses(t, compiled):
    window = collections.deque(maxlen=2)

    @compiled
    def step(x):
        loss = x.square().sum()
        window.append(loss.detach())
        return sum(window) / len(window)

    for k in range(4):
        yield step(t.ones(2) * k), window


@story
def list_of_tensors_that_grows(t, compiled):
    history = []

    @compiled
    def run(x):
        history.append(x * 2)
        return t.stack(history).sum(0)

    for k in range(4):
        yield run(t.ones(2) * k), history


@story
def list_cleared_every_second_call(t, compiled):
    history = []

    @compiled
    def run(x):
        history.append(x + len(history))
        if len(history) == 2:
            total = sum(history)
            history.clear()
            return total
        return None

    for k in range(4):
        yield run(t.ones(2) * k), history


@story
def default_dict_of_lists(t, compiled):
    outputs = collections.defaultdict(list)

    @compiled
    def run(x, name):
        outputs[name].append(x)
        return sum(outputs[name])

    for name in ("b", "a", "b"):
        yield run(t.ones(2), name), outputs


@story
def default_dict_with_a_counting_factory(t, compiled):
    made = []

    def fresh():
        made.append(len(made))
        return t.zeros(2)

    sums = collections.defaultdict(fresh)

    @compiled
    def run(x, name):
        sums[name] += x
        return sums[name]

    for name in ("a", "a", "b", "a"):
        yield run(t.ones(2), name), sums, made


@story
def counter_of_labels(t, compiled):
    counts = collections.Counter()

    @compiled
    def run(labels):
        counts.update(labels.tolist())
        return labels + len(counts)

    for values in ([0, 1], [1, 1], [2, 0]):
        yield run(t.tensor(values)), sorted(counts.items())


@story
def chain_map_of_options(t, compiled):
    base, own = {"scale": 1.0, "bias": 0.0}, {}
    options = collections.ChainMap(own, base)
    run = compiled(lambda x: x * options["scale"] + options["bias"])
    yield run(t.ones(2))
    own["scale"] = 2.0
    yield run(t.ones(2))
    base["bias"] = 1.0
    yield run(t.ones(2))
    options.maps.pop(0)
    yield run(t.ones(2))


@story
def queue_of_negatives(t, compiled):
    net, momentum_net = linear(t), linear(t)
    queue, position = numbers(t, 4, 2), [0]

    @compiled
    def step(x):
        net.zero_grad()
        q = t.nn.functional.normalize(net(x), dim=1)
        with t.no_grad():
            for p, m in zip(net.parameters(), momentum_net.parameters(), strict=True):
                m.mul_(0.9).add_(p, alpha=0.1)
            k = t.nn.functional.normalize(momentum_net(x), dim=1)
        logits = t.cat([(q * k).sum(1, keepdim=True), q @ queue.clone().t()], dim=1)
        loss = t.nn.functional.cross_entropy(logits, t.zeros(len(x), dtype=t.long))
        loss.backward()
        queue[position[0] : position[0] + 2] = k[:2]
        position[0] = (position[0] + 2) % 4
        return loss

    for k in range(4):
        yield step(batch(t, k)[0]), queue, position, everything(net), everything(momentum_net)


@story
def replay_buffer(t, compiled):
    source = random.Random(0)
    memory = collections.deque(maxlen=3)

    @compiled
    def push_and_sample(x, reward):
        memory.append((x, reward))
        states, rewards = zip(*source.sample(list(memory), min(2, len(memory))), strict=True)
        return t.stack(states), t.tensor(rewards)

    for k in range(5):
        yield push_and_sample(t.ones(2) * k, float(k)), len(memory)


@story
def replay_buffer_of_tensors(t, compiled):
    class Buffer:
        def __init__(self, size):
            self.data, self.count = t.zeros(size, 2), 0

        def add(self, x):
            self.data[self.count % len(self.data)] = x
            self.count += 1

        def mean(self):
            return self.data[: min(self.count, len(self.data))].mean(0)

    buffer = Buffer(3)

    @compiled
    def step(x):
        buffer.add(x)
        return buffer.mean()

    for k in range(5):
        yield step(t.ones(2) * k), buffer.data, buffer.count


@story
def image_pool_of_a_cycle_gan(t, compiled):
    source, pool = random.Random(1), []

    @compiled
    def query(x):
        if len(pool) < 2:
            pool.append(x)
            return x
        index = source.randrange(2)
        if source.random() > 0.5:
            old, pool[index] = pool[index], x
            return old
        return x

    for k in range(6):
        x = t.ones(2) * k
        y = query(x)
        yield y, y is x, pool


@story
def tuple_rebound_inside(t, compiled):
    state = {"pair": (t.zeros(2), 0)}

    @compiled
    def run(x):
        total, count = state["pair"]
        state["pair"] = (total + x, count + 1)
        return state["pair"][0] / state["pair"][1]

    for k in range(4):
        yield run(t.ones(2) * k), state


@story
def nested_lists_of_tensors(t, compiled):
    grid = [[t.zeros(2) for _ in range(2)] for _ in range(2)]

    @compiled
    def run(x, row, column):
        grid[row][column] = grid[row][column] + x
        return sum(sum(cells) for cells in grid)

    for row, column in ((0, 0), (1, 1), (0, 0), (1, 0)):
        yield run(t.ones(2), row, column), grid


@story
def dictionary_of_means(t, compiled):
    means = {}

    @compiled
    def run(values):
        for name, value in values.items():
            means[name] = 0.5 * means[name] + 0.5 * value if name in means else value
        return {name: means[name] for name in sorted(means)}

    for names in ("b", "ba", "a", "cb"):
        yield run({name: t.ones(2) * len(names) for name in names}), means


@story
def entries_deleted_inside(t, compiled):
    cache = {k: t.ones(2) * k for k in range(4)}

    @compiled
    def run(key):
        value = cache.pop(key)
        oldest = next(iter(cache))
        del cache[oldest]
        cache[10 + key] = value
        return value + oldest

    for key in (2, 3, 12):
        yield run(key), cache


@story
def heap_of_numbers(t, compiled):
    heap = []

    @compiled
    def keep_best(x):
        heapq.heappush(heap, x.sum().item())
        if len(heap) > 2:
            heapq.heappop(heap)
        return x - heap[0]

    for k in (3, 1, 4, 1, 5):
        yield keep_best(t.ones(2) * k), heap


@story
def parameter_list_and_dict(t, compiled):
    nn = t.nn
    params = nn.ParameterList([nn.Parameter(t.ones(2)), nn.Parameter(t.ones(2) * 2)])
    named = nn.ParameterDict({"a": nn.Parameter(t.ones(2))})

    @compiled
    def run(x):
        for p in params:
            x = x * p
        return sum((x * p).sum() for p in named.values())

    yield run(t.ones(2))
    params.append(nn.Parameter(t.ones(2) * 3))
    yield run(t.ones(2))
    named["b"] = nn.Parameter(t.ones(2) * 4)
    yield run(t.ones(2))
    params[0] = nn.Parameter(t.zeros(2))
    loss = run(t.ones(2))
    loss.backward()
    yield loss, [p.grad for p in params], {name: p.grad for name, p in named.items()}
