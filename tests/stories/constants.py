"""Numbers, lists and arrays that become tensors inside: new at every call, changed afterwards."""

import math

import numpy as np

from tests.stories.storykit import batch, fill, linear, numbers, story


@story
def tensor_from_a_number_that_changes(t, compiled):
    state = {"k": 0.0}

    @compiled
    def run(x):
        state["k"] += 1.5
        return x * t.tensor(state["k"]), t.full((2,), state["k"]), x.new_full((2,), state["k"])

    for _ in range(5):
        yield run(t.ones(2))


@story
def list_changed_after_it_became_a_tensor(t, compiled):
    values = [1.0, 2.0]

    @compiled
    def run(x):
        y = t.tensor(values)
        values[0] += 10
        return x * y

    for _ in range(3):
        yield run(t.ones(2)), values


@story
def array_changed_after_it_became_a_tensor(t, compiled):
    # The copy must be made at once, not when the program runs.
    array = np.arange(64, dtype=np.float32)

    @compiled
    def run(x):
        y = t.tensor(array)
        array[:] = -1
        array[0] += len(x)
        return y.sum() * x

    for k in range(3):
        yield run(t.ones(2)), array
        array += k


@story
def array_as_an_argument_written_between_calls(t, compiled):
    array = np.zeros(64, np.float32)
    run = compiled(lambda a, x: t.tensor(a).sum() + x)
    for k in range(3):
        array[k] = k + 1
        result = run(array, t.ones(2))
        array[:] = 0
        yield result


@story
def numbers_of_numpy(t, compiled):
    run = compiled(lambda x, k: (x * k, k * 2, x + k))
    for k in (np.float32(2), np.float64(0.5), np.int64(3), np.bool_(True), np.float32(-0.0)):
        yield run(t.ones(2), k)


@story
def signs_of_zero_made_inside(t, compiled):
    state = {"zero": 0.0}

    @compiled
    def run(x):
        state["zero"] = -state["zero"]
        return x / state["zero"], x / t.tensor(state["zero"]), t.full((2,), state["zero"])

    for _ in range(4):
        yield [1 / part for part in run(t.ones(2))]


@story
def one_and_true_and_one_point_zero_made_inside(t, compiled):
    kinds = iter([1, True, 1.0, 1, True])

    @compiled
    def run(x):
        k = next(kinds)
        return x + k, t.tensor(k), t.full((2,), k)

    for _ in range(5):
        yield run(t.tensor([1, 2]))


@story
def not_a_number_made_inside(t, compiled):
    values = iter([math.nan, 1.0, math.inf, math.nan])

    @compiled
    def run(x):
        k = next(values)
        return x * k, x + k

    for _ in range(4):
        yield run(t.ones(2))


@story
def big_integers(t, compiled):
    run = compiled(lambda x, k: (x + k, x * 1.0 + k))
    for k in (2**31, 2**53 + 1, -(2**62), 1):
        yield run(t.tensor([1, 2]), k)


@story
def small_and_large_floats(t, compiled):
    run = compiled(lambda x, k: (x * k, x.double() * k))
    for k in (1e-30, 0.1, 1e30, 1 / 3):
        yield run(t.ones(2), k)


@story
def complex_numbers(t, compiled):
    run = compiled(lambda x, k: (x * k).abs())
    for k in (1j, 2 + 1j, 2, 1j):
        yield run(t.ones(2), k)


@story
def ranges_of_changing_length(t, compiled):
    @compiled
    def run(x, n):
        return x[0] * t.arange(n), t.linspace(0, 1, n + 1), t.zeros(n, 2), t.eye(n)

    for n in (2, 3, 2, 1):
        yield run(t.ones(2), n)


@story
def slice_that_grows(t, compiled):
    data, state = numbers(t, 12), {"n": 1}

    @compiled
    def run():
        state["n"] += 1
        return data[: state["n"]].sum()

    for _ in range(10):
        yield run(), state


@story
def index_that_walks(t, compiled):
    data, state = numbers(t, 12, 2), {"at": 0}

    @compiled
    def run(x):
        row = data[state["at"]]
        data[state["at"]] = row + x
        state["at"] = (state["at"] + 5) % 12
        return row

    for _ in range(8):
        yield run(t.ones(2)).clone(), data


