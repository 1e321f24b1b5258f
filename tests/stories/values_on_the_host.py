"""Values asked for in the middle: item, tolist, numpy, float, int, format, len, bool."""

import json
import math

import numpy as np

from tests.stories.storykit import batch, everything, linear, mlp, numbers, story


@story
def item_returned(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    for k in range(4):
        yield step(*batch(t, k)), everything(net)


@story
def item_in_the_middle(t, compiled):
    net = mlp(t)

    @compiled
    def step(x):
        net.zero_grad()
        hidden = net[0](x)
        scale = hidden.abs().max().item()
        loss = net[2](hidden / scale).square().sum()
        loss.backward()
        return loss, scale

    for k in range(3):
        yield step(batch(t, k)[0]), everything(net)


@story
def conversions(t, compiled):
    run = compiled(lambda x: (float(x), int(x), bool(x), f"{x:.1f}", complex(x), round(float(x))))
    for value in (1.25, 0.0, -2.75):
        yield run(t.tensor(value))


@story
def lists_of_numbers(t, compiled):
    run = compiled(lambda x: (x.tolist(), (x * 2).sum(0).tolist(), [float(v) for v in x[0]]))
    for k in range(3):
        yield run(t.ones(4, 3) * k)


@story
def detour_over_numpy(t, compiled):
    @compiled
    def run(x):
        array = (x * 2).numpy()
        array = np.sort(array)[::-1].copy()
        return t.from_numpy(array) + x, array.mean()

    for seed in range(3):
        yield run(numbers(t, 4, seed=seed))


@story
def detour_with_detach_and_a_gradient(t, compiled):
    net = linear(t)

    @compiled
    def step(x):
        net.zero_grad()
        y = net(x)
        weights = np.exp(y.detach().numpy()).astype(np.float32)
        loss = (y * t.from_numpy(weights)).sum()
        loss.backward()
        return loss

    for k in range(3):
        yield step(batch(t, k)[0]), everything(net)


@story
def numpy_functions_on_tensors(t, compiled):
    run = compiled(lambda x: (np.asarray(x).sum(), np.mean(x.numpy()), np.array(x)))
    for k in range(3):
        yield run(t.ones(2) * k)


@story
def math_functions_on_tensors(t, compiled):
    run = compiled(lambda x: (math.sqrt(x), math.floor(x), math.isnan(x), max(x, 2.0)))
    for value in (4.0, 1.0, 2.25):
        yield run(t.tensor(value))


@story
def tensor_as_index_and_range(t, compiled):
    run = compiled(lambda n: (list(range(n)), "abc"[n], [0, 1, 2][: n + 1], 2 ** int(n)))
    for n in (0, 2, 1):
        yield run(t.tensor(n))


@story
def made_into_text(t, compiled):
    run = compiled(lambda x: json.dumps({"sum": x.sum().item(), "all": x.tolist()}))
    for k in range(3):
        yield run(t.ones(2) * k)


@story
def sorted_by_a_key(t, compiled):
    run = compiled(lambda xs: sorted(xs, key=lambda x: x.sum().item()))
    for signs in ((1, -1, 2), (3, 2, 1), (1, 2, 3)):
        yield run([t.ones(2) * sign for sign in signs])


@story
def membership_and_equality(t, compiled):
    @compiled
    def run(x, seen):
        return x in seen, t.equal(x, t.ones(2)), bool((x == 1).all()), x is seen

    x = t.ones(2)
    yield run(t.tensor(1.0), t.ones(2))
    yield run(t.tensor(3.0), t.ones(2))
    yield run(t.tensor(2.0), t.tensor([1.0, 2.0]))
    yield compiled(lambda y: y is x)(x), compiled(lambda y: y is x)(t.ones(2))


@story
def value_used_as_a_key(t, compiled):
    names = {0: "zero", 1: "one"}
    run = compiled(lambda x: names.get(x.item(), "many"))
    for value in (0, 1, 5, 0):
        yield run(t.tensor(value))


@story
def number_of_right_answers(t, compiled):
    net, right = linear(t), {"n": 0}

    @compiled
    def evaluate(x, y):
        with t.no_grad():
            right["n"] += (net(x).argmax(1) == y).sum().item()
        return right["n"]

    for k in range(4):
        yield evaluate(batch(t, k)[0], t.tensor([0, 1, 0, 1]))


@story
def iteration_over_a_tensor(t, compiled):
    @compiled
    def run(x):
        rows = []
        for number, row in enumerate(x):
            rows.append(row * number)
        first, *rest = x
        return rows, first, len(rest), list(zip(x, rest, strict=False))[0]

    for size in (2, 4, 2):
        yield run(numbers(t, size, 3))


@story
def new_tensors_from_values(t, compiled):
    @compiled
    def run(x):
        return t.tensor([x.max().item(), x.min().item()]), t.tensor(x.tolist()), x.new_tensor([1])

    for seed in range(3):
        yield run(numbers(t, 2, seed=seed))


@story
def tensor_made_from_a_python_list_that_grows(t, compiled):
    values = [1.0, 2.0]
    run = compiled(lambda x: x * t.tensor(values[-2:]))
    for k in range(3):
        yield run(t.ones(2))
        values.append(float(k * 10))


@story
def exponential_average_of_a_number(t, compiled):
    state = {"average": None}

    @compiled
    def run(x):
        value = x.mean().item()
        old = state["average"]
        state["average"] = value if old is None else 0.9 * old + 0.1 * value
        return x - state["average"]

    for k in range(4):
        yield run(t.ones(2) * k), state


@story
def values_of_an_old_result(t, compiled):
    run = compiled(lambda x: x * 2)
    results = []
    for k in range(4):
        results.append(run(t.ones(2) * k))
        yield [result.tolist() for result in results]


@story
def snapshot_in_numpy_before_the_update(t, compiled):
    w = t.ones(2)

    @compiled
    def run(x):
        before = w.clone().numpy()
        w.add_(x)
        return before, w.clone().numpy()

    for k in range(3):
        yield run(t.ones(2) * k), w
