"""Steps in the forms that people write, and what is changed between their calls.

Loops over parameters, comprehensions, contexts made before, tensors made inside, counters first.
"""

import collections
import contextlib
import copy

from tests.stories.storykit import batch, everything, fill, linear, mlp, story


@story
def counter_before_everything_else(t, compiled):
    net = mlp(t)
    opt, state = t.optim.SGD(net.parameters(), lr=0.1), {"calls": 0, "seen": []}

    @compiled
    def step(x, y):
        "A docstring."
        state["calls"] += 1
        state["seen"].append(tuple(x.shape))
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        return loss.detach(), state["calls"]

    for number in range(14):
        if number == 11:
            net[0].weight.requires_grad_(False)
        yield step(*batch(t)), everything(net, opt), dict(state)


@story
def counter_before_and_meter_after(t, compiled):
    class Trainer:
        def __init__(self):
            self.net = mlp(t)
            self.opt = t.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9)
            self.steps, self.meter, self.log = 0, collections.deque(maxlen=3), []

        def step(self, x, y):
            self.steps += 1
            self.opt.zero_grad()
            loss = t.nn.functional.mse_loss(self.net(x), y)
            loss.backward()
            self.opt.step()
            self.meter.append(loss.item())
            if self.steps % 4 == 0:
                self.log.append(sum(value for value in self.meter))
            return self.steps

    trainer = Trainer()
    step = compiled(trainer.step)
    for number in range(16):
        if number == 12:
            trainer.opt.param_groups[0]["lr"] = 0.01
        got = step(*batch(t))
        yield got, list(trainer.meter), trainer.log, everything(trainer.net, trainer.opt)


@story
def first_statement_draws_a_batch(t, compiled):
    net = linear(t)
    batches = iter([t.full((2, 3), float(i)) for i in range(12)])

    @compiled
    def results(scale):
        x = next(batches)
        y = net(x) * scale
        with t.no_grad():
            net.weight.add_(0.1)
        return y.sum().detach()

    for number in range(12):
        yield results(2.0 if number < 9 else 3.0), everything(net)


@story
def first_statement_computes_and_counts(t, compiled):
    seen = []

    @compiled
    def results(x):
        y = x * 2 + seen.append(len(seen)) if False else x * (seen.append(1) or 2)
        z = y + 1
        return z.sum(), z

    for number in range(9):
        yield results(t.ones(3) * number), len(seen)


@story
def loop_over_parameters(t, compiled):
    net, average = mlp(t), mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        for p in net.parameters():
            p.grad.data.clamp_(-0.1, 0.1)
        opt.step()
        with t.no_grad():
            for old, new in zip(average.parameters(), net.parameters(), strict=True):
                old.mul_(0.9).add_(new, alpha=0.1)
        return loss.detach()

    for number in range(10):
        if number == 5:
            net[2] = fill(t, t.nn.Linear(4, 1))
        if number == 6:
            average = copy.deepcopy(net)
        yield step(*batch(t)), everything(net, opt), everything(average)


@story
def descent_by_hand(t, compiled):
    net, rates = mlp(t), [0.1]

    @compiled
    def step(x, y):
        for p in net.parameters():
            p.grad = None
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        with t.no_grad():
            for p in net.parameters():
                p -= rates[0] * p.grad
        return loss.detach()

    for number in range(10):
        if number == 5:
            rates[0] = 0.01
        if number == 7:
            net[0].bias.grad = t.ones_like(net[0].bias)
        yield step(*batch(t)), everything(net)


@story
def gradients_zeroed_by_hand(t, compiled):
    net = linear(t)
    kept = []

    @compiled
    def step(x):
        loss = net(x).square().mean()
        loss.backward()
        with t.no_grad():
            for p in net.parameters():
                p.data.sub_(p.grad, alpha=0.1)
                p.grad.zero_()
        return loss.detach()

    for number in range(9):
        if number == 4:
            kept.append(net.weight.grad)
        if number == 6:
            net.weight.grad = t.full_like(net.weight, 2.0)
        yield step(t.ones(2, 3)), everything(net), list(kept)


@story
def penalty_in_a_generator_expression(t, compiled):
    net, weights = mlp(t), [0.1]

    @compiled
    def step(x, y):
        penalty = sum(p.square().sum() for p in net.parameters() if p.ndim > 1)
        names = [name for name, _ in net.named_parameters()]
        loss = t.nn.functional.mse_loss(net(x), y) + weights[-1] * penalty
        return loss.detach(), len(names)

    for number in range(9):
        if number == 4:
            weights.append(0.5)
        if number == 6:
            net.append(fill(t, t.nn.Linear(net(batch(t)[0]).shape[1], 2)))
        yield step(*batch(t))[1:] if number >= 6 else step(*batch(t))


