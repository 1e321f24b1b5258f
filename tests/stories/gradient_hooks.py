"""Hooks of tensors, of modules' backward passes and of optimizers."""

from tests.stories.storykit import batch, everything, linear, mlp, story


@story
def backward_hook_that_keeps(t, compiled):
    net, kept = mlp(t), {}

    def keep(module, into, out):
        kept["into"], kept["out"] = into[0], out[0]

    net[2].register_full_backward_hook(keep)

    @compiled
    def step(x):
        net.zero_grad()
        net(x).square().sum().backward()

    for k in range(3):
        step(batch(t, k)[0])
        yield kept, everything(net)


@story
def backward_hook_that_scales(t, compiled):
    net, scale = mlp(t), [1.0]
    net[2].register_full_backward_hook(
        lambda module, into, out: tuple(None if g is None else g * scale[0] for g in into)
    )

    @compiled
    def step(x):
        net.zero_grad()
        net(x).square().sum().backward()

    for k in (1.0, 2.0, 0.5):
        scale[0] = k
        step(batch(t)[0])
        yield everything(net)


@story
def hook_of_a_weight_is_removed(t, compiled):
    w = t.ones(2, requires_grad=True)
    handle = w.register_hook(lambda gradient: gradient * 10)

    @compiled
    def run(x):
        w.grad = None
        (w * x).sum().backward()

    for k in range(3):
        run(t.ones(2) * (k + 1))
        yield w.grad
        if k == 0:
            handle.remove()


@story
def hook_of_a_weight_is_added(t, compiled):
    w, seen = t.ones(2, requires_grad=True), []
    run = compiled(lambda x: (w * x).sum().backward())
    run(t.ones(2))
    yield w.grad
    w.register_hook(seen.append)
    for k in range(3):
        run(t.ones(2) * k)
        yield w.grad, seen


@story
def hook_of_an_argument(t, compiled):
    run = compiled(lambda x: (x * x).sum())
    for factor in (2.0, 3.0, 4.0):
        x = t.ones(2, requires_grad=True)
        x.register_hook(lambda gradient, factor=factor: gradient * factor)
        run(x).backward()
        yield x.grad


@story
def hook_of_an_argument_and_backward_inside(t, compiled):
    run = compiled(lambda x: (x * x).sum().backward())
    w, seen = t.ones(2, requires_grad=True), []
    for _ in range(3):
        h = w * 2
        h.register_hook(seen.append)
        run(h)
        yield w.grad, seen


@story
def hook_of_an_intermediate_result(t, compiled):
    w, seen = t.ones(2, requires_grad=True), {}

    @compiled
    def run(x):
        h = w * x
        h.register_hook(lambda gradient: seen.update(h=gradient))
        h.square().sum().backward()
        return seen["h"].norm()

    for k in range(3):
        yield run(t.ones(2) * k), seen, w.grad


@story
def hook_of_a_result_is_added_outside(t, compiled):
    w, seen = t.ones(2, requires_grad=True), []
    run = compiled(lambda x: w * x)
    for k in range(3):
        y = run(t.ones(2) * k)
        y.register_hook(lambda gradient: gradient * 7)
        y.register_hook(seen.append)
        y.sum().backward()
        yield w.grad, seen


@story
def post_accumulate_hook_is_added_later(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    run = compiled(lambda x: net(x).square().sum().backward())
    run(batch(t)[0])
    yield everything(net)

    def step_at_once(parameter):
        optimizer.step()
        optimizer.zero_grad()

    for parameter in net.parameters():
        parameter.register_post_accumulate_grad_hook(step_at_once)
    for k in range(3):
        run(batch(t, k)[0])
        yield everything(net)


@story
def post_accumulate_hook_is_removed(t, compiled):
    w, counts = t.ones(2, requires_grad=True), [0]

    def count(parameter):
        counts[0] += 1
        parameter.grad.mul_(2)

    handle = w.register_post_accumulate_grad_hook(count)
    run = compiled(lambda x: (w * x).sum().backward())
    for k in range(3):
        run(t.ones(2))
        yield w.grad, counts[0]
        if k == 1:
            handle.remove()


@story
def optimizer_hooks(t, compiled):
    net, events = linear(t), []
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    optimizer.register_step_pre_hook(lambda opt, args, kwargs: events.append("before"))
    handle = optimizer.register_step_post_hook(lambda opt, args, kwargs: events.append("after"))

    @compiled
    def step(x):
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    for k in range(3):
        step(batch(t, k)[0])
        yield events, everything(net)
        if k == 1:
            handle.remove()


@story
def optimizer_hook_that_clips(t, compiled):
    net, most = linear(t), [0.1]
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    def clip(optimizer, args, kwargs):
        t.nn.utils.clip_grad_norm_(net.parameters(), most[0])

    optimizer.register_step_pre_hook(clip)

    @compiled
    def step(x):
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    for k in (0.1, 10.0, 0.2):
        most[0] = k
        step(batch(t)[0])
        yield everything(net)


@story
def grad_cam(t, compiled):
    net, kept = mlp(t), {}

    def forward_hook(module, args, output):
        kept["activation"] = output
        output.register_hook(lambda gradient: kept.update(gradient=gradient))

    net[1].register_forward_hook(forward_hook)

    @compiled
    def explain(x, index):
        net.zero_grad()
        net(x)[:, index].sum().backward()
        return (kept["gradient"].mean(0) * kept["activation"]).sum(1).relu()

    for k in range(4):
        yield explain(batch(t, k)[0], k % 2), everything(net)
