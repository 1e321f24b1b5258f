"""Steps that need no Python of their own after a while, and what is changed between their calls."""

from tests.stories.storykit import batch, everything, fill, linear, mlp, numbers, story, train_step


def sgd(t, net, **options):
    return t.optim.SGD(net.parameters(), lr=0.1, **options)


@story
def rate_changed_by_hand(t, compiled):
    net = mlp(t)
    opt = sgd(t, net, momentum=0.9)
    step = train_step(t, compiled, net, opt)
    for number in range(8):
        yield step(*batch(t)), everything(net, opt)
        if number > 3:
            opt.param_groups[0]["lr"] = 0.1 / number


@story
def rates_of_two_groups(t, compiled):
    net = mlp(t)
    groups = [{"params": net[0].parameters()}, {"params": net[2].parameters(), "lr": 0.01}]
    opt = t.optim.SGD(groups, lr=0.1)
    step = train_step(t, compiled, net, opt)
    for number in range(9):
        yield step(*batch(t)), everything(net, opt)
        opt.param_groups[number % 2]["lr"] *= 0.5


@story
def same_rate_twice_then_one_changes(t, compiled):
    net = mlp(t)
    groups = [{"params": net[0].parameters()}, {"params": net[2].parameters()}]
    opt = t.optim.SGD(groups, lr=0.1)
    step = train_step(t, compiled, net, opt)
    for number in range(9):
        yield step(*batch(t)), everything(net, opt)
        if number == 4:
            opt.param_groups[1]["lr"] = 0.5


@story
def schedule_after_each_step(t, compiled):
    net = mlp(t)
    opt = t.optim.Adam(net.parameters(), lr=0.05)
    schedule = t.optim.lr_scheduler.ExponentialLR(opt, 0.7)
    step = train_step(t, compiled, net, opt)
    for _ in range(8):
        yield step(*batch(t)), everything(net, opt)
        schedule.step()


@story
def two_shapes_in_turn(t, compiled):
    net = mlp(t)
    opt = sgd(t, net)
    step = train_step(t, compiled, net, opt)
    for number in range(12):
        yield step(*batch(t, size=4 + number % 2)), everything(net, opt)


@story
def training_and_evaluation_in_turn(t, compiled):
    nn = t.nn
    net = fill(t, nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)))
    opt = sgd(t, net)
    step = train_step(t, compiled, net, opt)

    @compiled
    def judge(x, y):
        with t.no_grad():
            return nn.functional.mse_loss(net(x), y)

    for number in range(10):
        net.train()
        yield step(*batch(t, number)), everything(net, opt)
        net.eval()
        yield judge(*batch(t, 50))


@story
def gradients_add_up_over_calls(t, compiled):
    net = linear(t)

    @compiled
    def accumulate(x, y):
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        return loss.detach()

    for number in range(8):
        yield accumulate(*batch(t, number)), everything(net)
        if number == 5:
            net.zero_grad()


@story
def gradient_kept_by_somebody(t, compiled):
    net, kept = linear(t), []
    opt = sgd(t, net)
    step = train_step(t, compiled, net, opt)
    for number in range(8):
        yield step(*batch(t, number)), everything(net, opt)
        kept.append(net.weight.grad)
        yield list(kept)


@story
def gradients_shared_between_calls(t, compiled):
    one, other = linear(t), linear(t)

    @compiled
    def accumulate(x):
        (one(x).sum() + 2 * other(x).sum()).backward()

    for number in range(9):
        accumulate(numbers(t, 2, 3, seed=number))
        yield everything(one), everything(other)
        if number == 4:
            other.weight.grad = one.weight.grad
        if number == 6:
            other.weight.grad = other.weight.grad.clone()


@story
def gradient_is_a_window(t, compiled):
    net, row = linear(t), t.zeros(8)

    @compiled
    def accumulate(x):
        net(x).sum().backward()

    for number in range(9):
        accumulate(numbers(t, 2, 3, seed=number))
        yield everything(net), row.clone()
        if number == 3:
            net.weight.grad = row[:6].view(2, 3)


