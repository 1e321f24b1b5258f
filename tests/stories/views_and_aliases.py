"""Views, in-place operations, overlapping windows, tied weights: who sees whose changes."""

from tests.stories.storykit import numbers, story


@story
def view_of_an_argument_is_written(t, compiled):
    @compiled
    def run(x):
        x[0] = 5
        x[:, 1] += 1
        return x.sum()

    x = t.ones(4, 3)
    for _ in range(3):
        yield run(x), x


@story
def argument_is_a_view(t, compiled):
    double = compiled(lambda x: x.mul_(2))
    base = t.ones(4, 3)
    for part in (base[0], base[1:3], base[:, 0], base.t(), base.view(-1)[::2], base):
        part_after = double(part)
        yield part_after, base


@story
def overlapping_windows(t, compiled):
    @compiled
    def run(a, b):
        a.add_(1)
        return a * b

    base = t.arange(6).float()
    for start in (2, 1, 0, 4):
        yield run(base[:3], base[start : start + 2].sum()), base
    yield run(base[0:3], base[1:4]), base
    yield run(base[0:3], base[3:6]), base
    yield run(base[0:3], base[0:3]), base


@story
def base_and_view_as_arguments(t, compiled):
    @compiled
    def run(base, row):
        row.zero_()
        base.add_(1)
        return base.sum() + row.sum()

    base = t.ones(4, 3)
    for k in range(3):
        yield run(base, base[k]), base
    yield run(base, t.ones(3)), base


@story
def result_is_a_view_of_an_argument(t, compiled):
    first_row = compiled(lambda x: x[0])
    x = t.ones(4, 3)
    for k in range(3):
        row = first_row(x)
        row.add_(k)
        yield row, x


@story
def result_is_the_argument(t, compiled):
    run = compiled(lambda x, copy: x.clone() if copy else x)
    x = t.ones(2)
    for copy in (False, True, False):
        result = run(x, copy)
        result.add_(1)
        yield result is x, result, x


@story
def results_share_memory(t, compiled):
    @compiled
    def run(x):
        y = x * 2
        return y, y[0], y.view(-1), y.detach()

    for _ in range(3):
        y, row, flat, detached = run(t.ones(4, 3))
        row.zero_()
        detached[1] = 7
        yield y, row, flat, detached


@story
def view_made_before_the_call(t, compiled):
    x = t.ones(4, 3)
    column = x[:, 0]
    run = compiled(lambda: x.mul_(2))
    for _ in range(3):
        run()
        yield column, x
        column.add_(1)


@story
def in_place_on_a_result_of_a_call(t, compiled):
    w = t.ones(2, requires_grad=True)
    run = compiled(lambda x: w * x)
    for k in range(3):
        y = run(t.ones(2) * k)
        y.mul_(3)
        y[0] = 0
        w.grad = None
        y.sum().backward()
        yield y, w.grad


@story
def in_place_inside_with_gradients(t, compiled):
    w = numbers(t, 4, 3).requires_grad_()

    @compiled
    def run(x):
        y = w * x
        y[0] *= 2
        y[:, 1].add_(x)
        y.relu_()
        return y.sum()

    for k in range(3):
        w.grad = None
        loss = run(t.tensor(float(k + 1)))
        loss.backward()
        yield loss, w.grad


@story
def in_place_result_of_a_leaf_view(t, compiled):
    w = t.ones(2, requires_grad=True)

    @compiled
    def run(x):
        buffer = t.zeros(4)
        buffer[:2] = w * x
        buffer[2:] = buffer[:2].detach() * 2
        return buffer

    for k in range(3):
        w.grad = None
        buffer = run(t.ones(2) * k)
        buffer.sum().backward()
        yield buffer, w.grad


@story
def buffer_filled_row_by_row(t, compiled):
    memory = t.zeros(4, 3)
    position = [0]

    @compiled
    def push(row):
        memory[position[0]] = row
        position[0] = (position[0] + 1) % 4
        return memory.sum()

    for k in range(6):
        yield push(numbers(t, 3, seed=k)), memory, position


@story
def contiguous_and_reshape_may_alias(t, compiled):
    @compiled
    def run(x, transpose):
        y = x.t() if transpose else x
        flat = y.reshape(-1)
        flat[0] = 9
        return y.contiguous() is y, flat

    x = t.ones(4, 3)
    for transpose in (False, True, False):
        yield run(x, transpose)[1], x


@story
def expanded_tensors(t, compiled):
    run = compiled(lambda x, y: x.expand(4, 3) + y)
    x = t.ones(3)
    for k in range(3):
        x.fill_(k)
        yield run(x, t.ones(4, 3)), run(t.ones(1), t.ones(4, 3))


@story
def chunks_and_unbound_rows_are_written(t, compiled):
    @compiled
    def run(x):
        first, second = x.chunk(2)
        first.add_(1)
        second.mul_(3)
        for number, row in enumerate(x):
            row += number
        for column in x.unbind(1):
            column.sub_(0.5)
        return first.sum(), second

    x = t.ones(4, 3)
    for _ in range(3):
        yield run(x), x


@story
def swapped_tensors(t, compiled):
    @compiled
    def step():
        state["now"], state["next"] = state["next"], state["now"]
        state["next"].copy_(state["now"] * 2)
        return state["now"] is a

    a, b = t.ones(2), t.ones(2) * 3
    state = {"now": a, "next": b}
    for _ in range(4):
        yield step(), state, a, b


@story
def out_arguments(t, compiled):
    out = t.zeros(2)
    run = compiled(lambda x: t.add(x, 1, out=out))
    for k in range(3):
        yield run(t.ones(2) * k) is out, out


@story
def data_of_a_result(t, compiled):
    w = t.ones(2, requires_grad=True)

    @compiled
    def run(x):
        y = w * x
        y.data.clamp_(max=1.5)
        return y

    for k in range(3):
        w.grad = None
        y = run(t.ones(2) * k)
        y.sum().backward()
        yield y, w.grad
