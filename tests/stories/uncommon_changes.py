"""What a step depends on, changed in ways that are not common."""

import collections
import copy

from tests.stories.storykit import (
    attempt_type,
    batch,
    everything,
    fill,
    linear,
    mlp,
    numbers,
    story,
    train_step,
)


@story
def dict_subclass_with_an_items_of_its_own(t, compiled):
    class D(dict):
        pass

    d = D(a=1.0, b=2.0)
    x = t.ones(2)

    @compiled
    def f(x):
        s = x
        for _k, v in d.items():
            s = s * v
        return s

    for n in range(6):
        if n == 3:
            d.items = lambda: [("a", 5.0)]
        if n == 5:
            del d.items
        yield f(x)


@story
def flags_of_a_gradient_decide(t, compiled):
    p = t.nn.Parameter(t.ones(2))
    p.grad = t.zeros(2)

    @compiled
    def f(x):
        y = x * 2
        if p.grad is not None and p.grad.requires_grad:
            y = y * 10
        return y

    for n in range(7):
        if n == 3:
            p.grad = t.ones(2, requires_grad=True) * 2
        if n == 4:
            p.grad = t.zeros(2)
        if n == 5:
            p.grad = t.zeros(2, requires_grad=True)
        if n == 6:
            p.grad = None
        yield f(t.ones(2))


@story
def version_counter_decides(t, compiled):
    w = t.ones(2)

    @compiled
    def f(x):
        return x * 2 if w._version < 3 else x * 5

    for n in range(8):
        if n > 2:
            w.add_(1)
        yield f(t.ones(2))