@story
def argument_is_state(t, compiled):
    weight = numbers(t, 3)

    @compiled
    def shrink(x):
        weight.mul_(0.5)
        return x + weight

    for number in range(5):
        yield shrink(numbers(t, 3, seed=number)), weight
    yield shrink(weight), weight
    yield shrink(weight.detach()), weight
    yield shrink(numbers(t, 3)), weight


@story
def weights_of_two_networks_exchanged(t, compiled):
    one, other = linear(t), linear(t)
    opt = sgd(t, one)
    step = train_step(t, compiled, one, opt)
    for number in range(9):
        yield step(*batch(t, number)), everything(one, opt), everything(other)
        if number in (4, 6):
            one.weight.data, other.weight.data = other.weight.data, one.weight.data


@story
def moving_average_of_weights(t, compiled):
    net, average = linear(t), linear(t)
    opt = sgd(t, net)
    step = train_step(t, compiled, net, opt)

    @compiled
    def follow():
        with t.no_grad():
            for slow, fast in zip(average.weight, net.weight):  # noqa: B905 - as PyTorch has it
                slow.lerp_(fast, 0.1)
            average.bias.mul_(0.9).add_(net.bias, alpha=0.1)

    for number in range(7):
        yield step(*batch(t, number)), everything(net, opt)
        follow()
        yield everything(average)


@story
def buffer_kept_as_an_average(t, compiled):
    mean = t.zeros(2)

    @compiled
    def watch(x):
        mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
        return x - mean

    for number in range(7):
        yield watch(numbers(t, 5, 2, seed=number)), mean
        if number == 4:
            mean.zero_()


@story
def copied_into_a_buffer(t, compiled):
    last = t.zeros(3)

    @compiled
    def remember(x):
        before = last.clone()
        last.copy_(x)
        return before

    for number in range(7):
        yield remember(numbers(t, 3, seed=number)), last


@story
def configuration_read_in_a_helper(t, compiled):
    config = {"scale": 2.0, "terms": [1.0, 2.0], "deep": {"on": True}}

    def scaled(x):
        if config["deep"]["on"]:
            x = x * config["scale"]
        for term in config["terms"]:
            x = x + term
        return x

    run = compiled(lambda x: scaled(x))
    x = numbers(t, 3)
    for _number in range(4):
        yield run(x)
    config["scale"] = 3.0
    yield run(x), run(x), run(x), run(x)
    config["terms"].append(5.0)
    yield run(x), run(x), run(x), run(x)
    config["deep"]["on"] = False
    yield run(x), run(x), run(x), run(x)
    config["deep"] = {"on": 1}
    yield run(x), run(x)


@story
def numbers_that_are_equal_but_not_the_same(t, compiled):
    class Options:
        value = 0.0

    options = Options()
    run = compiled(lambda x: x / (options.value * x))
    x = t.ones(2)
    for value in (1.0, 1.0, 1.0, 1, True, 1.0, 0.0, 0.0, 0.0, -0.0, 0.0):
        options.value = value
        yield run(x)
    scale = compiled(lambda x, n: x * n)
    for value in (1, 1, 1, True, 1.0, 1, 0.0, -0.0):
        yield 1 / scale(x, value), scale(t.tensor([1, 2]), value)


@story
def attribute_moved_to_the_class(t, compiled):
    class Options:
        factor = 3.0

    options = Options()
    run = compiled(lambda x: x * options.factor)
    x = numbers(t, 3)
    for _ in range(4):
        yield run(x)
    options.factor = 5.0
    yield run(x), run(x), run(x), run(x)
    del options.factor
    Options.factor = 7.0
    yield run(x), run(x), run(x), run(x)
    Options.factor = property(lambda self: 11.0)
    yield run(x), run(x), run(x)


@story
def function_of_a_module_replaced(t, compiled):
    import types

    tools = types.ModuleType("tools")
    tools.act = t.relu
    run = compiled(lambda x: tools.act(x))
    x = numbers(t, 4)
    for _ in range(4):
        yield run(x)
    tools.act = t.tanh
    yield run(x), run(x), run(x), run(x)


@story
def code_of_a_function_replaced(t, compiled):
    def inner(x):
        return x * 2

    def other(x):
        return x * 3

    run = compiled(lambda x: inner(x))
    x = numbers(t, 4)
    for _ in range(4):
        yield run(x)
    inner.__code__ = other.__code__
    yield run(x), run(x), run(x), run(x)
    inner.__defaults__ = (t.ones(4),)
    yield run(x)


