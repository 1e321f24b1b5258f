"""Changes that a proof has to see although no entry of a dict it looked at is another."""

import itertools
import types

from tests.stories.storykit import batch, everything, fill, linear, mlp, numbers, story


@story
def dict_of_an_object_replaced(t, compiled):
    class Options:
        def __init__(self):
            self.factor = 1.0

    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.factor = t.nn.Linear(3, 2), 1.0

        def forward(self, x):
            return self.linear(x) * self.factor

    options, given, net = Options(), Options(), fill(t, Net())

    @compiled
    def results(x, given):
        with t.no_grad():
            return x * options.factor, x * given.factor, net(x)

    for i in range(9):
        if i == 4:
            options.__dict__ = {"factor": 5.0}
        if i == 5:
            given.__dict__ = {"factor": 7.0}
        if i == 7:
            net.__dict__ = dict(net.__dict__, factor=3.0)
        yield results(t.ones(2, 3), given)


@story
def keyword_defaults_changed(t, compiled):
    def scaled(x, *, factor=1.0):
        return x * factor

    @compiled
    def results(x):
        return scaled(x) + 1

    for i in range(8):
        if i == 4:
            scaled.__kwdefaults__["factor"] = 3.0
        if i == 6:
            scaled.__kwdefaults__ = {"factor": 4.0}
        yield results(t.ones(2))


@story
def number_shared_with_the_learning_rate(t, compiled):
    net = linear(t)
    optimizer, options = t.optim.SGD(net.parameters(), lr=0.1), types.SimpleNamespace(rate=0.1)

    @compiled
    def step(x, y, factor):
        optimizer.zero_grad()
        loss = ((net(x) - y) ** 2).mean() * options.rate + net.weight.sum() * factor
        loss.backward()
        optimizer.step()
        return loss

    factor = 0.1
    for i in range(14):
        if i in (2, 4, 6):
            factor = options.rate = 0.1 + i / 50
            optimizer.param_groups[0]["lr"] = factor
        if i == 10:
            optimizer.param_groups[0]["lr"] = 0.9
        if i == 12:
            options.rate = 0.8
        yield step(*batch(t, i), factor), everything(net, optimizer)


@story
def options_of_equal_numbers(t, compiled):
    net = linear(t)
    optimizers = [
        t.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1),
        t.optim.SGD(net.parameters(), lr=0.1, momentum=0.1),
        t.optim.Adam(net.parameters(), lr=0.1, betas=(0.1, 0.9)),
    ]

    @compiled
    def step(optimizer, x, y):
        optimizer.zero_grad()
        loss = ((net(x) - y) ** 2).mean() * 0.1
        loss.backward()
        t.nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        optimizer.step()
        return loss

    for i in range(9):
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = 0.1 if i < 5 else 0.1 / i
        yield [step(each, *batch(t, i)) for each in optimizers], everything(net, *optimizers)


@story
def mode_changed_and_changed_back(t, compiled):
    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.first, self.second = t.nn.Linear(3, 2), 1.0, 2.0

        def forward(self, x):
            return self.linear(x) * (self.first if self.training else self.second)

    net = fill(t, Net())

    @compiled
    def evaluated(x):
        net.eval()
        with t.no_grad():
            result = net(x)
        net.train()
        return result

    @compiled
    def trained(x):
        net.train()
        with t.no_grad():
            return net(x)

    for i in range(10):
        if i == 4:
            net.second = 5.0
        if i == 6:
            net.first = 6.0
        if i == 8:
            net.eval()
        x = t.ones(1, 3)
        yield evaluated(x), net.training, trained(x), net.training


@story
def hooks_at_a_leafs_node(t, compiled):
    net, seen = mlp(t), []
    optimizer, weight = t.optim.SGD(net.parameters(), lr=0.1), net[0].weight

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    node = handle = None
    for i in range(9):
        if i == 3:
            node = weight.expand_as(weight).grad_fn.next_functions[0][0]
            handle = node.register_hook(lambda *_: seen.append("added"))
        if i == 5:
            handle.remove()
            handle = node.register_prehook(lambda gradients: (gradients[0] * 2,))
        if i == 7:
            handle.remove()
        yield step(*batch(t, i)), list(seen), everything(net)


