"""What the library itself consists of, replaced between calls: functions, methods, containers."""

from tests.stories.storykit import (
    batch,
    changed_and_back,
    everything,
    linear,
    mlp,
    mlp_with_momentum,
    story,
    train_step,
)


@story
def property_of_tensors_replaced(t, compiled):
    cfg = {"k": 2.0}
    old = t.Tensor.mT
    t.Tensor.mT = property(lambda s: s.transpose(-2, -1) * cfg["k"])
    try:

        @compiled
        def f(x):
            return x.mT + 1

        for n in range(10):
            if n == 5:
                cfg["k"] = 3.0
            if n == 8:
                cfg["k"] = 2.0
            yield f(t.ones(2, 3))
    finally:
        t.Tensor.mT = old


@story
def method_of_tensors_replaced_by_a_descriptor(t, compiled):
    cfg = {"k": 2.0}
    old = t.Tensor.relu

    class D:
        def __get__(s, obj, owner=None):
            return s if obj is None else (lambda: obj * cfg["k"])

    t.Tensor.relu = D()
    try:

        @compiled
        def f(x):
            return x.relu() + 1

        for n in range(10):
            if n == 5:
                cfg["k"] = 3.0
            if n == 8:
                cfg["k"] = 2.0
            yield f(t.ones(2, 3))
    finally:
        t.Tensor.relu = old


@story
def functional_linear_patched_under_a_layer(t, compiled):
    F = t.nn.functional
    net = mlp(t)
    old = F.linear

    @compiled
    def f(x):
        return net(x).detach()

    try:
        for n in range(10):
            if n == 5:
                F.linear = lambda x, w, b=None: old(x, w, b) * 2
            if n == 8:
                F.linear = old
            yield f(batch(t)[0])
    finally:
        F.linear = old


@story
def relu_patched_under_a_layer(t, compiled):
    F = t.nn.functional
    old = F.relu
    net = t.nn.Sequential(t.nn.ReLU(), t.nn.Tanh())
    k = [2.0]
    F.relu = lambda x, inplace=False: x * k[0]
    try:

        @compiled
        def f(x):
            return net(x)

        yield from changed_and_back(
            lambda: f(t.ones(2)), lambda: k.__setitem__(0, 3.0), lambda: setattr(F, "relu", old)
        )
    finally:
        F.relu = old


@story
def tensor_add_patched_under_a_layer(t, compiled):
    # batch norm counts with add_
    old = t.Tensor.add_
    bn = t.nn.BatchNorm1d(3)

    @compiled
    def f(x):
        return bn(x).detach()

    def ch():
        t.Tensor.add_ = lambda s, o, **k: old(s, 10)

    def bk():
        t.Tensor.add_ = old

    try:
        yield from changed_and_back(lambda: (f(batch(t)[0]), bn.num_batches_tracked), ch, bk)
    finally:
        t.Tensor.add_ = old


@story
def conversion_of_tensors_patched(t, compiled):
    old = t.Tensor.__float__

    @compiled
    def f(x):
        return float(x.sum())

    def ch():
        t.Tensor.__float__ = lambda s: 42.0

    def bk():
        t.Tensor.__float__ = old

    try:
        yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)
    finally:
        t.Tensor.__float__ = old


@story
def iteration_of_tensors_patched(t, compiled):
    old = t.Tensor.__iter__

    @compiled
    def f(x):
        a, b = x * 2
        return a - b * 2

    def ch():
        t.Tensor.__iter__ = lambda s: iter([s[1], s[0]])

    def bk():
        t.Tensor.__iter__ = old

    try:
        yield from changed_and_back(lambda: f(t.arange(2.0)), ch, bk)
    finally:
        t.Tensor.__iter__ = old


@story
def length_of_tensors_patched(t, compiled):
    old = t.Tensor.__len__

    @compiled
    def f(x):
        return x * len(x)

    def ch():
        t.Tensor.__len__ = lambda s: 9

    def bk():
        t.Tensor.__len__ = old

    try:
        yield from changed_and_back(lambda: f(t.arange(2.0)), ch, bk)
    finally:
        t.Tensor.__len__ = old


@story
def enter_of_no_grad_patched(t, compiled):
    old = t.no_grad.__enter__
    seen = []

    @compiled
    def f(x):
        with t.no_grad():
            return x * 2

    def mine(s):
        seen.append(1)
        return old(s)

    def ch():
        t.no_grad.__enter__ = mine

    def bk():
        t.no_grad.__enter__ = old

    try:
        yield from changed_and_back(lambda: (f(t.ones(2)), len(seen)), ch, bk)
    finally:
        t.no_grad.__enter__ = old


@story
def group_that_computes_its_rate(t, compiled):
    k = [1.0]

    class G(dict):
        def __getitem__(s, name):
            v = dict.__getitem__(s, name)
            return v * k[0] if name == "lr" else v

    net, opt = mlp_with_momentum(t)
    opt.param_groups[0] = G(opt.param_groups[0])
    step = train_step(t, compiled, net, opt)
    yield from changed_and_back(
        lambda: (step(*batch(t)), everything(net)),
        lambda: k.__setitem__(0, 2.0),
        lambda: k.__setitem__(0, 1.0),
    )


@story
def params_list_that_says_what_it_has(t, compiled):
    skip = [0]

    class L(list):
        def __iter__(s):
            return iter(list.__getitem__(s, slice(skip[0], None)))

        def __getitem__(s, i):
            return list.__getitem__(s, i)

    net, opt = mlp_with_momentum(t)
    opt.param_groups[0]["params"] = L(opt.param_groups[0]["params"])
    step = train_step(t, compiled, net, opt)
    yield from changed_and_back(
        lambda: (step(*batch(t)), everything(net)),
        lambda: skip.__setitem__(0, 2),
        lambda: skip.__setitem__(0, 0),
    )


@story
def parameters_dict_that_computes(t, compiled):
    k = [1.0]

    class D(dict):
        def __getitem__(s, name):
            v = dict.__getitem__(s, name)
            return v if k[0] == 1.0 or v is None else v * k[0]

    net = linear(t)
    net.__dict__["_parameters"] = D(net._parameters)

    @compiled
    def f(x):
        return net(x).detach()

    yield from changed_and_back(
        lambda: f(batch(t)[0]), lambda: k.__setitem__(0, 2.0), lambda: k.__setitem__(0, 1.0)
    )


@story
def modules_dict_that_chooses(t, compiled):
    which = ["a"]

    class D(dict):
        def __getitem__(s, name):
            return dict.__getitem__(s, which[0]) if name == "a" else dict.__getitem__(s, name)

    class Net(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.a = t.nn.Tanh()
            s.b = t.nn.ReLU()

        def forward(s, x):
            return s.a(x)

    net = Net()
    net.__dict__["_modules"] = D(net._modules)

    @compiled
    def f(x):
        return net(x).detach()

    yield from changed_and_back(
        lambda: f(batch(t)[0]), lambda: which.__setitem__(0, "b"), lambda: which.__setitem__(0, "a")
    )
