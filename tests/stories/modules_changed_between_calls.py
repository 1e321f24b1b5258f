"""Modules between two calls: modes, weights, layers and flags that somebody else changes."""

from tests.stories.storykit import batch, everything, fill, linear, mlp, numbers, story


@story
def training_and_evaluation(t, compiled):
    net = fill(t, t.nn.Sequential(t.nn.Linear(3, 2), t.nn.BatchNorm1d(2)))
    run = compiled(net)
    for k in range(5):
        net.train(k % 2 == 0)
        yield run(batch(t, k)[0]), everything(net)


@story
def batch_norm_under_no_grad(t, compiled):
    net = t.nn.BatchNorm1d(3)
    run = compiled(net)
    for k in range(3):
        with t.no_grad():
            yield run(batch(t, k)[0]), everything(net)
    net.eval()
    yield run(batch(t)[0]), everything(net)
    net.reset_running_stats()
    yield run(batch(t)[0]), everything(net)


@story
def batch_norm_called_twice_inside(t, compiled):
    net = fill(t, t.nn.Sequential(t.nn.Linear(3, 2), t.nn.BatchNorm1d(2)))

    @compiled
    def step(a, b):
        net.zero_grad()
        loss = (net(a) * net(b)).mean()
        loss.backward()
        return loss

    for k in range(3):
        yield step(batch(t, k)[0], batch(t, k + 1)[0]), everything(net)
        net[1].momentum = 0.5


@story
def mode_of_one_layer(t, compiled):
    net = fill(t, t.nn.Sequential(t.nn.BatchNorm1d(3), t.nn.Linear(3, 2), t.nn.BatchNorm1d(2)))
    run = compiled(net)
    for frozen in (0, 2, 0):
        net.train()
        net[frozen].eval()
        yield run(batch(t)[0]), everything(net)


@story
def mode_set_inside(t, compiled):
    net = fill(t, t.nn.Sequential(t.nn.Linear(3, 2), t.nn.BatchNorm1d(2)))

    @compiled
    def run(x):
        was = net.training
        net.eval()
        with t.no_grad():
            quiet = net(x)
        net.train(was)
        return quiet, net(x), net[1].training

    for training in (True, False, True):
        net.train(training)
        yield run(batch(t)[0]), everything(net)


@story
def layer_swapped(t, compiled):
    net = mlp(t)
    run = compiled(net)
    x, _ = batch(t)
    yield run(x)
    net[1] = t.nn.ReLU()
    yield run(x)
    net[2] = fill(t, t.nn.Linear(4, 2, bias=False))
    yield run(x)
    net[1] = t.nn.Tanh()
    yield run(x)


@story
def layers_added_and_removed(t, compiled):
    net = mlp(t)
    run = compiled(net)
    x, _ = batch(t)
    yield run(x)
    net.append(t.nn.Sigmoid())
    yield run(x)
    net.insert(0, t.nn.Tanh())
    yield run(x)
    del net[0]
    del net[-1]
    yield run(x)


@story
def list_of_modules_grows(t, compiled):
    class Stack(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = t.nn.ModuleList([t.nn.Linear(3, 3)])

        def forward(self, x):
            for layer in self.layers:
                x = layer(x).tanh()
            return x

    net = fill(t, Stack())
    run = compiled(net)
    for _ in range(3):
        yield run(batch(t)[0])
        net.layers.append(fill(t, t.nn.Linear(3, 3)))
    net.layers = net.layers[:1]
    yield run(batch(t)[0])


@story
def head_chosen_by_an_attribute(t, compiled):
    class Heads(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.heads = t.nn.ModuleDict({"a": t.nn.Linear(3, 2), "b": t.nn.Linear(3, 4)})
            self.active = "a"

        def forward(self, x):
            return self.heads[self.active](x)

    net = fill(t, Heads())
    run = compiled(net)
    for name in ("a", "b", "a"):
        net.active = name
        yield run(batch(t)[0])
    net.heads.pop("a")
    net.heads["a"] = t.nn.Identity()
    yield run(batch(t)[0])


@story
def numbers_of_a_layer(t, compiled):
    net = t.nn.Sequential(t.nn.LeakyReLU(0.1), t.nn.Hardtanh(-1.0, 1.0), t.nn.Softmax(dim=0))
    run = compiled(net)
    x = numbers(t, 4, 3)
    yield run(x)
    net[0].negative_slope = 0.5
    yield run(x)
    net[1].max_val = 0.2
    yield run(x)
    net[2].dim = 1
    yield run(x)


@story
def forward_replaced(t, compiled):
    net = linear(t)
    run = compiled(lambda x: net(x))
    x, _ = batch(t)
    yield run(x)
    old = net.forward
    net.forward = lambda x: old(x) * 2
    yield run(x)
    del net.forward
    yield run(x)
    type(net).extra = 1
    yield run(x)
    del type(net).extra


@story
def class_of_a_module_changed(t, compiled):
    class Double(t.nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2

    net = linear(t)
    run = compiled(lambda x: net(x))
    for kind in (t.nn.Linear, Double, t.nn.Linear):
        net.__class__ = kind
        yield run(batch(t)[0])


@story
def low_rank_adapter_injected(t, compiled):
    class Adapter(t.nn.Module):
        def __init__(self, base):
            super().__init__()
            self.base = base.requires_grad_(False)
            self.down = t.nn.Linear(3, 1, bias=False)
            self.up = t.nn.Linear(1, 2, bias=False)
            self.merged = False

        def forward(self, x):
            y = self.base(x)
            return y if self.merged else y + self.up(self.down(x))

    holder = t.nn.ModuleDict({"layer": linear(t)})

    @compiled
    def run(x):
        holder.zero_grad()
        loss = holder["layer"](x).square().sum()
        loss.backward()
        return loss

    x, _ = batch(t)
    yield run(x), everything(holder)
    holder["layer"] = fill(t, Adapter(linear(t)))
    yield run(x), everything(holder)
    adapter = holder["layer"]
    with t.no_grad():
        adapter.base.weight += adapter.up.weight @ adapter.down.weight
    adapter.merged = True
    adapter.base.requires_grad_(True)
    yield run(x), everything(holder)


@story
def applied_function(t, compiled):
    net = mlp(t)
    run = compiled(net)

    def shrink(module):
        if isinstance(module, t.nn.Linear):
            module.weight.data.mul_(0.5)

    for _ in range(3):
        yield run(batch(t)[0])
        net.apply(shrink)


@story
def how_a_module_is_called(t, compiled):
    class Own(t.nn.Linear):
        pass

    net = Own(3, 2)
    with t.no_grad():
        net.weight.fill_(0.5), net.bias.fill_(1.0)

    @compiled
    def run(x):
        with t.no_grad():
            return net(x)

    def doubled(module, x):
        return 2 * t.nn.Module._call_impl(module, x)

    changes = {
        4: lambda: setattr(net, "_call_impl", lambda x: x * 3),
        6: lambda: delattr(net, "_call_impl"),
        8: lambda: setattr(Own, "_call_impl", doubled),
        10: lambda: net.register_forward_hook(lambda *call: call[2] + 1),
        11: lambda: delattr(Own, "_call_impl"),
    }
    for number in range(13):
        changes.get(number, lambda: None)()
        yield run(t.ones(2, 3) * number)
