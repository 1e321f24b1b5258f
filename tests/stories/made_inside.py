"""Lists, dicts and gradients that a step makes for itself, and tensors that it changes in place."""

import collections

from tests.stories.storykit import batch, everything, fill, mlp, numbers, story


@story
def activations_in_a_list(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), 0.1)

    def collect(x, into):
        into.append(x * 2)
        return into

    @compiled
    def step(x, y):
        outputs, losses, h = [], {}, x
        for layer in net:
            h = layer(h)
            outputs.append(h)
        same = outputs
        same.extend([h * 0.5])
        collect(h, outputs)
        losses["mse"] = t.nn.functional.mse_loss(h, y)
        losses["l2"] = sum(each.square().mean() for each in outputs) * 0.01
        losses.update(extra=outputs[-1].mean())
        total = losses["mse"] + losses["l2"]
        opt.zero_grad()
        total.backward()
        opt.step()
        return total, len(outputs), {f"{k}!": v.detach() for k, v in losses.items()}

    for k in range(9):
        yield step(*batch(t, k)), everything(net, opt)
        if k == 4:
            net.append(fill(t, t.nn.Linear(2, 2)))
        if k == 6:
            opt = t.optim.SGD(net.parameters(), 0.1)


@story
def lists_that_somebody_else_has(t, compiled):
    w, kept = t.ones(3), {}
    shared: list = []

    def remember(row):
        kept["row"] = row
        return row

    @compiled
    def given(x, out):
        out.append(x * w)
        return out[-1].sum()

    @compiled
    def found(x):
        row = shared
        row.append(x * w)
        return row[-1].sum() + len(row)

    @compiled
    def remembered(x):
        row = [x * w]
        remember(row)
        row.append(x * 2)
        return sum(each.sum() for each in row)

    @compiled
    def twice(x):
        row = [x * w]
        both = [row, row]
        both[0].append(x * 3)
        return both[1][-1].sum() + len(row), both

    @compiled
    def default(x, seen=[]):  # noqa: B006 - that it is one list for all calls is what is tried
        seen.append(x * w)
        return sum(each.sum() for each in seen)

    for k in range(6):
        x, out = numbers(t, 3, seed=k), []
        total, both = twice(x)
        yield given(x, out), out, found(x), len(shared), remembered(x), len(kept["row"])
        yield total, [len(row) for row in both], both[0] is both[1], default(x)


@story
def in_place_wherever_it_stands(t, compiled):
    class Things:
        pass

    things, table, row = Things(), {"a": t.zeros(3)}, [t.zeros(3), t.ones(3)]
    things.sum = alias = t.zeros(3)
    module = t.nn.Module()
    module.register_buffer("mean", t.zeros(3))
    module.register_buffer("count", t.zeros((), dtype=t.long))
    module.weight = t.nn.Parameter(t.ones(3))

    @compiled
    def step(x):
        with t.no_grad():
            things.sum += x
            table["a"] *= 0.5
            row[0] -= x
            row[1][0] += 1
            module.mean += x.mean()
            module.count += 1
            module.weight.data -= 0.1 * x
        return (things.sum + table["a"] + row[0] + row[1] + module.mean + module.weight).sum()

    def changed(k):
        match k:
            case 4:
                things.sum = t.ones(3)
            case 5:
                table["a"] = t.ones(3) * 2
            case 6:
                row[0] = alias
            case 7:
                module.mean = t.ones(3)
            case 8:
                module.weight = t.nn.Parameter(t.zeros(3))
            case 9:
                things.sum = 1.5
            case 10:
                things.sum = t.zeros(3)
            case 11:
                row.reverse()
            case 12:
                module.weight.data = t.ones(3)

    for k in range(15):
        yield step(numbers(t, 3, seed=k)), things.sum, table, row, dict(module.state_dict()), alias
        changed(k)


@story
def in_place_where_code_runs(t, compiled):
    class Property:
        def __init__(self):
            self._value, self.times = t.zeros(3), 0

        @property
        def value(self):
            return self._value

        @value.setter
        def value(self, new):
            self._value, self.times = new, self.times + 1

    class Counting:
        def __init__(self):
            self.value = t.zeros(3)

        def __setattr__(self, name, value):
            object.__setattr__(self, name, value)
            object.__setattr__(self, "times", getattr(self, "times", 0) + 1)

    class Table(collections.OrderedDict):
        times = 0

        def __setitem__(self, key, value):
            Table.times += 1
            super().__setitem__(key, value)

    class OfTheClass:
        value = t.zeros(3)

    things, table = [Property(), Counting(), OfTheClass()], Table(a=t.zeros(3))

    def adding(thing):
        def add(x):
            thing.value += x
            return thing.value.sum()

        return compiled(add)

    @compiled
    def add_to_table(x):
        table["a"] += x
        return table["a"].sum()

    steps = [*map(adding, things), add_to_table]
    for k in range(6):
        x = numbers(t, 3, seed=k)
        yield [step(x) for step in steps], [thing.times for thing in things[:2]], Table.times
        yield list(vars(things[2])), OfTheClass.value


