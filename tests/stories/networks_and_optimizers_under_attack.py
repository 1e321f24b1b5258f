"""Networks and optimizers in the middle of training: swapped, copied, frozen, shared."""

import copy
import gc

from tests.stories.storykit import (
    attempt_type,
    batch,
    changed_and_back,
    everything,
    fill,
    linear,
    mlp,
    mlp_with_momentum,
    numbers,
    story,
    train_step,
)


@story
def swap_tensors_between_two_nets(t, compiled):
    a, b = mlp(t), mlp(t)
    with t.no_grad():
        for p in b.parameters():
            p.mul_(2)
    opt = t.optim.Adam(a.parameters(), lr=0.01)
    step = train_step(t, compiled, a, opt)
    for n in range(12):
        if n in (5, 8):
            a.zero_grad()
            b.zero_grad()
            for p, q in zip(a.parameters(), b.parameters(), strict=True):
                t.utils.swap_tensors(p, q)
        yield step(*batch(t)), everything(a, opt), everything(b)


@story
def set_underscore_and_resize(t, compiled):
    net = linear(t)
    other = numbers(t, 2, 3, seed=9)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    keep = net.weight.detach()
    for n in range(12):
        if n == 5:
            with t.no_grad():
                net.weight.set_(other)
        if n == 8:
            with t.no_grad():
                net.weight.set_(keep)
        yield step(*batch(t)), everything(net), other, keep


@story
def weights_share_storage_with_an_own_vector(t, compiled):
    net = linear(t)
    flat = t.zeros(8)
    opt = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.5)
    step = train_step(t, compiled, net, opt)
    for n in range(14):
        if n == 5:
            flat[:6] = net.weight.detach().view(-1)
            net.weight.data = flat[:6].view(2, 3)
            net.bias.data = flat[4:6]
        if n == 8:
            flat.mul_(0.5)
        if n == 11:
            net.weight.data = net.weight.data.clone()
            net.bias.data = net.bias.data.clone()
        yield step(*batch(t)), everything(net, opt), flat


@story
def trained_copy(t, compiled):
    net, opt = mlp_with_momentum(t)
    nets = [net]
    opts = [opt]

    @compiled
    def step(x, y):
        for m, o in zip(nets, opts, strict=True):
            o.zero_grad()
            loss = t.nn.functional.mse_loss(m(x), y)
            loss.backward()
            o.step()
        return loss

    for n in range(11):
        if n == 5:
            m = copy.deepcopy(net)
            nets.append(m)
            opts.append(t.optim.SGD(m.parameters(), lr=0.3))
        if n == 8:
            del nets[0], opts[0]
            gc.collect()
        yield step(*batch(t)), [everything(m, o) for m, o in zip(nets, opts, strict=True)]


@story(tolerance=(1e-3, 1e-4))
def assigned_state_dict(t, compiled):
    net, opt = mlp_with_momentum(t)
    other = mlp(t)
    with t.no_grad():
        for p in other.parameters():
            p.mul_(3)
    step = train_step(t, compiled, net, opt)
    for n in range(12):
        if n == 5:
            net.load_state_dict(other.state_dict(), assign=True)
        if n == 8:
            opt.param_groups[0]["params"] = list(net.parameters())
        yield step(*batch(t)), everything(net, opt), dict(other.state_dict())


@story
def half_and_double_and_back(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    dt = [t.float32]

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x.to(dt[0])), y.to(dt[0]))
        loss.backward()
        opt.step()
        return loss

    for n in range(14):
        if n == 4:
            net.double()
            dt[0] = t.float64
        if n == 7:
            net.half()
            dt[0] = t.float16
        if n == 9:
            net.to(t.bfloat16)
            dt[0] = t.bfloat16
        if n == 11:
            net.float()
            dt[0] = t.float32
        loss = step(*batch(t))
        yield (
            str(loss.dtype),
            [str(p.dtype) for p in net.parameters()],
            [str(p.grad.dtype) for p in net.parameters()],
            (loss if n < 7 else None),
        )


@story
def dropout_p_changes(t, compiled):
    net = fill(t, t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Dropout(0.0), t.nn.Linear(4, 2)))
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    for n in range(12):
        if n == 5:
            net[1].p = 1.0
        if n == 7:
            net[1].p = 0.0
            net[1].inplace = True
        if n == 9:
            net[1].p = 1.0
            net[1].training = False
        if n == 11:
            net[1].train()
        yield step(*batch(t)), everything(net)


@story
def frozen_by_many_ways(t, compiled):
    net, opt = mlp_with_momentum(t)
    step = train_step(t, compiled, net, opt)
    for n in range(20):
        if n == 4:
            net[0].requires_grad_(False)
        if n == 6:
            net[0].weight.grad = None
        if n == 8:
            net[0].weight.requires_grad = True
        if n == 10:
            net.requires_grad_(True)
        if n == 12:
            net[2].bias = None
        if n == 14:
            net[2].bias = t.nn.Parameter(t.ones(2))
            opt.add_param_group({"params": [net[2].bias], "lr": 0.5})
        if n == 17:
            opt.param_groups.pop()
        yield step(*batch(t)), everything(net, opt)


@story
def two_steps_on_one_net_with_two_optimizers(t, compiled):
    net = mlp(t)
    a = t.optim.SGD(net[0].parameters(), lr=0.1, momentum=0.9)
    b = t.optim.Adam(net.parameters(), lr=0.01)
    s1, s2 = train_step(t, compiled, net, a), train_step(t, compiled, net, b)
    for n in range(10):
        yield s1(*batch(t)), everything(net, a, b)
        if n % 2 or n > 5:
            yield s2(*batch(t)), everything(net, a, b)
        if n == 6:
            b.param_groups[0]["params"] = a.param_groups[0]["params"]


