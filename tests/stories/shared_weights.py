"""Parameters that share memory: tied weights, views of a flat buffer, storage that is replaced."""

from tests.stories.storykit import batch, everything, fill, linear, numbers, story


@story
def view_of_a_parameter_is_written(t, compiled):
    net = linear(t)

    @compiled
    def run(x, k):
        with t.no_grad():
            net.weight[0].fill_(k)
            net.bias[1:] = k
        return net(x)

    for k in range(3):
        yield run(batch(t)[0], k), everything(net)


@story
def view_of_a_parameter_is_kept(t, compiled):
    net = linear(t)
    row = net.weight.detach()[0]
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x):
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    for k in range(3):
        step(batch(t, k)[0])
        yield row, net.weight


@story
def flat_parameter_of_many_views(t, compiled):
    flat = numbers(t, 8).requires_grad_()

    @compiled
    def run(x):
        weight, bias = flat[:6].view(2, 3), flat[6:]
        return t.nn.functional.linear(x, weight, bias).square().sum()

    for k in range(3):
        flat.grad = None
        loss = run(batch(t, k)[0])
        loss.backward()
        yield loss, flat.grad
        with t.no_grad():
            flat -= 0.1 * flat.grad


@story
def parameters_that_are_views_of_one_buffer(t, compiled):
    buffer = numbers(t, 8)
    net = t.nn.Linear(3, 2)
    net.weight.data, net.bias.data = buffer[:6].view(2, 3), buffer[6:]

    @compiled
    def step(x):
        net.zero_grad()
        net(x).sum().backward()
        with t.no_grad():
            for p in net.parameters():
                p.sub_(p.grad)

    for k in range(3):
        step(batch(t, k)[0])
        yield buffer, everything(net)
        buffer.mul_(2)


@story
def tied_weights(t, compiled):
    net = fill(t, t.nn.Sequential(t.nn.Linear(2, 2), t.nn.Tanh(), t.nn.Linear(2, 2)))
    optimizer = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @compiled
    def step(x):
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    x = numbers(t, 4, 2)
    step(x)
    yield everything(net)
    net[2].weight = net[0].weight
    for _ in range(2):
        step(x)
        yield everything(net), net[2].weight is net[0].weight
    net[2].weight = t.nn.Parameter(net[0].weight.detach().clone())
    step(x)
    yield everything(net)


@story
def weights_tied_by_data(t, compiled):
    a, b = linear(t), linear(t)
    b.weight.data = a.weight.data

    @compiled
    def step(x):
        a.zero_grad()
        b.zero_grad()
        (a(x) + b(x)).sum().backward()
        with t.no_grad():
            a.weight.sub_(0.1 * a.weight.grad)

    for k in range(3):
        step(batch(t, k)[0])
        yield everything(a), everything(b)


@story
def embedding_tied_to_the_output(t, compiled):
    class Model(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = t.nn.Embedding(4, 3)
            self.out = t.nn.Linear(3, 4, bias=False)
            self.out.weight = self.embed.weight

        def forward(self, tokens):
            return self.out(self.embed(tokens))

    net = fill(t, Model())
    optimizer = t.optim.Adam(net.parameters(), lr=0.1)

    @compiled
    def step(tokens, targets):
        optimizer.zero_grad()
        loss = t.nn.functional.cross_entropy(net(tokens), targets)
        loss.backward()
        optimizer.step()
        return loss

    for k in range(3):
        yield step(t.tensor([0, 1, k]), t.tensor([1, k, 3])), everything(net)


@story
def storage_replaced_by_data(t, compiled):
    x = t.ones(2)
    alias = x.detach()
    run = compiled(lambda y: (x + y, alias + y))
    yield run(t.ones(2))
    x.data = t.zeros(2)
    yield run(t.ones(2))
    alias.add_(5)
    yield run(t.ones(2)), x
    x.data = alias
    x.add_(1)
    yield run(t.ones(2)), alias


@story
def shape_changed_by_data(t, compiled):
    w = t.nn.Parameter(t.ones(2))
    run = compiled(lambda: (w * 2).sum())
    for shape in ((2,), (4, 3), (2,)):
        w.data = t.ones(*shape)
        yield run(), w


@story
def overlapping_parameters_in_one_optimizer(t, compiled):
    makers = {
        "SGD": {"weight_decay": 0.1, "momentum": 0.5},
        "AdamW": {"weight_decay": 0.1},
        "RMSprop": {},
    }
    for kind, options in makers.items():
        weight, part, whole = [t.nn.Parameter(numbers(t, 3, 2, seed=n)) for n in range(3)]
        part.data, whole.data = weight.data[1:], weight.data
        optimizer = getattr(t.optim, kind)([part, weight, whole], lr=0.1, **options)

        @compiled
        def step():
            optimizer.zero_grad()  # noqa: B023 - called before the next one is made
            (weight.square().sum() + (part * 3).sum() + whole.sum()).backward()  # noqa: B023
            optimizer.step()  # noqa: B023

        for number in range(4):
            if number == 2:
                part.data = weight.data[:2].clone()
            step()
        yield weight, part, whole
