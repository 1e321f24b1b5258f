"""State of every kind, changed between the calls of one step: several things at once."""

import copy

from tests.stories.storykit import (
    attempt,
    batch,
    everything,
    fill,
    mlp,
    story,
    train_step,
)


def opt_adam(t, net):
    return t.optim.Adam(net.parameters(), lr=0.1)


@story
def submodule_swapped_then_weights_tied_then_frozen(t, compiled):
    net = fill(
        t, t.nn.Sequential(t.nn.Linear(3, 3), t.nn.Tanh(), t.nn.Linear(3, 3), t.nn.Linear(3, 2))
    )
    opt = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    step = train_step(t, compiled, net, opt)
    for n in range(9):
        if n == 2:
            net[1] = t.nn.ReLU()
        if n == 3:
            net[2].weight = net[0].weight
        if n == 4:
            net[0].bias.requires_grad_(False)
        if n == 5:
            net[0].bias.requires_grad_(True)
            net[3].requires_grad_(False)
        if n == 6:
            net[2].weight = t.nn.Parameter(net[0].weight.detach().clone())
            opt.add_param_group({"params": [net[2].weight], "lr": 0.5})
        if n == 8:
            opt.param_groups[1]["momentum"] = 0.0
        yield step(*batch(t)), everything(net, opt)


@story
def deepcopy_of_model_and_optimizer_mid_training(t, compiled):
    net = mlp(t)
    opt = opt_adam(t, net)

    class T:
        def __init__(s, net, opt):
            s.net, s.opt = net, opt

        def step(s, x, y):
            s.opt.zero_grad()
            loss = t.nn.functional.mse_loss(s.net(x), y)
            loss.backward()
            s.opt.step()
            return loss.detach()

    tr = T(net, opt)
    step = compiled(tr.step)
    other = None
    for n in range(8):
        r = step(*batch(t, n % 2))
        if n == 3:
            other = copy.deepcopy(tr)
            step2 = compiled(other.step)
        if n == 5:
            tr.net = other.net
        if other is not None:
            yield r, step2(*batch(t, 1)), everything(net, opt), everything(other.net, other.opt)
        else:
            yield r, everything(net, opt)


@story
def pickled_optimizer_state_loaded_mid_way(t, compiled):
    net = mlp(t)
    opt = opt_adam(t, net)
    step = train_step(t, compiled, net, opt)
    saved = None
    for n in range(8):
        if n == 3:
            saved = (copy.deepcopy(net.state_dict()), copy.deepcopy(opt.state_dict()))
        if n == 6:
            net.load_state_dict(saved[0])
            opt.load_state_dict(saved[1])
        yield step(*batch(t)), everything(net, opt)


@story
def load_state_dict_inside_the_step(t, compiled):
    net = mlp(t)
    good = copy.deepcopy(net.state_dict())
    opt = t.optim.SGD(net.parameters(), lr=0.3)

    @compiled
    def step(x, y, reset):
        if reset:
            net.load_state_dict(good)
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        return loss.detach()

    for n in range(9):
        yield step(*batch(t), n in (4, 7)), everything(net, opt)


@story
def to_double_and_back(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    x, y = batch(t)
    for n in range(9):
        if n == 4:
            net.double()
            x, y = x.double(), y.double()
        if n == 7:
            net.float()
            x, y = x.float(), y.float()
        yield step(x, y), everything(net, opt)


@story
def ema_model_and_swap_for_evaluation(t, compiled):
    net = mlp(t)
    ema = copy.deepcopy(net)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        with t.no_grad():
            for e, p in zip(ema.parameters(), net.parameters(), strict=False):
                e.lerp_(p, 0.2)
        return loss.detach()

    @compiled
    def ev(m, x):
        with t.no_grad():
            return m(x)

    for n in range(8):
        a = step(*batch(t))
        if n == 4:
            for e, p in zip(ema.parameters(), net.parameters(), strict=False):
                e.data, p.data = p.data, e.data
        yield a, ev(ema, batch(t)[0]), ev(net, batch(t)[0]), everything(net, opt), everything(ema)


@story
def averaged_model_of_the_library(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    avg = t.optim.swa_utils.AveragedModel(net)
    sched = t.optim.swa_utils.SWALR(opt, swa_lr=0.05, anneal_epochs=3)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        avg.update_parameters(net)
        sched.step()
        return loss.detach()

    for _n in range(8):
        yield step(*batch(t)), everything(net, opt), dict(avg.state_dict())


@story
def averaged_model_with_ema_function(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    avg = t.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=t.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    base = train_step(t, compiled, net, opt)
    for n in range(7):
        loss = base(*batch(t))
        avg.update_parameters(net)
        if n == 3:
            avg.multi_avg_fn = t.optim.swa_utils.get_ema_multi_avg_fn(0.5)
        yield loss, dict(avg.state_dict()), avg(batch(t)[0])


@story
def hook_that_raises_half_way_then_goes_on(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    step = train_step(t, compiled, net, opt)
    bad = {"on": False}

    def hook(m, i, o):
        if bad["on"]:
            raise ValueError("hook")

    h = None
    for n in range(9):
        if n == 2:
            h = net[1].register_forward_hook(hook)
        bad["on"] = n in (4, 5)
        if n == 7:
            h.remove()
        r = attempt(step, *batch(t))
        yield r, everything(net, opt)


@story
def keyboard_interrupt_in_a_gradient_hook(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    state = {"n": 0}

    def hook(g):
        state["n"] += 1
        if state["n"] == 3:
            raise KeyboardInterrupt("stop")
        return g * 2

    h = net[2].weight.register_hook(hook)
    for n in range(7):
        if n == 5:
            h.remove()
        try:
            r = step(*batch(t))
        except KeyboardInterrupt as e:
            r = str(e)
        yield (
            r,
            dict(state),
            {k: v for k, v in everything(net, opt).items() if n != 2 or "grad" not in k},
        )


@story
def exception_between_backward_and_step(t, compiled):
    net = mlp(t)
    opt = t.optim.Adam(net.parameters(), lr=0.1)
    f = {"n": 0}

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        f["n"] += 1
        if f["n"] in (3, 6):
            raise RuntimeError(f"at {f['n']}")
        opt.step()
        return loss.detach()

    for _n in range(8):
        yield attempt(step, *batch(t)), everything(net, opt), dict(f)


@story
def autocast_turned_on_and_off_outside(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    for n in range(8):
        with t.autocast("cpu", dtype=t.bfloat16, enabled=n in (3, 4, 6)):
            loss = step(*batch(t))
        yield str(loss.dtype)


@story
def accumulation_with_a_counter_of_its_own(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    class A:
        def __init__(s):
            s.n = 0

        def step(s, x, y):
            loss = t.nn.functional.mse_loss(net(x), y) / 3
            loss.backward()
            s.n += 1
            if s.n % 3 == 0:
                opt.step()
                opt.zero_grad()
            return loss.detach()

    a = A()
    step = compiled(a.step)
    for n in range(10):
        if n == 7:
            opt.zero_grad(set_to_none=False)
        yield step(*batch(t, n)), everything(net, opt), a.n