@story
def optimizer_replaced_under_the_same_name(t, compiled):
    net = mlp(t)
    box = {"opt": t.optim.SGD(net.parameters(), lr=0.1)}

    @compiled
    def step(x, y):
        box["opt"].zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        box["opt"].step()
        return loss

    made = [
        lambda: t.optim.Adam(net.parameters(), lr=0.01),
        lambda: t.optim.SGD(net.parameters(), lr=0.1),
        lambda: t.optim.SGD(list(net.parameters())[:2], lr=0.1, momentum=0.9),
        lambda: t.optim.RMSprop(net.parameters(), lr=0.01),
    ]
    for n in range(17):
        if n >= 5 and n % 3 == 2:
            box["opt"] = made[(n - 5) // 3]()
        yield step(*batch(t)), everything(net, box["opt"])


@story
def scheduler_of_schedulers(t, compiled):
    net, opt = mlp_with_momentum(t)
    S = t.optim.lr_scheduler
    sched = S.SequentialLR(
        opt,
        [
            S.LinearLR(opt, 0.1, 1.0, 3),
            S.ChainedScheduler([S.ExponentialLR(opt, 0.9), S.StepLR(opt, 2, 0.5)]),
            S.CosineAnnealingWarmRestarts(opt, 3),
        ],
        [4, 8],
    )

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        sched.step()
        return loss

    for _ in range(16):
        yield attempt_type(step, *batch(t)), everything(net, opt), attempt_type(sched.get_last_lr)


@story
def target_network_by_many_ways(t, compiled):
    net, target = mlp(t), mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x):
        opt.zero_grad()
        with t.no_grad():
            y = target(x)
        loss = t.nn.functional.mse_loss(net(x), y + 1)
        loss.backward()
        opt.step()
        return loss

    for n in range(22):
        if n == 4:
            target.load_state_dict(net.state_dict())
        if n == 7:
            for p, q in zip(target.parameters(), net.parameters(), strict=True):
                p.data.copy_(q.data)
        if n == 10:
            for p, q in zip(target.parameters(), net.parameters(), strict=True):
                p.data = q.data
        if n == 13:
            for p, q in zip(target.parameters(), net.parameters(), strict=True):
                p.data = q.data.clone()
        if n == 16:
            with t.no_grad():
                t._foreach_lerp_(list(target.parameters()), list(net.parameters()), 0.5)
        if n == 19:
            target = copy.deepcopy(net)
        yield step(batch(t)[0]), everything(net), everything(target)


@story
def half_accumulated_when_interrupted(t, compiled):
    net, opt = mlp_with_momentum(t)
    boom = {"at": None}
    h = []

    def hook(g):
        if boom["at"] == "b":
            raise KeyboardInterrupt

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        if boom["at"] == "a":
            raise KeyboardInterrupt
        opt.step()
        return loss

    def go():
        try:
            return step(*batch(t))
        except KeyboardInterrupt:
            return "stopped"

    for n in range(16):
        boom["at"] = {5: "a", 8: "b", 12: "b"}.get(n)
        if n == 7:
            h.append(net[0].weight.register_hook(hook))
        if n == 10:
            h.pop().remove()
        if n == 11:
            h.append(net[0].bias.register_hook(hook))
        if n == 14:
            h.pop().remove()
        yield go(), everything(net, opt)


@story
def hook_changes_hooks(t, compiled):
    net, opt = mlp_with_momentum(t)
    log = []
    hs = {}

    def pre(m, a):
        log.append("pre")
        if len(log) % 3 == 0:
            hs["post"] = net[2].register_forward_hook(post)

    def post(m, a, o):
        log.append("post")
        hs.pop("post").remove()
        return o * 2

    step = train_step(t, compiled, net, opt)
    for n in range(14):
        if n == 4:
            hs["pre"] = net[0].register_forward_pre_hook(pre)
        if n == 9:
            hs.pop("pre").remove()
        yield step(*batch(t)), everything(net, opt), list(log)


@story
def same_group_twice(t, compiled):
    net, opt = mlp_with_momentum(t)
    step = train_step(t, compiled, net, opt)
    yield from changed_and_back(
        lambda: (step(*batch(t)), everything(net)),
        lambda: opt.param_groups.append(opt.param_groups[0]),
        lambda: opt.param_groups.pop(),
    )


@story
def parameter_in_two_groups(t, compiled):
    net, opt = mlp_with_momentum(t)
    step = train_step(t, compiled, net, opt)

    def ch():
        opt.param_groups.append({**opt.param_groups[0], "params": [net[0].weight], "lr": 0.05})

    yield from changed_and_back(
        lambda: (step(*batch(t)), everything(net)), ch, lambda: opt.param_groups.pop()
    )


@story
def vector_to_parameters_makes_views(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    step = train_step(t, compiled, net, opt)
    vec = None
    for n in range(14):
        if n == 5:
            vec = t.nn.utils.parameters_to_vector(net.parameters()).detach().clone()
            t.nn.utils.vector_to_parameters(vec, net.parameters())
        if n == 8:
            vec.mul_(0.5)
        if n == 11:
            for p in net.parameters():
                p.data = p.data.clone()
        yield step(*batch(t)), everything(net, opt), vec


@story
def shallow_copy_of_a_net(t, compiled):
    net = mlp(t)
    twin = copy.copy(net)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    for n in range(11):
        if n == 5:
            twin[0] = fill(t, t.nn.Linear(3, 4))
        if n == 7:
            twin.extra = t.nn.Identity()
        if n == 8:
            twin.add_module("1", t.nn.ReLU())
        yield step(*batch(t)), everything(net), everything(twin), len(twin._modules)
