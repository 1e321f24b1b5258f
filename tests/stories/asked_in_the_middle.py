"""A value is asked for in the middle: what was done before it, what comes after."""

from tests.stories.storykit import batch, everything, in_threads, linear, mlp, numbers, story


@story
def asked_for_what_needs_no_value(t, compiled):
    w = t.ones(4, 3, requires_grad=True)

    @compiled
    def run(x):
        y = (w * x).t()[1:]
        plain = (y.shape, y.dtype, y.device, y.ndim, y.numel(), y.is_contiguous(), len(y))
        graph = (y.requires_grad, y.is_leaf, y.grad_fn is None, y.grad is None)
        return y, tuple(plain[0]), *plain[1:], *graph

    for k in range(3):
        yield run(t.tensor(float(k)))


@story
def read_in_another_thread(t, compiled):
    @compiled
    def run(x):
        y = x * 2
        return y * 3, in_threads(lambda: (y + 1).tolist())

    for k in range(3):
        yield run(t.ones(2) * k)


@story
def made_in_another_thread(t, compiled):
    @compiled
    def run(x):
        (found,) = in_threads(lambda: x * 2)
        return found + 1

    for k in range(3):
        yield run(t.ones(2) * k)


@story
def value_asked_in_a_forward_hook(t, compiled):
    net, means = mlp(t), []
    net[0].register_forward_hook(lambda module, args, output: means.append(output.mean().item()))

    @compiled
    def step(x):
        net.zero_grad()
        loss = net(x).square().sum()
        loss.backward()
        return loss

    for k in range(3):
        yield step(batch(t, k)[0]), means, everything(net)


@story
def value_asked_in_a_backward_hook(t, compiled):
    net, norms = mlp(t), []

    def hook(gradient):
        norms.append(gradient.norm().item())
        return gradient / max(norms)

    net[0].weight.register_hook(hook)

    @compiled
    def step(x):
        net.zero_grad()
        net(x).square().sum().backward()

    for k in range(3):
        step(batch(t, k)[0])
        yield norms, everything(net)


@story
def value_asked_between_backward_and_step(t, compiled):
    net = mlp(t)
    optimizer = t.optim.Adam(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        norms = [p.grad.norm().item() for p in net.parameters()]
        optimizer.step()
        return loss, norms

    for k in range(3):
        yield step(*batch(t, k)), everything(net, optimizer)


@story
def value_asked_after_everything(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        return {"loss": loss.item(), "norm": float(net.weight.norm()), "step": optimizer}

    for k in range(3):
        found = step(*batch(t, k))
        yield found["loss"], found["norm"], found["step"] is optimizer, everything(net)


@story
def value_asked_of_the_inputs_only(t, compiled):
    @compiled
    def run(x, n):
        y = x * 2
        if n.item() > 1:
            y = y + n
        return y

    for k in range(4):
        yield run(t.ones(2), t.tensor(k))


@story
def view_made_before_a_value_is_asked_and_written_after(t, compiled):
    @compiled
    def run(x):
        y = x * 2
        row, column = y[0], y[:, 0]
        total = y.sum().item()
        row.add_(total)
        column.mul_(2)
        return y, row, column

    for k in range(3):
        yield run(t.ones(4, 3) * k)


@story
def argument_written_before_and_after_a_value_is_asked(t, compiled):
    @compiled
    def run(x):
        x.add_(1)
        half = x.sum().item() / 2
        x.sub_(half)
        return half

    x = t.ones(2)
    alias = x.detach()
    for _ in range(3):
        yield run(x), x, alias


@story
def graph_before_a_value_is_asked_and_backward_after(t, compiled):
    w = numbers(t, 2, requires_grad=True)

    @compiled
    def run(x):
        y = w * x
        scale = y.abs().max().item()
        z = (y / scale).square()
        z.sum().backward()
        return y, z, scale

    for k in range(1, 4):
        w.grad = None
        yield run(t.ones(2) * k), w.grad


@story
def no_operation_at_all(t, compiled):
    calls = []

    @compiled
    def run(x):
        calls.append(len(calls))
        return x

    x = t.ones(2)
    for _ in range(3):
        yield run(x) is x, calls


@story
def nothing_but_a_write(t, compiled):
    x = t.ones(2)
    run = compiled(lambda y: x.copy_(y))
    for k in range(3):
        yield run(t.ones(2) * k) is x, x


@story
def work_that_nobody_reads(t, compiled):
    log = []

    @compiled
    def run(x):
        for _ in range(3):
            (x * 2).sum()
        log.append("done")

    for k in range(3):
        yield run(t.ones(2) * k), log


@story
def thousand_operations(t, compiled):
    @compiled
    def run(x, n):
        for k in range(n):
            x = x * 0.999 + k
        return x

    for n in (1000, 10, 1000):
        yield run(t.ones(2), n)


@story
def sum_of_many_small_results(t, compiled):
    @compiled
    def run(x):
        parts = [x * k for k in range(200)]
        return sum(parts), parts[17]

    for k in range(3):
        yield run(t.ones(2) * k)


@story
def gradient_asked_to_be_kept_outside(t, compiled):
    w = t.ones(2, requires_grad=True)
    run = compiled(lambda x: w * x)
    for k in range(3):
        y = run(t.ones(2) * k)
        y.retain_grad()
        y.square().sum().backward()
        yield y.grad, w.grad