@story
def get_attribute_of_a_module_subclass_changes(t, compiled):
    class M(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.w = t.nn.Parameter(t.ones(2))

        def forward(s, x):
            return x * s.w

    m = M()
    other = t.nn.Parameter(t.full((2,), 3.0))

    @compiled
    def f(x):
        return m(x).detach()

    for n in range(7):
        if n == 3:
            M.__getattr__ = lambda s, name: (
                other if name == "w" else t.nn.Module.__getattr__(s, name)
            )
        if n == 5:
            del M.__getattr__
        yield f(t.ones(2))


@story
def functional_module_patched(t, compiled):
    F = t.nn.functional
    old = F.relu
    net = linear(t)

    @compiled
    def f(x):
        return F.relu(net(x)).detach()

    try:
        for n in range(7):
            if n == 3:
                F.relu = lambda x: x * 0.5
            if n == 5:
                F.relu = old
            yield f(batch(t)[0])
    finally:
        F.relu = old


@story
def tensor_method_patched(t, compiled):
    old = t.Tensor.relu
    net = linear(t)

    @compiled
    def f(x):
        return net(x).relu().detach()

    try:
        for n in range(7):
            if n == 3:
                t.Tensor.relu = lambda x: x * 0.5
            if n == 5:
                t.Tensor.relu = old
            yield f(batch(t)[0])
    finally:
        t.Tensor.relu = old


@story
def module_call_patched(t, compiled):
    net = linear(t)
    old = t.nn.Module.__call__

    @compiled
    def f(x):
        return net(x).detach()

    try:
        for n in range(7):
            if n == 3:
                t.nn.Module.__call__ = lambda s, x: s.forward(x) * 10
            if n == 5:
                t.nn.Module.__call__ = old
            yield f(batch(t)[0])
    finally:
        t.nn.Module.__call__ = old


@story
def forward_of_a_layers_class_patched(t, compiled):
    net = mlp(t)
    old = t.nn.Tanh.forward

    @compiled
    def f(x):
        return net(x).detach()

    try:
        for n in range(7):
            if n == 3:
                t.nn.Tanh.forward = lambda s, x: x * 10
            if n == 5:
                t.nn.Tanh.forward = old
            yield f(batch(t)[0])
    finally:
        t.nn.Tanh.forward = old


@story
def options_of_layers(t, compiled):
    net = fill(
        t,
        t.nn.Sequential(
            t.nn.Conv2d(1, 2, 3, padding=1),
            t.nn.BatchNorm2d(2),
            t.nn.LeakyReLU(0.1),
            t.nn.MaxPool2d(2),
            t.nn.Flatten(),
            t.nn.LayerNorm(8),
            t.nn.Softmax(1),
            t.nn.Hardtanh(),
        ),
    )

    @compiled
    def f(x):
        with t.no_grad():
            return net(x)

    x = numbers(t, 2, 1, 4, 4)

    def c0():
        net[1].eps = 1.0

    def c1():
        net[2].negative_slope = 2.0

    def c2():
        net[3].kernel_size = 1
        net[3].stride = 2

    def c3():
        net[5].eps = 3.0

    def c4():
        net[6].dim = 0

    def c5():
        net[7].max_val = 0.05

    def c6():
        net[5].normalized_shape = (8,)

    def c7():
        net[5].weight = None

    def c8():
        net[0].padding = (0, 1)

    def c9():
        net[0].padding = (1, 1)
        net[0].bias = None

    for c in (None, None, None, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9):
        if c:
            c()
        yield attempt_type(f, x)
        yield attempt_type(f, x)


@story(tolerance=(1e-3, 1e-5))
def optimizer_flags(t, compiled):
    net = mlp(t)
    opt = t.optim.Adam(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    g = opt.param_groups[0]
    for _n, (k, v) in enumerate(
        [
            ("lr", 0.1),
            ("lr", 0.1),
            ("lr", 0.1),
            ("maximize", True),
            ("amsgrad", False),
            ("weight_decay", 0.1),
            ("eps", 1.0),
            ("betas", (0.0, 0.0)),
            ("lr", 0),
            ("lr", 0.1),
            ("maximize", False),
            ("foreach", False),
            ("foreach", True),
            ("lr", -0.1),
        ]
    ):
        g[k] = v
        yield step(*batch(t)), everything(net, opt)
        yield step(*batch(t)), everything(net, opt)


@story
def optimizer_state_by_hand(t, compiled):
    net = linear(t)
    opt = t.optim.Adam(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    p = net.weight
    for n in range(12):
        if n == 3:
            opt.state[p]["exp_avg"].zero_()
        if n == 4:
            opt.state[p]["exp_avg"] = t.ones_like(p)
        if n == 5:
            opt.state[p]["step"] += 5
        if n == 6:
            opt.state[p]["step"] = t.tensor(1.0)
        if n == 7:
            opt.state[net.bias] = copy.deepcopy(opt.state[net.bias])
        if n == 8:
            del opt.state[p]
        if n == 9:
            opt.state.clear()
        if n == 10:
            opt.state = collections.defaultdict(dict)
        yield step(*batch(t)), everything(net, opt)


@story
def optimizer_groups_edited(t, compiled):
    net = mlp(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.5)
    step = train_step(t, compiled, net, opt)
    for n in range(12):
        g = opt.param_groups
        if n == 3:
            g[0]["params"] = g[0]["params"][:2]
        if n == 4:
            g.append({**g[0], "params": list(net[2].parameters()), "lr": 1.0})
        if n == 6:
            g[0]["params"].reverse()
        if n == 7:
            opt.param_groups = [dict(x) for x in g]
        if n == 8:
            g[0]["lr"] = 0.0
            opt.param_groups[0]["nesterov"] = True
        if n == 9:
            opt.param_groups.pop()
        if n == 10:
            opt.param_groups.clear()
        yield step(*batch(t)), everything(net, opt)


@story(tolerance=(1e-3, 1e-5))
def optimizer_class_changed(t, compiled):
    net = mlp(t)
    opt = t.optim.Adam(net.parameters(), lr=0.1, weight_decay=0.1)
    step = train_step(t, compiled, net, opt)
    for n in range(8):
        if n == 3:
            opt.param_groups[0]["decoupled_weight_decay"] = True
            opt.__class__ = t.optim.AdamW
        if n == 6:

            class Mine(t.optim.AdamW):
                def step(s, closure=None):
                    for g in s.param_groups:
                        for p in g["params"]:
                            p.data.add_(1)

            opt.__class__ = Mine
        yield step(*batch(t)), everything(net, opt)


def _trained(t, compiled, kind):
    net = linear(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    sched = kind(opt)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        sched.step()
        return loss.detach()

    for n in range(8):
        if n == 5:
            opt.param_groups[0]["lr"] = 0.033
        if n == 6 and hasattr(sched, "last_epoch"):
            sched.last_epoch += 1
        loss = step(*batch(t))
    return loss, everything(net, opt), sched.get_last_lr()


@story
def schedulers_of_every_kind(t, compiled):
    S = t.optim.lr_scheduler
    kinds = [
        lambda o: S.StepLR(o, 2, 0.5),
        lambda o: S.MultiStepLR(o, [2, 4], 0.1),
        lambda o: S.ExponentialLR(o, 0.9),
        lambda o: S.CosineAnnealingLR(o, 5),
        lambda o: S.CosineAnnealingWarmRestarts(o, 2, 2),
        lambda o: S.LinearLR(o, 0.1, 1.0, 4),
        lambda o: S.ConstantLR(o, 0.5, 3),
        lambda o: S.PolynomialLR(o, 5, 2.0),
        lambda o: S.LambdaLR(o, lambda e: 0.9**e),
        lambda o: S.MultiplicativeLR(o, lambda e: 0.8),
        lambda o: S.CyclicLR(o, 0.01, 0.1, 2, mode="triangular2"),
        lambda o: S.OneCycleLR(o, 0.2, total_steps=20),
        lambda o: S.SequentialLR(o, [S.ConstantLR(o, 0.1, 2), S.ExponentialLR(o, 0.9)], [2]),
        lambda o: S.ChainedScheduler([S.ConstantLR(o, 0.1, 2), S.ExponentialLR(o, 0.9)]),
    ]
    for kind in kinds:
        yield _trained(t, compiled, kind)


@story
def schedulers_attributes_edited(t, compiled):
    S = t.optim.lr_scheduler
    net = linear(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    sched = S.StepLR(opt, 2, 0.5)

    @compiled
    def step(x, y):
        opt.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        sched.step()
        return loss.detach()

    for n in range(14):
        if n == 4:
            sched.gamma = 0.1
        if n == 6:
            sched.step_size = 3
        if n == 8:
            sched.base_lrs[0] = 1.0
        if n == 9:
            sched.load_state_dict({**sched.state_dict(), "last_epoch": 0})
        if n == 11:
            sched.get_lr = lambda: [0.77]
        if n == 12:
            del sched.get_lr
        if n == 13:
            sched.step = lambda: None
        yield step(*batch(t)), everything(net, opt), sched.last_epoch


@story
def modes_around(t, compiled):
    net = mlp(t)

    @compiled
    def f(x):
        y = net(x)
        return y, y.requires_grad

    for n in range(5):
        yield f(batch(t)[0])
        with t.no_grad():
            yield f(batch(t)[0])
        with t.inference_mode():
            yield f(batch(t)[0])[1]
        with t.set_grad_enabled(n % 2 == 0):
            yield f(batch(t)[0])