@story
def modes_between_calls(t, compiled):
    net = linear(t)
    run = compiled(lambda x: net(x) * 2)
    x = numbers(t, 2, 3)
    for _ in range(4):
        with t.no_grad():
            yield run(x).requires_grad, run(x)
    y = run(x)
    y.sum().backward()
    yield everything(net), y.requires_grad
    with t.inference_mode():
        yield run(x), run(x), run(x)
    t.set_default_dtype(t.float64)
    try:
        with t.no_grad():
            yield run(x), run(x), run(x), run(x)
    finally:
        t.set_default_dtype(t.float32)


@story
def result_is_changed_afterwards(t, compiled):
    net = linear(t)
    run = compiled(lambda x: net(x).detach())
    x = numbers(t, 2, 3)
    for number in range(6):
        y = run(x)
        y += number
        y[0] = 7
        yield y, run(x)


@story
def nest_of_results(t, compiled):
    net = linear(t)

    @compiled
    def run(x):
        with t.no_grad():
            y = net(x)
            return {"y": y, "parts": (y.sum(), [y * 2, None, 3]), "weight": net.weight}

    x = numbers(t, 2, 3)
    for _ in range(6):
        out = run(x)
        yield out, list(out), out["weight"] is net.weight, type(out["parts"]).__name__


@story
def arguments_in_a_dict(t, compiled):
    run = compiled(lambda batch, scale=1.0: batch["x"] * scale + batch["pair"][1])
    one, two = numbers(t, 3), numbers(t, 3, seed=1)
    for number in range(6):
        yield run({"x": one * number, "pair": (one, two)}), run({"x": two, "pair": (one, one)}, 2.0)
        yield run({"pair": (two, one), "x": one}, scale=number)


@story
def argument_of_another_kind_now_and_then(t, compiled):
    run = compiled(lambda x: x * 2 + 1)
    w = numbers(t, 3).requires_grad_()
    x = numbers(t, 3)
    for _number in range(4):
        yield run(x)
    y = run(w)
    y.sum().backward()
    yield w.grad, run(x), run(w.detach()), run(numbers(t, 3, 3)[1]), run(x.double()), run(3)
    x.requires_grad_()
    run(x).sum().backward()
    yield x.grad, run(x.detach()), run(t.nn.Parameter(numbers(t, 3)))


@story
def hook_set_and_removed(t, compiled):
    net = linear(t)
    opt = sgd(t, net)
    step = train_step(t, compiled, net, opt)
    for number in range(5):
        yield step(*batch(t, number)), everything(net, opt)
    handle = net.weight.register_hook(lambda g: g * 2)
    for number in range(3):
        yield step(*batch(t, number)), everything(net, opt)
    handle.remove()
    for number in range(5):
        yield step(*batch(t, number)), everything(net, opt)
    handle = net.register_forward_hook(lambda m, a, out: out * 2)
    for number in range(4):
        yield step(*batch(t, number)), everything(net, opt)
    handle.remove()
    for number in range(4):
        yield step(*batch(t, number)), everything(net, opt)


@story
def frozen_for_a_while(t, compiled):
    net = mlp(t)
    opt = sgd(t, net)
    step = train_step(t, compiled, net, opt)
    for number in range(12):
        net[0].requires_grad_(number < 4 or number > 8)
        yield step(*batch(t, number)), everything(net, opt)


@story
def clipped_steps(t, compiled):
    net = mlp(t)
    opt = t.optim.AdamW(net.parameters(), lr=0.05)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        t.nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        opt.step()
        return loss.detach()

    for number in range(7):
        yield step(*batch(t, number)), everything(net, opt)


