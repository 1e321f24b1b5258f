"""Schedulers that a replayed step steps itself, and what is changed about them between calls."""

import functools
import math

from tests.stories.storykit import attempt, batch, everything, mlp, story


def _rates(opt):
    names = ("lr", "momentum", "betas")
    return [{name: group[name] for name in names if name in group} for group in opt.param_groups]


def _stepped(t, compiled, make, change=lambda number, opt, schedule: None, calls=11):
    """The usual order: backward, step, schedule, gradients dropped."""
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    schedule = make(t.optim.lr_scheduler, opt)

    @compiled
    def step(x, y):
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        schedule.step()
        opt.zero_grad()
        return loss.detach()

    for number in range(calls):
        yield attempt(step, *batch(t)), everything(net, opt), _rates(opt)
        change(number, opt, schedule)


@story
def halves_every_second_step(t, compiled):
    def change(number, opt, schedule):
        if number == 5:
            schedule.gamma = 0.9
        if number == 7:
            opt.param_groups[0]["lr"] = 0.3

    yield from _stepped(t, compiled, lambda s, opt: s.StepLR(opt, 2, 0.5), change)


@story
def one_cycle_with_momentum(t, compiled):
    make = lambda s, opt: s.OneCycleLR(opt, 0.2, total_steps=20)  # noqa: E731
    yield from _stepped(t, compiled, make)


@story
def cycle_that_comes_to_its_end(t, compiled):
    def make(schedulers, opt):
        return schedulers.OneCycleLR(opt, 0.2, total_steps=8, cycle_momentum=False)

    yield from _stepped(t, compiled, make)


@story
def warm_up_and_then_another(t, compiled):
    def make(s, opt):
        parts = [s.LinearLR(opt, 0.1, 1.0, 3), s.CosineAnnealingLR(opt, 9)]
        return s.SequentialLR(opt, parts, milestones=[3])

    yield from _stepped(t, compiled, make)


@story
def rate_that_stays_for_a_while(t, compiled):
    make = lambda s, opt: s.ChainedScheduler([s.ConstantLR(opt, 0.1, 4), s.StepLR(opt, 6)])  # noqa: E731
    yield from _stepped(t, compiled, make)


def _with_warm_up(epoch, *, warm_up, steps):
    if epoch < warm_up:
        return float(epoch + 1) / float(max(1, warm_up))
    part = float(epoch - warm_up) / float(max(1, steps - warm_up))
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * part)))


@story
def function_with_arguments_of_its_own(t, compiled):
    function = functools.partial(_with_warm_up, warm_up=3, steps=20)

    def change(number, opt, schedule):
        if number == 5:
            function.keywords["steps"] = 8
        if number == 8:
            schedule.lr_lambdas[0] = lambda epoch: 0.3

    yield from _stepped(t, compiled, lambda s, opt: s.LambdaLR(opt, function), change)


@story
def function_of_a_variable_outside(t, compiled):
    scale = 0.5

    def change(number, opt, schedule):
        nonlocal scale
        if number == 5:
            scale = 0.1

    def function(epoch):
        return scale / (1 + epoch)

    yield from _stepped(t, compiled, lambda s, opt: s.LambdaLR(opt, function), change)


@story
def function_that_counts(t, compiled):
    calls = []

    def function(epoch):
        calls.append(epoch)
        return 1 / len(calls)

    for got in _stepped(t, compiled, lambda s, opt: s.LambdaLR(opt, function)):
        yield got, list(calls)


@story
def function_that_freezes_a_layer(t, compiled):
    seen = {}

    def function(epoch):
        for group in seen:
            seen[group]["params"][0].requires_grad_(epoch % 3 != 0)
        return 0.9

    def change(number, opt, schedule):
        seen["all"] = opt.param_groups[0]

    yield from _stepped(t, compiled, lambda s, opt: s.LambdaLR(opt, function), change)


@story
def step_of_a_schedule_replaced(t, compiled):
    def change(number, opt, schedule):
        if number == 5:
            once = schedule.step
            schedule.step = lambda: (once(), once())[0]

    yield from _stepped(t, compiled, lambda s, opt: s.ExponentialLR(opt, 0.9), change)


@story
def formula_of_a_class_replaced(t, compiled):
    kind = t.optim.lr_scheduler.ExponentialLR
    known = kind.get_lr

    def change(number, opt, schedule):
        if number == 5:
            kind.get_lr = lambda self: [0.05] * len(self.base_lrs)

    try:
        yield from _stepped(t, compiled, lambda s, opt: s.ExponentialLR(opt, 0.9), change)
    finally:
        kind.get_lr = known


@story
def schedule_goes_back(t, compiled):
    saved = {}

    def change(number, opt, schedule):
        if number == 2:
            saved.update(schedule.state_dict())
        if number == 6:
            schedule.load_state_dict(saved)

    yield from _stepped(t, compiled, lambda s, opt: s.CosineAnnealingLR(opt, 8), change)


@story
def rate_read_after_the_schedule(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    schedule = t.optim.lr_scheduler.ConstantLR(opt, 0.5, 3)
    group = opt.param_groups[0]

    @compiled
    def step(x, y):
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        schedule.step()
        opt.zero_grad()
        return loss.detach() * group["lr"], schedule.last_epoch, schedule.get_last_lr()

    for _ in range(8):
        yield step(*batch(t)), everything(net, opt)


@story
def schedule_before_the_step(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    schedule = t.optim.lr_scheduler.ExponentialLR(opt, 0.8)
    opt.step()

    @compiled
    def step(x, y):
        schedule.step()
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        return loss.detach()

    for _ in range(8):
        yield step(*batch(t)), everything(net, opt), _rates(opt)


@story
def two_optimizers_and_their_schedules(t, compiled):
    one, two = mlp(t), mlp(t)
    opts = t.optim.SGD(one.parameters(), lr=0.1), t.optim.Adam(two.parameters(), lr=0.01)
    schedulers = t.optim.lr_scheduler
    schedules = [schedulers.ExponentialLR(opts[0], 0.9), schedulers.StepLR(opts[1], 2)]

    @compiled
    def step(x, y):
        losses = []
        for net, opt, schedule in zip((one, two), opts, schedules, strict=True):
            loss = t.nn.functional.mse_loss(net(x), y)
            loss.backward()
            opt.step()
            schedule.step()
            opt.zero_grad()
            losses = [*losses, loss.detach()]
        return losses

    for number in range(10):
        yield step(*batch(t)), everything(one, opts[0]), everything(two, opts[1])
        if number == 6:
            schedules[0] = schedulers.StepLR(opts[0], 1, 0.5)
