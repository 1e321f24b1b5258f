"""Batches that are slices of the data: views as arguments, of which replays read the values."""

from tests.stories.storykit import fill, mlp, numbers, story


def _trainer(t, compiled, read=lambda x: x):
    net = fill(t, t.nn.Linear(3, 2))
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = ((net(read(x)) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return net, step


@story(recompiles=False)
def slices_of_the_data(t, compiled):
    net, step = _trainer(t, compiled)
    data, wanted = numbers(t, 12, 3), numbers(t, 12, 2, seed=1)
    for _ in range(2):
        for i in range(0, 12, 2):
            yield step(data[i : i + 2], wanted[i : i + 2]).detach(), net.weight.detach().clone()


@story
def a_last_batch_that_is_short(t, compiled):
    net, step = _trainer(t, compiled)
    data, wanted = numbers(t, 7, 3), numbers(t, 7, 2, seed=1)
    for _ in range(3):
        for i in range(0, 7, 3):
            yield step(data[i : i + 3], wanted[i : i + 3]).detach(), net.weight.detach().clone()


@story
def other_strides(t, compiled):
    net, step = _trainer(t, compiled)
    wide, wanted = numbers(t, 4, 6), numbers(t, 4, 2, seed=1)
    square = numbers(t, 3, 4, seed=2)
    for _ in range(2):
        for x in (wide[:, ::2], wide[:, :3], wide[:, 3:], square.t(), wide[:1, :3].expand(4, 3)):
            yield step(x, wanted).detach()
            yield step(x, wanted[:, [1, 0]]).detach(), x.stride()


@story
def data_that_changes(t, compiled):
    net, step = _trainer(t, compiled)
    data, wanted = numbers(t, 8, 3), numbers(t, 8, 2, seed=1)
    x, y = data[2:4], wanted[2:4]
    for turn in range(8):
        yield step(x, y).detach(), x.clone()
        if turn == 3:
            data.mul_(2)
        if turn == 5:
            x.add_(1)
        if turn == 6:
            data[2] = 0


@story
def data_that_is_written_inside(t, compiled):
    data = numbers(t, 6, 3)

    @compiled
    def scaled(x, y):
        x.mul_(2)
        return (x + y).sum()

    for i in (0, 1, 2, 0, 1, 2, 3):
        yield scaled(data[i : i + 2], data[i + 1 : i + 3]), data.clone()


@story
def views_that_overlap(t, compiled):
    data = numbers(t, 6, 3)
    run = compiled(lambda x, y: (x * y).sum() + y.amax())
    for i in (0, 1, 2, 3, 0, 1):
        yield run(data[i : i + 2], data[i + 1 : i + 3]), run(data[i:], data[i:]), run(data, data[:])


@story
def a_window_of_a_weight(t, compiled):
    net, step = _trainer(t, compiled)
    wanted = numbers(t, 2, 2, seed=1)
    for turn in range(6):
        part = net.weight.detach()[:2] if turn % 3 else numbers(t, 4, 3, seed=2)[1:3]
        yield step(part, wanted).detach(), part.clone(), net.weight.detach().clone()


@story
def what_is_returned_is_the_argument(t, compiled):
    data = numbers(t, 6, 3)
    run = compiled(lambda x: (x, x.contiguous(), x.detach(), x[0], x * 2))
    for x in (data[1:3], data[2:4], data[:, 1:], data[1:3], data[2:4], data):
        same, whole, detached, first, _ = run(x)
        yield same is x, whole is x, detached.data_ptr() == x.data_ptr(), first._base is x._base
        detached.add_(1)
        yield data.clone(), whole


@story
def python_looks_at_the_layout(t, compiled):
    data = numbers(t, 6, 4)

    @compiled
    def run(x):
        scale = 2.0 if x.is_contiguous() else 3.0
        return x * scale, x.stride(), x.storage_offset(), x._is_view()

    for x in (data[1:3], data[2:4], data[:, 1:], data[:, 2:], data, data[1:3].clone(), data.t()):
        yield run(x), run(x)


@story
def views_with_a_history(t, compiled):
    w = numbers(t, 4, 3).requires_grad_()
    run = compiled(lambda x: (x * x).sum())
    for turn in range(6):
        rows = w[turn % 2 : turn % 2 + 2]
        with t.no_grad():
            quiet = w[turn % 2 : turn % 2 + 2]
        total = run(rows) + run(quiet) + run(w.detach()[1:3])
        (grad,) = t.autograd.grad(total, w)
        yield total.detach(), grad, rows.requires_grad


@story
def a_base_that_gets_a_gradient(t, compiled):
    data = numbers(t, 4, 3)
    x = data[1:3]
    run = compiled(lambda x: x * 2)
    for turn in range(6):
        if turn == 3:
            data.mul_(numbers(t, 1, seed=1).requires_grad_())
        made = run(x)
        yield made.detach(), made.requires_grad, x.requires_grad


@story
def windows_of_numpys_memory(t, compiled):
    array = numbers(t, 6, 3).numpy()
    data = t.from_numpy(array)
    run = compiled(lambda x: x.sum(0))
    for i in (0, 1, 2, 0, 1, 2):
        made = run(data[i : i + 2])
        array[i] = i
        yield made, run(data[i : i + 2])


@story
def views_of_views_and_kept_ones(t, compiled):
    data = numbers(t, 8, 3)

    class Model:
        def __init__(self):
            self.last = None

        def step(self, x):
            self.last = x
            return x.sum() + self.last[0].sum()

    model = Model()
    run = compiled(model.step)
    for i in (0, 2, 4, 0, 2, 4):
        x = data[i : i + 4][1:3]
        yield run(x), model.last is x
        model.last.add_(1)
        yield data.clone()


@story(recompiles=False)
def parts_of_a_split(t, compiled):
    net, step = _trainer(t, compiled, read=lambda x: x.float())
    data, wanted = numbers(t, 12, 3), numbers(t, 12, 2, seed=1)
    order = t.tensor([5, 1, 0, 7, 3, 2, 9, 11, 4, 6, 10, 8])
    for _ in range(2):
        for x, y in zip(data.split(2), wanted.chunk(6), strict=True):
            yield step(x, y).detach()
        for rows in order.view(6, 2):
            yield step(data[rows], wanted[rows]).detach()


@story
def rows_of_two_sets(t, compiled):
    xs, ys = numbers(t, 4, 3), numbers(t, 4, 3, seed=1)
    net = mlp(t)
    run = compiled(lambda x, scale: net(x).sum() * scale)
    for turn in range(8):
        part = (xs if turn % 2 else ys)[turn // 2]
        yield run(part, 2.0).detach(), run(part[:3], 0.5).detach()