@story
def step_in_a_class(t, compiled):
    class Trainer:
        def __init__(self):
            self.net, self.scale = mlp(t), 1.0
            self.opt = sgd(t, self.net)
            self.step = compiled(self._step)

        def _step(self, x, y):
            self.net.train()
            self.opt.zero_grad()
            loss = self.loss(self.net(x), y)
            loss.backward()
            self.opt.step()
            return loss.detach()

        def loss(self, out, y):
            return t.nn.functional.mse_loss(out, y) * self.scale

    trainer = Trainer()
    for number in range(14):
        yield trainer.step(*batch(t, number)), everything(trainer.net, trainer.opt)
        if number == 5:
            trainer.scale = 2.0
        if number == 8:
            trainer.loss = lambda out, y: (out - y).abs().sum()
        if number == 10:
            trainer.net = linear(t)
            trainer.opt = sgd(t, trainer.net)


@story
def parts_of_ones_own(t, compiled):
    nn = t.nn

    class Residual(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.inner = nn.Linear(size, size)
            self.gates = nn.ModuleList([nn.Linear(size, size) for _ in range(2)])
            self.register_buffer("shift", t.ones(size))
            self.slope = nn.Parameter(t.ones(1))

        def forward(self, x):
            rows, size = x.shape
            if x.dim() != 2:
                raise ValueError("two dimensions")
            y = self.inner(x).view(rows, size)
            for index, gate in enumerate(self.gates):
                y = y + t.sigmoid(gate(y)) * (index + 1)
            return t.relu(y) * self.slope + x[:, :size] + self.shift

    net = fill(t, nn.Sequential(nn.Linear(3, 4), Residual(4), nn.Linear(4, 2)))
    opt = sgd(t, net)
    step = train_step(t, compiled, net, opt)
    for number in range(12):
        yield step(*batch(t, number)), everything(net, opt)
        if number == 5:
            net[1].gates = net[1].gates[:1]
        if number == 8:
            net[1].shift = t.zeros(4)


@story
def in_place_through_a_view_held_outside(t, compiled):
    net = linear(t)
    row = net.weight.data[0]
    opt = sgd(t, net)
    step = train_step(t, compiled, net, opt)
    for number in range(7):
        yield step(*batch(t, number)), row, net.weight
        if number > 3:
            row.mul_(0.5)


@story(draws=True)
def dropout_draws_at_each_call(t, compiled):
    net = t.nn.Sequential(t.nn.Linear(3, 50), t.nn.Dropout(0.5))
    run = compiled(lambda x: net(x).detach())
    x = t.ones(1, 3)
    seen = [run(x) for _ in range(7)]
    yield [bool((a != b).any()) for a, b in zip(seen[1:], seen[:-1], strict=True)]
    for _ in range(3):
        t.manual_seed(4)
        one = [run(x) for _ in range(5)]
        t.manual_seed(4)
        other = [run(x) for _ in range(5)]
        yield [bool((a == b).all()) for a, b in zip(one, other, strict=True)]
    yield t.rand(2).shape


@story
def exception_between_calls(t, compiled):
    net = mlp(t)
    opt = sgd(t, net)
    step = train_step(t, compiled, net, opt)
    for number in range(5):
        yield step(*batch(t, number)), everything(net, opt)
    try:
        step(t.ones(4, 7), t.ones(4, 2))
    except RuntimeError as error:
        yield type(error).__name__
    for number in range(5):
        yield step(*batch(t, number)), everything(net, opt)


@story
def numbers_returned(t, compiled):
    net = mlp(t)
    opt = sgd(t, net)

    @compiled
    def step(x, y):
        opt.zero_grad()
        out = net(x)
        loss = t.nn.functional.mse_loss(out, y)
        loss.backward()
        opt.step()
        return loss.item(), {"error": float((out - y).abs().max()), "out": out.detach()}

    @compiled
    def count(x):
        return int((x > 0).sum()), (x > 0).sum().item(), x.sum()

    for number in range(7):
        yield step(*batch(t, number)), everything(net, opt)
        yield count(numbers(t, 9, seed=number))


@story
def number_of_an_argument(t, compiled):
    run = compiled(lambda x, y: (y * 2).sum() + x.item())
    read = compiled(lambda x, y: (x.item(), y * 2))
    for number in range(6):
        x = t.tensor(float(number))
        yield run(x, numbers(t, 3)), read(x, numbers(t, 3))


@story
def forward_of_one_layer_replaced(t, compiled):
    net = mlp(t)
    run = compiled(lambda x: net(x).detach())
    x = numbers(t, 4, 3)
    for _ in range(5):
        yield run(x)
    net[1].forward = lambda x: x * 2
    for _ in range(5):
        yield run(x)
    del net[1].forward
    for _ in range(5):
        yield run(x)
    net.forward = lambda x: x
    yield run(x), run(x), run(x)


@story
def options_in_a_class(t, compiled):
    class Config:
        factor, deep = 2.0, {"shift": 1.0}

    class Child(Config):
        pass

    run = compiled(lambda x: x * Child.factor + Config.deep["shift"])
    x = numbers(t, 3)
    for number in range(12):
        yield run(x)
        if number == 4:
            Config.factor = 3.0
        if number == 7:
            Child.factor = 4.0
        if number == 9:
            Config.deep = {"shift": 2.0}


@story
def list_that_grows_under_two_names(t, compiled):
    def both(x):
        row = [x]
        other = row
        other += [x * 2]
        return row[-1] * len(row)

    run = compiled(both)
    for number in range(6):
        yield run(numbers(t, 3, seed=number))


@story
def warnings_at_each_call(t, compiled):
    import warnings

    loss = t.nn.MSELoss()
    run = compiled(lambda x, y: loss(x, y))
    for number in range(6):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            value = run(numbers(t, 3, 1, seed=number), numbers(t, 3))
        yield value, len(caught)


@story
def hook_on_a_result(t, compiled):
    net, seen = linear(t), []

    @compiled
    def step(x):
        loss = net(x).sum()
        loss.backward()
        return loss

    for number in range(6):
        loss = step(numbers(t, 2, 3, seed=number))
        loss.register_hook(lambda g: seen.append(float(g)))
        yield loss, len(seen), everything(net)


@story
def optimizer_method_wrapped_by_hand(t, compiled):
    net, calls = linear(t), []
    opt = sgd(t, net)
    step = train_step(t, compiled, net, opt)
    for number in range(5):
        yield step(*batch(t, number)), everything(net, opt)
    inner = opt.step

    def counted(*args):
        calls.append(1)
        return inner(*args)

    opt.step = counted
    for number in range(5):
        yield step(*batch(t, number)), everything(net, opt), len(calls)


@story
def module_compiled_in_place(t, compiled):
    nn = t.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head, self.scale = mlp(t), fill(t, nn.Linear(2, 2)), 1.0

        def forward(self, x, twice=False):
            x = self.body(x)
            return self.head(x) * self.scale if twice else x * self.scale

    net = Net()
    run, log = compiled(net), []
    for number in range(18):
        if number == 3:
            handle = net.register_forward_hook(lambda module, args, out: out + 1)
        if number == 5:
            handle.remove()
        if number == 7:
            net.scale = 2.0
        if number == 9:
            net.body[1] = nn.ReLU()
        if number == 11:
            net.forward = lambda x, twice=False: log.append(1) or x.sum()
        if number == 13:
            del net.forward
        if number == 15:
            net.body.register_forward_pre_hook(lambda module, args: log.append(2))
        with t.no_grad():
            yield run(numbers(t, 2, 3), twice=number % 4 == 3), list(log)
            net.head.weight.mul_(1.5)


@story
def module_compiled_in_place_and_trained(t, compiled):
    net = compiled(mlp(t))
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(8):
        x, y = batch(t)
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        yield loss, everything(net, opt)


@story
def any_number_of_arguments(t, compiled):
    net, options = linear(t), {"scale": 2.0}

    def wrapped(function):
        def call(*args, **kwargs):
            return function(*args, **kwargs)

        return call

    @compiled
    @wrapped
    def run(x, *others, scale, **rest):
        out = net(x) * scale
        for other in others:
            out = out + other
        return out, len(others), sorted(rest)

    for number in range(10):
        extra = [t.ones(2)] * (number // 4)
        if number == 6:
            options["bias"] = True
        with t.no_grad():
            yield run(numbers(t, 4, 3), *extra, **options)


@story
def versions_of_what_is_written(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        doubled = loss * 1
        doubled.mul_(2)
        return doubled.detach(), y.abs().add_(1)

    for k in range(8):
        results = step(*batch(t, k))
        yield (
            results,
            [result._version for result in results],
            [p._version for p in net.parameters()],
        )
        if k == 5:
            optimizer.zero_grad()