@story
def exponent_that_changes(t, compiled):
    state = {"step": 0}

    @compiled
    def run(x):
        state["step"] += 1
        return x / (1 - 0.9 ** state["step"]), x ** state["step"]

    for _ in range(6):
        yield run(t.ones(2) * 2)


@story
def annealed_weight_of_a_loss(t, compiled):
    net, state = linear(t), {"beta": 0.0}

    @compiled
    def step(x):
        net.zero_grad()
        y = net(x)
        loss = y.square().mean() + state["beta"] * y.abs().mean()
        loss.backward()
        state["beta"] = min(1.0, state["beta"] + 0.3)
        return loss

    for k in range(6):
        yield step(batch(t, k)[0]), net.weight.grad, state


@story
def tensors_without_dimensions(t, compiled):
    # A tensor without dimensions weighs less in promotion than one with them.
    run = compiled(lambda x, k: (x * k, k * k, x.long() * k))
    for k in (
        t.tensor(2.0, dtype=t.float64),
        t.tensor(3),
        t.tensor(True),
        t.tensor([2.0]).double(),
    ):
        yield run(t.ones(2), k)


@story
def dimensions_that_come_from_a_list(t, compiled):
    order = [0, 1]

    @compiled
    def run(x):
        return x.permute(*order), x.sum(order[0]), x.reshape([-1, *x.shape[1:]][: len(order)])

    for _ in range(3):
        yield run(numbers(t, 4, 3))
        order.reverse()


@story
def positions_computed_once_outside(t, compiled):
    positions = t.arange(4).float()
    table = {"sin": positions.sin()}
    run = compiled(lambda x: x * table["sin"])
    yield run(t.ones(4))
    table["sin"] = positions.cos()
    yield run(t.ones(4))
    positions.add_(1)
    yield run(t.ones(4))
    table["sin"].zero_()
    yield run(t.ones(4))


@story
def padding_written_in_place(t, compiled):
    @compiled
    def pad(rows, length):
        out = t.zeros(len(rows), length)
        for k, row in enumerate(rows):
            out[k, : len(row)] = row
        return out

    for sizes in ((2, 3), (1, 3), (3,), (2, 3)):
        yield pad([t.ones(size) for size in sizes], 3)


@story
def one_hot_and_masks_from_lengths(t, compiled):
    @compiled
    def run(lengths, longest):
        mask = t.arange(longest)[None] < lengths[:, None]
        return mask, t.nn.functional.one_hot(lengths, longest + 1), mask.sum()

    for values, longest in (([1, 2], 2), ([3, 0], 3), ([2, 2], 2)):
        yield run(t.tensor(values), longest)


@story
def schedule_from_a_table(t, compiled):
    table = np.linspace(1.0, 0.0, 4)
    state = {"epoch": 0}

    @compiled
    def run(x):
        weight = table[state["epoch"]]
        state["epoch"] += 1
        return x * weight, x * float(weight)

    for _ in range(4):
        yield run(t.ones(2))


@story(recompiles=False)
def annealed_smoothing_and_slope(t, compiled):
    net = fill(t, t.nn.Sequential(t.nn.Linear(3, 3), t.nn.CELU(), t.nn.Dropout(0.5).eval()))
    loss_of, x, y = t.nn.CrossEntropyLoss(label_smoothing=0.1), numbers(t, 4, 3), t.arange(4) % 3

    @compiled
    def step(margin):
        return loss_of(net(x), y) + t.nn.functional.multi_margin_loss(net(x), y, margin=margin)

    for k in (0.1, 0.2, 0.3, 0.4, 0.5):
        net[1].alpha = loss_of.label_smoothing = k
        yield step(1 - k)


@story(draws=True, recompiles=False)
def annealed_dropout(t, compiled):
    layer, x = t.nn.Dropout(), numbers(t, 4, 3)
    run = compiled(lambda: layer(x))
    for k in (0.1, 0.2, 0.3, 0.4, 0.5):
        layer.p = k
        yield run()