@story
def operator_replaced(t, compiled):
    usual, calls = (t.Tensor.__add__, t.Tensor.__getitem__, t.Tensor.square), []

    @compiled
    def results(x):
        return (x + 1)[0] * x.square()

    def square(tensor):
        calls.append(1)
        return usual[2](tensor)

    try:
        for i in range(8):
            if i == 3:
                t.Tensor.__add__ = lambda one, other: t.sub(one, other)
            if i == 5:
                t.Tensor.__getitem__ = lambda tensor, index: usual[1](tensor, index) * 3
                t.Tensor.square = square
            yield results(t.ones(2)), len(calls)
    finally:
        t.Tensor.__add__, t.Tensor.__getitem__, t.Tensor.square = usual


@story
def methods_of_classes_replaced(t, compiled):
    net, seen = mlp(t), []
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    kinds = (t.nn.Linear, t.nn.Module, t.optim.SGD, t.optim.Optimizer)
    names = ("forward", "__call__", "step", "zero_grad")
    usual = [getattr(kind, name) for kind, name in zip(kinds, names, strict=True)]

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    def noted(name, method):
        def instead(self, *args):
            seen.append((name, type(self).__name__))
            return method(self, *args)

        return instead

    try:
        for i in range(11):
            if i % 2 and i < 9:
                kind, name, method = kinds[i // 2], names[i // 2], usual[i // 2]
                setattr(kind, name, noted(name, method))
            yield step(*batch(t, i)), list(seen), everything(net)
            if i == 9:
                for kind, name, method in zip(kinds, names, usual, strict=True):
                    setattr(kind, name, method)
    finally:
        for kind, name, method in zip(kinds, names, usual, strict=True):
            setattr(kind, name, method)


@story
def layers_class_changed_before_the_first_call(t, compiled):
    net, seen, usual = mlp(t), [], t.nn.Tanh.forward

    @compiled
    def results(x):
        with t.no_grad():
            return net(x)

    def forward(self, x):
        seen.append(1)
        return usual(self, x) * len(seen)

    t.nn.Tanh.forward = forward
    try:
        for i in range(6):
            yield results(batch(t, i)[0]), len(seen)
    finally:
        t.nn.Tanh.forward = usual


@story
def tensors_with_a_method_of_their_own(t, compiled):
    weight = t.arange(3.0)

    @compiled
    def results(x):
        return weight.square() + x.square()

    for i in range(9):
        x = t.ones(3)
        if i == 3:
            weight.square = lambda: t.zeros(3)
        if i == 5:
            del weight.square
        if i == 7:
            x.square = lambda: t.full((3,), 5.0)
        yield results(x)


@story
def assignments_with_annotations(t, compiled):
    options, numbers_of_calls, buffer = types.SimpleNamespace(), itertools.count(), t.zeros(3)

    @compiled
    def flag(x):
        options.flag: bool = True
        options.kept: object = x * 3
        return x * 2

    @compiled
    def count(x):
        options.count: int = next(numbers_of_calls)
        return x + 1

    @compiled
    def items(x):
        options.table["last"]: float = 7.0
        buffer[0]: float = 5.0
        y: object = x * 2
        return y + buffer

    for i in range(7):
        options.flag, options.table = False, {}
        if i == 4:
            buffer.zero_()
        x = numbers(t, 3, seed=i)
        yield flag(x), count(x), items(x), vars(options), buffer


@story
def unknown_numbers_of_arguments(t, compiled):
    seen = []

    def difference(one, other=None):
        if other is None:
            return one * 2
        seen.append("two")
        return one - other

    def scaled(x):
        sizes = (*x.shape, 3)
        if len(sizes) == 2:
            return x * 2
        seen.append(sizes[1])
        return x.reshape((*x.shape[:1], -1)) * sizes[1]

    parts = compiled(lambda x: difference(*x.chunk(2)))
    sizes = compiled(lambda x: scaled(x).reshape(*x.shape, 1))
    for i in range(8):
        x = numbers(t, 4, seed=i)
        yield parts(x[: 1 + i % 4]), sizes(x), sizes(x.reshape(2, 2)), list(seen)


@story
def argument_that_is_the_gradient(t, compiled):
    weight = numbers(t, 3).requires_grad_()

    @compiled
    def doubled(x):
        (weight * x).pow(2).sum().backward()
        return x * 2

    for i in range(8):
        x = numbers(t, 3, seed=i) if i < 4 else weight.grad
        yield doubled(x.detach() if i == 7 else x), weight.grad


@story
def tensors_of_inference_mode(t, compiled):
    net = linear(t)

    @compiled
    def inferred(x):
        with t.inference_mode():
            return net(x)

    @compiled
    def doubled(x):
        return x * 2

    for number in range(8):
        x = batch(t)[0]
        if number in (3, 6):
            with t.inference_mode():
                x = x * 2
        yield inferred(x).is_inference(), x.is_inference(), doubled(x), doubled(x).is_inference()
