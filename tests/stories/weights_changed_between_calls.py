"""Parameters and buffers that somebody else writes, replaces, freezes or loads."""

import collections

from tests.stories.storykit import batch, everything, fill, linear, mlp, numbers, story


@story
def weights_edited_in_place(t, compiled):
    net = mlp(t)
    run = compiled(net)
    x, _ = batch(t)
    yield run(x)
    with t.no_grad():
        net[0].weight[0, 0] = 10.0
    yield run(x)
    net[0].weight.data.mul_(0.5)
    yield run(x)
    t.nn.init.constant_(net[2].bias, 3.0)
    yield run(x)


@story
def weights_replaced_by_data(t, compiled):
    net = linear(t)
    run = compiled(net)
    for k in range(4):
        with t.no_grad():
            net.weight.data = t.ones(2, 3) * k
        yield run(batch(t)[0]), everything(net)


@story
def weights_replaced_by_data_in_a_trained_step(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @compiled
    def step(x):
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    for k in range(4):
        step(batch(t, k)[0])
        yield everything(net, optimizer)
        net.weight.data = net.weight.data * 0.5


@story
def parameter_replaced(t, compiled):
    net = linear(t)
    run = compiled(lambda x: net(x).sum())
    for k in range(3):
        net.weight = t.nn.Parameter(t.ones(2, 3) * k)
        run(batch(t)[0]).backward()
        yield everything(net)


@story
def parameter_removed_and_back(t, compiled):
    net = linear(t)
    run = compiled(net)
    bias = net.bias
    for value in (bias, None, bias):
        net.bias = value
        yield run(batch(t)[0]), [name for name, _ in net.named_parameters()]


@story
def layers_frozen_and_unfrozen(t, compiled):
    net = mlp(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @compiled
    def step(x):
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    for frozen in (False, True, True, False):
        net[0].requires_grad_(not frozen)
        step(batch(t)[0])
        yield everything(net, optimizer)


@story
def frozen_inside_for_one_pass(t, compiled):
    net, judge = mlp(t), fill(t, t.nn.Linear(2, 2))

    @compiled
    def step(x):
        net.zero_grad()
        judge.zero_grad()
        for p in judge.parameters():
            p.requires_grad = False
        judge(net(x)).sum().backward()
        for p in judge.parameters():
            p.requires_grad = True
        judge(net(x).detach()).sum().backward()

    for k in range(3):
        step(batch(t, k)[0])
        yield everything(net), everything(judge)


@story
def all_frozen_then_thawed(t, compiled):
    net = linear(t)
    run = compiled(net)
    for needed in (True, False, True):
        for p in net.parameters():
            p.requires_grad = needed
        y = run(batch(t)[0])
        yield y, y.requires_grad


@story
def state_dict_loaded(t, compiled):
    net = mlp(t)
    run = compiled(net)
    other = {name: numbers(t, *v.shape, seed=5) for name, v in net.state_dict().items()}
    first = {name: v.clone() for name, v in net.state_dict().items()}
    for state in (first, other, first):
        net.load_state_dict(state)
        yield run(batch(t)[0])


@story
def state_dict_assigned(t, compiled):
    net = linear(t)
    run = compiled(net)
    for k in range(3):
        state = {"weight": t.ones(2, 3) * k, "bias": t.ones(2)}
        net.load_state_dict(state, assign=True)
        yield run(batch(t)[0])
        state["weight"].add_(1)
        yield run(batch(t)[0])


@story
def dtype_changed(t, compiled):
    net = linear(t)
    run = compiled(lambda x: net(x.to(net.weight.dtype)))
    for dtype in (t.float32, t.float64, t.float32):
        net.to(dtype)
        yield run(batch(t)[0])


@story
def buffer_changed_and_replaced(t, compiled):
    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("scale", t.ones(2))
            self.plain = t.ones(2)

        def forward(self, x):
            self.scale += 1
            return x * self.scale * self.plain

    net = Net()
    run = compiled(net)
    for k in range(3):
        yield run(t.ones(2)), net.scale
        net.plain = t.ones(2) * k
    net.scale = t.zeros(2)
    yield run(t.ones(2)), net.scale
    net.scale.fill_(5)
    yield run(t.ones(2)), net.state_dict()


@story
def pruned_by_a_mask(t, compiled):
    net = linear(t)
    masks = collections.OrderedDict()

    @compiled
    def run(x):
        with t.no_grad():
            for name, mask in masks.items():
                getattr(net, name).mul_(mask)
        return net(x)

    x, _ = batch(t)
    yield run(x), everything(net)
    masks["weight"] = (net.weight.detach().abs() > 0.3).float()
    yield run(x), everything(net)
    masks["bias"] = t.zeros(2)
    yield run(x), everything(net)


@story
def weight_computed_by_a_property(t, compiled):
    class Normed(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.g, self.v = t.nn.Parameter(t.ones(2, 1)), t.nn.Parameter(t.ones(2, 3))

        @property
        def weight(self):
            return self.g * self.v / self.v.norm(dim=1, keepdim=True)

        def forward(self, x):
            return t.nn.functional.linear(x, self.weight)

    net = fill(t, Normed())
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x):
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    for k in range(3):
        step(batch(t, k)[0])
        yield everything(net), net.weight.detach()