@story
def registered_anew_with_a_hook(t, compiled):
    module, seen = t.nn.Module(), []
    module.register_buffer("total", t.zeros(3))

    @compiled
    def add(x):
        module.total += x
        return module.total.sum()

    for k in range(9):
        yield add(numbers(t, 3, seed=k)), len(seen)
        if k == 4:
            hook = t.nn.modules.module.register_module_buffer_registration_hook(
                lambda _module, name, _buffer: seen.append(name)
            )
        if k == 6:
            hook.remove()


@story
def properties_and_static_methods_change(t, compiled):
    class Base:
        factor = 2.0

        @property
        def scale(self):
            return self.k * self.factor

        @staticmethod
        def squash(v):
            return v.tanh()

    class Net(Base):
        def __init__(self):
            self.k, self.w = 1.0, t.ones(3)

        def run(self, x):
            return (Net.squash(x * self.w) * self.scale).sum() + Base.squash(x).mean()

    net = Net()
    run = compiled(net.run)

    def changed(k):
        match k:
            case 3:
                net.k = 3.0
            case 5:
                Base.factor = 1.0
            case 7:
                Net.squash = staticmethod(lambda v: v * 2)
            case 9:
                Base.squash = staticmethod(lambda v: v * 3)
            case 11:
                Net.scale = property(lambda self: 9.0)
            case 13:
                Net.scale = 4.0
            case 14:
                Net.factor = 8.0
                del Net.scale

    for k in range(16):
        yield run(numbers(t, 3, seed=k))
        changed(k)


@story
def property_that_counts(t, compiled):
    class Noise:
        times = 0

        @property
        def scale(self):
            Noise.times += 1
            return float(Noise.times)

    noise = Noise()
    run = compiled(lambda x: (x * 2).sum() * noise.scale)
    for k in range(6):
        yield run(numbers(t, 3, seed=k)), Noise.times


@story
def gradients_asked_for(t, compiled):
    net, unused = mlp(t), t.ones(2).requires_grad_()
    rate = 0.1

    @compiled
    def step(x, y):
        params = list(net.parameters())
        grads = t.autograd.grad(
            t.nn.functional.mse_loss(net(x), y), params, create_graph=True
        )  # fmt: skip
        w1, b1, w2, b2 = [p - rate * g for p, g in zip(params, grads, strict=True)]
        linear = t.nn.functional.linear
        loss = (linear(t.tanh(linear(x, w1, b1)), w2, b2) - y).square().mean()
        none, one = t.autograd.grad(params[0].sum(), [unused, params[0]], allow_unused=True)
        middle = (x * 0.5).requires_grad_()
        (of_input,) = t.autograd.grad(net(middle).sum(), middle)
        with t.no_grad():
            for p, g in zip(params, t.autograd.grad(loss, net.parameters()), strict=True):
                p.sub_(rate * g)
        return loss.detach(), none, one, of_input

    for k in range(11):
        yield step(*batch(t, k)), everything(net)
        if k == 4:
            rate = 0.01
        if k == 6:
            hook = net[0].weight.register_hook(lambda g: g * 0)
        if k == 8:
            hook.remove()


@story
def values_that_no_shape_tells(t, compiled):
    @compiled
    def version(x):
        return (x * 2 + 1).sum(), x._version

    @compiled
    def kind(x):
        return (x * 2 + 1).sum() * 1, x.is_inference()

    @compiled
    def decide(x, y):
        return (x * y).sum() * (2 if x.data_ptr() == y.data_ptr() else 1), x.is_set_to(y)

    usual, other = t.ones(3), t.ones(3) * 2
    with t.inference_mode():
        special = t.ones(3)
    for k in range(9):
        yield version(usual), kind(special if k in (4, 5, 7) else usual)[1]
        yield decide(usual, usual if k == 5 else usual.detach() if k == 6 else other)
        if k % 2:
            usual.add_(1)
