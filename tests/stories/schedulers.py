"""Learning rate schedulers, stepped inside and outside of the step, and those of the user's own."""

import math

from tests.stories.storykit import attempt_type, batch, everything, linear, story


def trained(t, compiled, make_scheduler, inside, momentum=0.0):
    """A step of SGD under a scheduler: net, optimizer, scheduler and the step."""
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1, momentum=momentum)
    scheduler = make_scheduler(optimizer)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        if inside:
            scheduler.step()
        return loss

    return net, optimizer, scheduler, step


@story
def exponential_inside(t, compiled):
    net, optimizer, scheduler, step = trained(
        t, compiled, lambda o: t.optim.lr_scheduler.ExponentialLR(o, 0.5), inside=True
    )
    for _ in range(4):
        yield step(*batch(t)), everything(net, optimizer), scheduler.get_last_lr()


@story
def exponential_outside(t, compiled):
    net, optimizer, scheduler, step = trained(
        t, compiled, lambda o: t.optim.lr_scheduler.ExponentialLR(o, 0.5), inside=False
    )
    for k in range(4):
        yield step(*batch(t)), everything(net, optimizer), scheduler.last_epoch
        if k % 2:
            scheduler.step()


@story
def steps_at_milestones(t, compiled):
    net, optimizer, scheduler, step = trained(
        t, compiled, lambda o: t.optim.lr_scheduler.MultiStepLR(o, [2, 3], 0.1), inside=True
    )
    for _ in range(5):
        yield step(*batch(t)), everything(net, optimizer), scheduler.get_last_lr()


@story
def lambda_with_a_closure(t, compiled):
    factor = {"k": 1.0}
    net, optimizer, _, step = trained(
        t,
        compiled,
        lambda o: t.optim.lr_scheduler.LambdaLR(o, lambda epoch: factor["k"] / (epoch + 1)),
        inside=True,
    )
    for k in (1.0, 2.0, 0.5, 0.5):
        factor["k"] = k
        yield step(*batch(t)), everything(net, optimizer)


@story
def warm_up_then_cosine(t, compiled):
    schedulers = t.optim.lr_scheduler

    def make(optimizer):
        warm_up = schedulers.LinearLR(optimizer, start_factor=0.1, total_iters=2)
        cosine = schedulers.CosineAnnealingLR(optimizer, T_max=4)
        return schedulers.SequentialLR(optimizer, [warm_up, cosine], milestones=[2])

    net, optimizer, scheduler, step = trained(t, compiled, make, inside=True)
    for _ in range(5):
        yield step(*batch(t)), everything(net, optimizer), scheduler.get_last_lr()


@story
def one_cycle_changes_momentum(t, compiled):
    net, optimizer, _, step = trained(
        t,
        compiled,
        lambda o: t.optim.lr_scheduler.OneCycleLR(o, max_lr=0.5, total_steps=8),
        inside=True,
        momentum=0.9,
    )
    for _ in range(5):
        yield step(*batch(t)), everything(net, optimizer), optimizer.param_groups[0]["momentum"]


@story
def plateau_of_a_returned_loss(t, compiled):
    net, optimizer, scheduler, step = trained(
        t,
        compiled,
        lambda o: t.optim.lr_scheduler.ReduceLROnPlateau(o, patience=0, factor=0.1),
        inside=False,
    )
    for k in range(4):
        loss = step(*batch(t, k))
        scheduler.step(loss.item())
        yield loss, everything(net, optimizer), scheduler.num_bad_epochs


@story
def plateau_inside(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    scheduler = t.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.1)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step(loss)

    for k in range(4):
        step(*batch(t, k))
        yield everything(net, optimizer), float(scheduler.best)


@story
def own_scheduler_as_a_function(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    state = {"step": 0}

    def adjust():
        state["step"] += 1
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * 0.5 * (1 + math.cos(math.pi * state["step"] / 5))

    @compiled
    def step(x, y):
        adjust()
        optimizer.zero_grad()
        t.nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()

    for _ in range(4):
        step(*batch(t))
        yield everything(net, optimizer), state


@story
def noam_class_around_an_optimizer(t, compiled):
    class Noam:
        def __init__(self, optimizer, warm_up):
            self.optimizer, self.warm_up, self.count = optimizer, warm_up, 0

        def step(self):
            self.count += 1
            rate = min(self.count**-0.5, self.count * self.warm_up**-1.5)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()

    net = linear(t)
    noam = Noam(t.optim.Adam(net.parameters(), lr=0.0), 3)

    @compiled
    def step(x, y):
        noam.optimizer.zero_grad()
        t.nn.functional.mse_loss(net(x), y).backward()
        noam.step()

    for k in range(4):
        step(*batch(t))
        yield everything(net, noam.optimizer), noam.count
        noam.warm_up += k


@story
def scheduler_state_loaded(t, compiled):
    net, optimizer, scheduler, step = trained(
        t, compiled, lambda o: t.optim.lr_scheduler.StepLR(o, 2, 0.1), inside=True
    )
    saved = scheduler.state_dict()
    for k in range(5):
        yield step(*batch(t)), everything(net, optimizer), scheduler.last_epoch
        if k == 2:
            scheduler.load_state_dict(saved)
            scheduler.gamma = 0.5


@story
def scheduler_replaced(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    holder = {"scheduler": None}

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        t.nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()
        if holder["scheduler"] is not None:
            holder["scheduler"].step()

    for gamma in (None, 0.5, 0.1, None):
        holder["scheduler"] = gamma and t.optim.lr_scheduler.ExponentialLR(optimizer, gamma)
        for _ in range(2):
            step(*batch(t))
            yield everything(net, optimizer)


@story
def weight_decay_scheduled_by_hand(t, compiled):
    net = linear(t)
    optimizer = t.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.0)

    @compiled
    def step(x, y, number):
        optimizer.param_groups[0]["weight_decay"] = number / 10
        optimizer.zero_grad()
        t.nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()

    for number in range(4):
        step(*batch(t), number)
        yield everything(net, optimizer)


@story
def groups_come_and_go_under_a_schedule(t, compiled):
    schedules = t.optim.lr_scheduler
    for make in (
        lambda o: schedules.StepLR(o, 2, 0.5),
        lambda o: schedules.CosineAnnealingLR(o, 8),
        lambda o: schedules.LambdaLR(o, lambda epoch: 0.9**epoch),
    ):
        net, optimizer, scheduler, step = trained(t, compiled, make, inside=True)
        extra = t.ones(2, requires_grad=True)
        for k in range(6):
            result = attempt_type(step, *batch(t))
            yield result, everything(net, optimizer), scheduler.last_epoch
            if k == 2:
                optimizer.add_param_group({"params": [extra], "lr": 0.3})
            if k == 4:
                optimizer.param_groups.pop()
