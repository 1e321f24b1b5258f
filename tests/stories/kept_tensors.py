"""Tensors that calls keep on objects: hidden states, averages, last activations."""

import copy
import gc
import types
import weakref

from tests.stories.storykit import (
    attempt,
    attempt_type,
    batch,
    everything,
    fill,
    linear,
    mlp,
    story,
    train_step,
)


def cell(t):
    class Cell(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.a, s.b = t.nn.Linear(3, 4), t.nn.Linear(4, 4)
            s.h = t.zeros(1, 4)

        def forward(s, x):
            s.h = t.tanh(s.a(x) + s.b(s.h)).detach()
            return s.h

    return fill(t, Cell())


@story
def hidden_state_of_a_module(t, compiled):
    m = cell(t)

    @compiled
    def f(x):
        with t.no_grad():
            return m(x).sum()

    kept = None
    for n in range(16):
        if n == 4:
            m.h = t.zeros(1, 4)
        if n == 6:
            kept = m.h
        if n == 8:
            kept.zero_()
            m.h.mul_(3)
        if n == 9:
            m.h = kept
        if n == 10:
            m.h[0].fill_(2.0)
        if n == 12:
            m.b.weight.data.mul_(2)
        yield f(batch(t, n % 2)[0]), m.h, kept


@story
def hidden_state_of_another_kind(t, compiled):
    m = cell(t)

    @compiled
    def f(x):
        with t.no_grad():
            return m(x).sum()

    for n in range(14):
        if n == 4:
            m.h = t.zeros(4, 4)
        if n == 5:
            m.h = t.zeros(4, 4).double()
        if n == 6:
            m.h = t.nn.Parameter(t.zeros(4, 4))
        if n == 7:
            del m._parameters["h"]
            m.h = t.zeros(1, 4)
        if n == 9:
            m.h = m.a.bias[None].detach()
        if n == 10:
            m.h = m.b.weight.detach()
        if n == 11:
            m.h = None
        if n == 12:
            m.h = t.zeros(1, 4)
            m.register_buffer("h", m.h) if False else None
        yield attempt_type(f, batch(t)[0]), m.h


@story
def average_on_a_plain_object(t, compiled):
    class Trainer:
        def __init__(s):
            s.net = mlp(t)
            s.opt = t.optim.SGD(s.net.parameters(), lr=0.1)
            s.mean = t.zeros(())
            s.last = t.zeros(4, 2)

        def step(s, x, y):
            s.opt.zero_grad()
            o = s.net(x)
            loss = t.nn.functional.mse_loss(o, y)
            loss.backward()
            s.opt.step()
            s.mean = s.mean * 0.9 + loss.detach() * 0.1
            s.last = o.detach()
            return loss.detach(), s.mean

    tr = Trainer()
    step = compiled(tr.step)
    saved = []
    for n in range(14):
        if n == 5:
            tr.mean = t.tensor(5.0)
        if n == 7:
            tr.last = tr.mean
        if n == 8:
            saved.append(tr.mean)
        if n == 9:
            tr.opt.param_groups[0]["lr"] = 0.0
        if n == 10:
            tr.__dict__ = dict(tr.__dict__)
        if n == 12:
            Trainer.mean = property(lambda s: t.ones(()), lambda s, v: None)
        r = step(*batch(t))
        yield r, r[1] is tr.mean, tr.last, everything(tr.net), saved


@story
def registered_buffer_replaced(t, compiled):
    class M(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.lin = t.nn.Linear(3, 2)
            s.register_buffer("mean", t.zeros(2))
            s.register_buffer("n", t.zeros((), dtype=t.long))

        def forward(s, x):
            y = s.lin(x)
            if s.training:
                s.mean = s.mean * 0.5 + y.detach().mean(0) * 0.5
                s.n = s.n + 1
            return y - s.mean

    m = fill(t, M())
    opt = t.optim.SGD(m.parameters(), lr=0.1)
    step = train_step(t, compiled, m, opt)
    other = None
    for n in range(16):
        if n == 4:
            m.eval()
        if n == 5:
            m.train()
            m.load_state_dict({**m.state_dict(), "mean": t.ones(2)})
        if n == 7:
            m.mean.zero_()
        if n == 8:
            other = m.mean
        if n == 9:
            m.mean = other
        if n == 10:
            m.register_buffer("extra", t.ones(1))
        if n == 12:
            m = m  # nothing
        if n == 13:
            m.lin.register_buffer("mean2", m.mean)
        yield step(*batch(t)), dict(m.state_dict()), list(m.state_dict()), other


@story
def kept_tensor_is_written_in_place_too(t, compiled):
    o = types.SimpleNamespace()

    class Holder:
        pass

    o = Holder()
    o.h = t.zeros(2)
    held = []

    @compiled
    def f(x):
        o.h.add_(x)
        o.h = o.h * 2
        return o.h.sum()

    for n in range(8):
        if n in (3, 5):
            held.append(o.h)
        yield f(t.ones(2)), o.h, held


@story
def kept_argument_and_previous_batch(t, compiled):
    class Holder:
        pass

    o = Holder()
    o.prev = t.zeros(4, 3)
    net = linear(t)

    @compiled
    def f(x):
        with t.no_grad():
            y = net(x - o.prev)
            o.prev = x
            return y

    xs = [batch(t, n)[0] for n in range(3)]
    for n in range(12):
        x = xs[n % 3]
        if n == 5:
            x = xs[1]
        if n == 6:
            x = xs[1]
            x.add_(1)
        if n == 8:
            o.prev = xs[0]
        if n == 9:
            o.prev.mul_(2)
        yield f(x), o.prev is x


@story
def two_slots_shifted(t, compiled):
    class Holder:
        pass

    o = Holder()
    o.a, o.b = t.zeros(2), t.ones(2)

    @compiled
    def f(x):
        o.a, o.b = o.b, o.a + x
        return o.a * 2 + o.b

    for n in range(8):
        if n == 4:
            o.a = o.b
        yield f(t.ones(2)), o.a, o.b


@story
def same_tensor_in_two_slots(t, compiled):
    class Holder:
        pass

    o = Holder()
    o.a, o.b = t.zeros(2), t.zeros(2)
    p = Holder()
    p.a = o.a

    @compiled
    def f(x):
        o.a = o.b = o.a + x
        return o.a + p.a

    for n in range(8):
        if n == 3:
            o.b.mul_(5)
        if n == 5:
            p.a = o.a
        if n == 6:
            o.b = t.zeros(2)
        yield f(t.ones(2)), o.a, o.b, o.a is o.b


@story
def activations_with_graphs_kept(t, compiled):
    class M(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.a, s.b = t.nn.Linear(3, 4), t.nn.Linear(4, 2)
            s.act = None

        def forward(s, x):
            s.act = t.tanh(s.a(x))
            return s.b(s.act)

    m = fill(t, M())
    opt = t.optim.SGD(m.parameters(), lr=0.1)
    step = train_step(t, compiled, m, opt)
    for n in range(9):
        if n == 5:
            m.a.bias.requires_grad_(False)
        if n == 7:
            m.act = None
        yield step(*batch(t)), m.act, everything(m)


@story
def constant_set_at_each_call(t, compiled):
    class M(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.lin = t.nn.Linear(3, 2)
            s.ready = False
            s.mode = "x"

        def forward(s, x):
            s.ready = True
            s.mode = "train"
            return s.lin(x) * (2.0 if s.ready else 1.0)

    m = fill(t, M())

    @compiled
    def f(x):
        with t.no_grad():
            return m(x)

    for n in range(9):
        if n == 4:
            m.ready = False
        if n == 6:
            m.mode = "y"
        yield f(batch(t)[0]), m.ready, m.mode


@story
def set_attribute_of_the_class_changes(t, compiled):
    class Holder:
        pass

    o = Holder()
    o.h = t.zeros(2)
    log = []

    @compiled
    def f(x):
        o.h = o.h + x
        return o.h * 1

    def setter(s, n, v):
        log.append(n)
        object.__setattr__(s, n, v)

    for n in range(10):
        if n == 3:
            Holder.__setattr__ = setter
        if n == 5:
            del Holder.__setattr__
        if n == 6:
            Holder.h = 3.0
        if n == 8:
            del o.h
        yield attempt_type(f, t.ones(2)), o.h if n < 8 else 0, list(log)


@story
def raised_after_the_state_was_set(t, compiled):
    class Holder:
        pass

    o = Holder()
    o.h = t.zeros(2)
    k = {"bad": False}

    @compiled
    def f(x):
        o.h = o.h + x
        if k["bad"]:
            raise ValueError("bad")
        return o.h * 2

    for n in range(8):
        k["bad"] = n in (3, 5)
        yield attempt(f, t.ones(2)), o.h


@story
def state_of_two_copies_and_reset(t, compiled):
    a = cell(t)
    b = copy.deepcopy(a)

    @compiled
    def f(m, x):
        with t.no_grad():
            return m(x).sum()

    for n in range(12):
        m = (a, b)[n % 3 == 1]
        if n == 6:
            b.h = a.h
        if n == 8:
            a = copy.deepcopy(b)
        yield f(m, batch(t)[0]), a.h, b.h, a.h is b.h


@story
def old_state_dies_and_views_of_it_live(t, compiled):
    m = cell(t)
    views = []

    @compiled
    def f(x):
        with t.no_grad():
            return m(x).sum()

    for n in range(10):
        if n == 3:
            views.append(m.h[0])
        if n == 5:
            views[0].add_(1)
        if n == 6:
            views.append(m.h.detach())
        if n == 7:
            views[1].fill_(3.0)
        if n == 8:
            r = weakref.ref(m.h)
        yield f(batch(t)[0]), m.h, list(views)
    gc.collect()
    yield r() is None


@story
def kept_tensor_is_a_gradient(t, compiled):
    class Trainer:
        def __init__(s):
            s.net, s.last = linear(t), t.zeros(2, 3)

        def step(s, x, y):
            loss = t.nn.functional.mse_loss(s.net(x), y)
            loss.backward()
            s.last = s.last * 0.5 + s.net.weight.detach()
            return loss.detach()

    trainer = Trainer()
    step = compiled(trainer.step)
    for number in range(10):
        if number == 4:
            trainer.last = trainer.net.weight.grad
        if number == 6:
            trainer.last = trainer.net.weight.grad.detach()
        if number == 8:
            trainer.net.weight.grad = trainer.last
        yield step(*batch(t)), trainer.last, everything(trainer.net)