@story
def iterator_gone_through_twice(t, compiled):
    net, calls = linear(t), []

    def note():
        calls.append(1)

    @compiled
    def results(x):
        every = net.parameters()
        total = sum(p.sum() for p in every)
        left = list(every)
        pairs = zip([1, 2], [3, 4], strict=True)
        first = list(pairs)
        if not left and not list(pairs):
            note()
        return total.detach() + x.sum() + len(first)

    for _ in range(8):
        yield results(t.ones(2)), len(calls)


@story
def list_of_tensors_in_a_comprehension(t, compiled):
    factors = [1.0, 2.0]

    @compiled
    def results(x):
        parts = [x * factor for factor in factors]
        table = {name: part.sum() for name, part in zip("ab", parts, strict=False)}
        return t.stack(parts), table

    for number in range(8):
        if number == 4:
            factors[1] = 5.0
        if number == 6:
            factors.append(3.0)
        yield results(t.ones(3) * number)


@story
def decorated_with_a_mode(t, compiled):
    net = linear(t)

    @t.no_grad()
    def updated(p, by):
        p.add_(by)
        return p.sum()

    @compiled
    @t.inference_mode()
    def results(x):
        return net(x).argmax(1), t.is_grad_enabled()

    @compiled
    def both(x):
        y = net(x)
        return updated(net.bias, 1.0), y.requires_grad

    for number in range(8):
        yield results(t.ones(2, 3) * number), both(t.ones(2, 3)), everything(net)


@story
def context_made_before(t, compiled):
    class Settings:
        context = contextlib.nullcontext()

    net = linear(t)

    @compiled
    def results(x):
        with Settings.context:
            y = net(x)
        return y.detach().sum(), y.requires_grad, y.dtype

    for number in range(14):
        if number == 5:
            Settings.context = t.autocast("cpu", dtype=t.bfloat16)
        if number == 9:
            Settings.context = t.no_grad()
        y, needs, kind = results(t.ones(2, 3))
        yield y.float(), needs, str(kind)


@story
def constants_made_inside(t, compiled):
    sizes = {"n": 3, "value": 2.0}

    @compiled
    def results(x):
        mask = t.tril(t.ones(x.shape[0], x.shape[0]))
        place = t.arange(x.shape[0])
        made = t.full((sizes["n"],), sizes["value"])
        made[1] = 7.0
        return mask @ x, place * 2, made, t.tensor(1.5) * x.sum(), t.zeros_like(x), t.eye(2)

    for number in range(12):
        if number == 4:
            sizes["value"] = 3.0
        if number == 6:
            sizes["n"] = 4
        if number == 8:
            sizes["value"] = -0.0
        yield results(t.ones(3 if number < 10 else 5, 2))


@story
def leaves_made_inside(t, compiled):
    @compiled
    def results(x):
        w = t.ones(3, requires_grad=True)
        shift = t.zeros(3).requires_grad_()
        (w * x + shift).square().sum().backward()
        return w, w.grad, shift.grad

    for number in range(6):
        yield results(t.ones(3) * number)


@story
def labels_of_a_discriminator(t, compiled):
    real, fake = linear(t), linear(t)
    opt = t.optim.Adam(real.parameters(), lr=0.1)
    loss_of = t.nn.BCEWithLogitsLoss()

    @compiled
    def step(x):
        opt.zero_grad()
        loss = loss_of(real(x), t.ones(x.size(0), 2)) + loss_of(fake(x).detach(), t.zeros(2, 2))
        loss.backward()
        opt.step()
        return loss.item(), (real(x) > 0).sum().item()

    for number in range(8):
        if number == 5:
            loss_of.reduction = "sum"
        yield step(t.ones(2, 3)), everything(real, opt)


@story
def weights_that_count_what_is_done_with_them(t, compiled):
    class Counting(t.nn.Parameter):
        def mul(self, other):
            counts.append(other)
            return super().mul(other)

    counts, weight = [], Counting(t.ones(2))

    @compiled
    def results(x):
        weight.grad = None
        loss = weight.mul(2.0).sum() + x.sum()
        loss.backward()
        return loss.detach()

    for _ in range(7):
        yield results(t.ones(2)), len(counts), weight.grad


@story
def compiled_function_inside(t, compiled):
    class Factor:
        value = 2.0

    inner = compiled(lambda x: x * Factor.value)
    inner_holder = [inner]

    @compiled
    def outer(x):
        return inner_holder[0](x) + 1

    for number in range(9):
        if number == 4:
            Factor.value = 5.0
        if number == 6:
            inner_holder[0] = compiled(lambda x: x - Factor.value)
        yield outer(t.ones(2)), inner(t.ones(2))
