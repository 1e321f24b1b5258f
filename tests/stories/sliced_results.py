"""Steps that slice what a network gives, and return a loss with its graph."""

from tests.stories.storykit import attempt_type, batch, everything, mlp, numbers, story, train_step

CUTS = {
    "row": lambda o, k: o[k],
    "column": lambda o, k: o[:, k],
    "window": lambda o, k: o[k:, :1],
    "last": lambda o, k: o[..., -1:],
    "half": lambda o, k: o.chunk(2, 1)[k],
    "one of all": lambda o, k: o.unbind(0)[k],
    "narrowed": lambda o, k: o.narrow(0, k, 2),
    "selected": lambda o, k: o.select(1, k),
    "shifted": lambda o, k: o[:, 1:] - o[:, :-1],
}


@story
def loss_of_a_part(t, compiled):
    for name, cut in CUTS.items():
        yield name
        yield from trained(t, compiled, cut)


def trained(t, compiled, cut):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    place = {"k": 0}

    @compiled
    def step(x):
        opt.zero_grad()
        loss = cut(net(x), place["k"]).pow(2).mean()
        loss.backward()
        opt.step()
        return loss

    kept = []
    for n in range(7):
        if n == 4:
            place["k"] = 1
        kept.append(step(batch(t, n)[0]))
        yield kept[-1], everything(net, opt)
    yield [attempt_type(each.backward) for each in kept]


@story
def linear_graphs_are_walked_again(t, compiled):
    w = t.nn.Parameter(numbers(t, 4, 3))
    place = {"k": 0}

    @compiled
    def f(x):
        w.grad = None
        y = w[place["k"] :, 1:].sum()
        y.backward()
        return y

    kept = []
    for n in range(9):
        if n == 4:
            place["k"] = 2
        kept.append(f(t.ones(1)))
        yield kept[-1], w.grad
        if n % 3 == 2:
            yield attempt_type(kept[n - 2].backward), w.grad
            yield attempt_type(t.autograd.grad, kept[n - 1], w), w.grad
    x = t.ones(2, requires_grad=True)
    (y,) = t.autograd.grad(kept[0], w, x.sum(), create_graph=True)
    yield y, t.autograd.grad(y.sum(), x)


@story
def two_passes_over_one_part(t, compiled):
    net = mlp(t)
    w = t.nn.Parameter(numbers(t, 6))

    @compiled
    def step(x):
        w.grad = None
        a = w[:2]
        first = (net(x)[:, 0] * a[0]).mean()
        second = a.sum()
        first.backward()
        second.backward()
        third = w[2:4].sum()
        third.backward()
        return first, second, third

    for n in range(6):
        if n == 3:
            w.data.mul_(2)
        first, second, third = step(batch(t, n)[0])
        yield (
            first,
            second,
            third,
            w.grad,
            [attempt_type(each.backward) for each in (second, third)],
        )
        yield w.grad, everything(net)


@story
def index_that_is_a_tensor(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, i):
        opt.zero_grad()
        loss = net(x)[i].sum() + net(x)[:, 0].max()
        loss.backward()
        opt.step()
        return loss

    for n in range(8):
        loss = step(batch(t, n)[0], t.tensor(n % 4))
        yield loss, everything(net, opt), attempt_type(loss.backward)


@story
def last_step_of_a_sequence(t, compiled):
    lstm, head = t.nn.LSTM(3, 4, batch_first=True), t.nn.Linear(4, 2)
    with t.no_grad():
        for part in (lstm, head):
            for p in part.parameters():
                p.copy_(numbers(t, *p.shape))
    net = t.nn.ModuleList([lstm, head])
    opt = t.optim.Adam(net.parameters(), lr=0.05)
    step = train_step(t, compiled, lambda x: head(lstm(x)[0][:, -1]), opt)
    for n in range(6):
        yield step(numbers(t, 2, 5, 3, seed=n), numbers(t, 2, 2, seed=n)), everything(net, opt)
