"""Optimizers: options changed, groups added, state loaded, replaced, those of the user's own."""

import copy

from tests.stories.storykit import batch, everything, linear, mlp, story, train_step


@story(recompiles=False)
def nothing_changes(t, compiled):
    net = mlp(t)
    optimizer = t.optim.AdamW(net.parameters(), lr=0.01)
    step = train_step(t, compiled, net, optimizer)
    for _ in range(5):
        yield step(*batch(t)), everything(net, optimizer)


@story
def lr_set_in_the_group(t, compiled):
    net = mlp(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    step = train_step(t, compiled, net, optimizer)
    for rate in (0.1, 0.0, 0.5):
        for group in optimizer.param_groups:
            group["lr"] = rate
        yield step(*batch(t)), everything(net, optimizer)


@story
def lr_set_after_loading_state(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, optimizer)
    yield step(*batch(t)), everything(net, optimizer)
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.param_groups[0]["lr"] = 0.0
    yield step(*batch(t)), everything(net, optimizer)
    optimizer.param_groups[0]["lr"] = 1.0
    yield step(*batch(t)), everything(net, optimizer)


@story
def lr_is_a_tensor(t, compiled):
    net = linear(t)
    rate = t.tensor(0.1)
    optimizer = t.optim.SGD(net.parameters(), lr=rate)
    step = train_step(t, compiled, net, optimizer)
    yield step(*batch(t)), everything(net)
    rate.fill_(0.5)
    yield step(*batch(t)), everything(net)
    optimizer.param_groups[0]["lr"] = t.tensor(0.0)
    yield step(*batch(t)), everything(net)
    optimizer.param_groups[0]["lr"] = 0.25
    yield step(*batch(t)), everything(net)


@story
def lr_set_inside_after_the_step(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        t.nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()
        optimizer.param_groups[0]["lr"] *= 0.5

    for _ in range(4):
        step(*batch(t))
        yield everything(net, optimizer)


@story
def lr_set_inside_before_the_step(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y, number):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 / (number + 1)
        optimizer.zero_grad()
        t.nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()

    for number in range(4):
        step(*batch(t), number)
        yield everything(net, optimizer)


@story
def lr_read_through_a_function(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    def current():
        return optimizer.param_groups[0]["lr"]

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y) * current()
        loss.backward()
        optimizer.step()
        return loss, current()

    for k in range(4):
        yield step(*batch(t)), everything(net)
        optimizer.param_groups[0]["lr"] = 0.1 * k


@story
def two_steps_with_two_rates_inside(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y, rates):
        for rate in rates:
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            t.nn.functional.mse_loss(net(x), y).backward()
            optimizer.step()

    for rates in ((0.1, 0.2), (0.2, 0.1), (0.0, 0.1, 0.0)):
        step(*batch(t), rates)
        yield everything(net, optimizer)


@story
def momentum_and_weight_decay_change(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    step = train_step(t, compiled, net, optimizer)
    for momentum, decay, nesterov in ((0.9, 0.0, False), (0.5, 0.1, True), (0.0, 0.1, False)):
        optimizer.param_groups[0].update(momentum=momentum, weight_decay=decay, nesterov=nesterov)
        yield step(*batch(t)), everything(net, optimizer)


@story
def betas_change(t, compiled):
    net = linear(t)
    optimizer = t.optim.Adam(net.parameters(), lr=0.01)
    step = train_step(t, compiled, net, optimizer)
    for betas in ((0.9, 0.999), (0.5, 0.9), (0.9, 0.999)):
        optimizer.param_groups[0]["betas"] = betas
        yield step(*batch(t)), everything(net, optimizer)


@story
def group_added(t, compiled):
    net = mlp(t)
    optimizer = t.optim.SGD(net[0].parameters(), lr=0.1, momentum=0.9)
    step = train_step(t, compiled, net, optimizer)
    for _ in range(2):
        yield step(*batch(t)), everything(net, optimizer)
    optimizer.add_param_group({"params": net[2].parameters(), "lr": 0.01})
    for _ in range(2):
        yield step(*batch(t)), everything(net, optimizer)


@story
def groups_of_their_own_options(t, compiled):
    net = mlp(t)
    optimizer = t.optim.AdamW(
        [
            {"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": 0.1},
            {"params": [p for p in net.parameters() if p.dim() == 1], "weight_decay": 0.0},
        ],
        lr=0.01,
    )
    step = train_step(t, compiled, net, optimizer)
    for k in range(3):
        yield step(*batch(t)), everything(net, optimizer)
        optimizer.param_groups[k % 2]["lr"] *= 2


@story
def group_removed(t, compiled):
    net = mlp(t)
    optimizer = t.optim.SGD([{"params": net[0].parameters()}, {"params": net[2].parameters()}], 0.1)
    step = train_step(t, compiled, net, optimizer)
    yield step(*batch(t)), everything(net, optimizer)
    removed = optimizer.param_groups.pop()
    yield step(*batch(t)), everything(net, optimizer)
    optimizer.param_groups.append(removed)
    yield step(*batch(t)), everything(net, optimizer)


@story
def parameter_replaced_in_a_group(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, optimizer)
    yield step(*batch(t)), everything(net)
    net.weight = t.nn.Parameter(t.ones(2, 3))
    yield step(*batch(t)), everything(net)
    optimizer.param_groups[0]["params"][0] = net.weight
    yield step(*batch(t)), everything(net)


@story
def optimizer_replaced_by_another_kind(t, compiled):
    class Trainer:
        def __init__(self):
            self.net = linear(t)
            self.optimizer = t.optim.SGD(self.net.parameters(), lr=0.1)

        def step(self, x, y):
            self.optimizer.zero_grad()
            t.nn.functional.mse_loss(self.net(x), y).backward()
            self.optimizer.step()

    trainer = Trainer()
    step = compiled(trainer.step)
    for make in (t.optim.SGD, t.optim.Adam, t.optim.AdamW, t.optim.SGD):
        trainer.optimizer = make(trainer.net.parameters(), lr=0.01)
        for _ in range(2):
            step(*batch(t))
        yield everything(trainer.net, trainer.optimizer)


@story
def optimizer_made_inside(t, compiled):
    net = linear(t)

    @compiled
    def fit(x, y, rate):
        optimizer = t.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
        for _ in range(2):
            optimizer.zero_grad()
            t.nn.functional.mse_loss(net(x), y).backward()
            optimizer.step()

    for rate in (0.1, 0.2, 0.1):
        fit(*batch(t), rate)
        yield everything(net)


@story
def state_saved_and_loaded_back(t, compiled):
    net = linear(t)
    optimizer = t.optim.Adam(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, optimizer)
    step(*batch(t))
    saved = copy.deepcopy([net.state_dict(), optimizer.state_dict()])
    for k in range(3):
        yield step(*batch(t)), everything(net, optimizer)
        if k == 1:
            net.load_state_dict(saved[0])
            optimizer.load_state_dict(saved[1])
    yield saved[0]


@story
def state_cleared(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    step = train_step(t, compiled, net, optimizer)
    for k in range(4):
        yield step(*batch(t)), everything(net, optimizer)
        if k == 1:
            optimizer.state.clear()


@story
def state_written_by_hand(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    step = train_step(t, compiled, net, optimizer)
    yield step(*batch(t)), everything(net, optimizer)
    optimizer.state[net.weight]["momentum_buffer"].zero_()
    yield step(*batch(t)), everything(net, optimizer)
    optimizer.state[net.weight]["momentum_buffer"] = t.ones(2, 3)
    yield step(*batch(t)), everything(net, optimizer)


@story
def gradient_missing_for_some(t, compiled):
    net = mlp(t)
    optimizer = t.optim.Adam(net.parameters(), lr=0.01)

    @compiled
    def step(x, short):
        optimizer.zero_grad()
        hidden = net[0](x)
        (hidden if short else net[2](hidden)).sum().backward()
        optimizer.step()

    for short in (True, False, True):
        step(batch(t)[0], short)
        yield everything(net, optimizer)


@story
def step_with_a_closure(t, compiled):
    net, calls = linear(t), [0]
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        def closure():
            calls[0] += 1
            optimizer.zero_grad()
            loss = t.nn.functional.mse_loss(net(x), y)
            loss.backward()
            return loss

        return optimizer.step(closure)

    for k in range(3):
        yield step(*batch(t, k)), calls[0], everything(net)


@story
def maximize_changes(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.01, maximize=True)
    step = train_step(t, compiled, net, optimizer)
    for maximize in (True, False, True):
        optimizer.param_groups[0]["maximize"] = maximize
        yield step(*batch(t)), everything(net)
