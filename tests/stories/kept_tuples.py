"""Tuples of tensors that calls keep on objects and in dicts: the states of recurrent networks."""

import copy

from tests.stories.storykit import attempt_type, batch, everything, fill, numbers, story, train_step


class Holder:
    def __init__(self, **things):
        vars(self).update(things)


def recurrent(t):
    class Recurrent(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.cell = t.nn.LSTMCell(3, 2)
            s.state = (t.zeros(4, 2), t.zeros(4, 2))

        def forward(s, x):
            h, c = s.cell(x, s.state)
            s.state = (h.detach(), c.detach())
            return h

    return fill(t, Recurrent())


@story
def state_of_a_cell(t, compiled):
    net = recurrent(t)
    opt = t.optim.SGD(net.parameters(), lr=0.1)
    step = train_step(t, compiled, net, opt)
    held = None
    for n in range(24):
        if n == 5:
            held = net.state
        if n == 7:
            held[0].fill_(5.0)
        if n == 8:
            net.state = held
        if n == 10:
            net.state[1].mul_(2)
        if n == 12:
            net.state = (net.state[1], net.state[1])
        if n == 14:
            net.state = (net.cell.bias_ih.detach()[:2].expand(4, 2), net.state[1])
        if n == 16:
            net.state = [t.ones(4, 2), t.zeros(4, 2)]
        if n == 18:
            net.state = tuple(t.zeros(1, 2).expand(4, 2) for _ in range(2))
        if n == 20:
            net.state = (t.ones(4, 2, requires_grad=True), t.zeros(4, 2))
        if n == 22:
            net.state = copy.deepcopy(held)
        yield step(*batch(t, n % 2)), net.state, held, everything(net, opt)


@story
def state_of_another_length_or_kind(t, compiled):
    s = Holder(state=(t.zeros(2), t.ones(2)))

    @compiled
    def f(x):
        a, *others = s.state
        s.state = (x + a, *[x * each for each in others])
        return len(s.state), sum(s.state)

    for n in range(20):
        if n == 5:
            s.state = (t.zeros(2), t.ones(2), t.ones(2) * 2)
        if n == 10:
            s.state = (t.zeros(2),)
        if n == 14:
            s.state = (t.zeros(2, dtype=t.float64), t.zeros(1))
        if n == 18:
            s.state = (1.0, t.zeros(2))
        yield attempt_type(f, t.ones(2)), s.state


@story
def state_in_a_dict_returned_and_under_two_names(t, compiled):
    table = {"a": (t.zeros(2), t.ones(2)), "b": (t.ones(2), t.ones(2))}
    s = Holder(last=(t.zeros(2), t.zeros(2)))

    @compiled
    def returned(x):
        h, c = table["a"]
        table["a"] = (h + x, c * 0.5)
        return table["a"], table["a"][0]

    @compiled
    def twice(x):
        h, c = table["b"]
        both = (h * 0.5 + x, c + x)
        table["b"] = both
        s.last = both
        return h + c

    @compiled
    def old(x):
        h, c = before = table["a"]
        table["a"] = (c + x, c + x)
        return before, h

    @compiled
    def shifted(x):
        table["a"] = (table["a"][1], x + table["a"][0])
        return x

    for n in range(6):
        made, first = returned(t.ones(2))
        yield made, made is table["a"], first is table["a"][0], dict(table)
        yield twice(t.ones(2)), s.last is table["b"], s.last, dict(table)
        if n > 3:
            yield old(t.ones(2)), dict(table)
        if n == 2:
            table["b"] = table["a"]
        if n == 4:
            table["a"][0].add_(1)
    for _ in range(4):
        yield shifted(t.ones(2)), dict(table)


@story
def state_that_is_an_argument_or_a_result(t, compiled):
    lstm = fill(t, t.nn.LSTM(3, 2))
    s = Holder(state=(t.zeros(1, 4, 2), t.zeros(1, 4, 2)), given=(t.ones(2), t.ones(2)))

    @compiled
    def f(x):
        with t.no_grad():
            out, s.state = lstm(x, s.state)
            return out

    @compiled
    def keep(pair):
        s.given = pair
        return pair[0] + 1

    for n in range(12):
        if n == 5:
            lstm.weight_hh_l0.data.mul_(2)
        if n == 7:
            s.state[0].zero_()
        if n == 9:
            s.state = (t.ones(1, 4, 2), s.state[0])
        pair = (numbers(t, 2, seed=n), t.ones(2))
        yield f(numbers(t, 5, 4, 3, seed=n % 2)), s.state, keep(pair), s.given is pair, s.given


@story
def state_written_and_replaced(t, compiled):
    s = Holder(state=(t.zeros(2), t.ones(2)), on=True)

    @compiled
    def f(x):
        s.state[0].add_(x)
        s.state = (s.state[0] * 2, s.state[1] + 1)
        if s.on:
            s.state = (s.state[1], s.state[0] + x)
        return s.state[0].sum()

    first = s.state
    for n in range(12):
        if n == 5:
            s.on = False
        if n == 8:
            s.state = first
        yield f(t.ones(2)), s.state, first


@story
def optimizer_that_looks_whether_there_is_a_state(t, compiled):
    class Own(t.optim.Optimizer):
        def __init__(self, parameters, lr):
            super().__init__(parameters, {"lr": lr})

        @t.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    state = self.state[p]
                    if len(state) == 0:
                        state["pair"] = (t.zeros_like(p), t.zeros_like(p))
                        state["last"] = t.zeros_like(p)
                    m, v = state["pair"]
                    state["pair"] = (0.9 * m + p.grad, 0.99 * v + p.grad**2)
                    state["last"] = state["pair"][0] / (state["pair"][1].sqrt() + 0.1)
                    p.sub_(group["lr"] * state["last"])

    net = fill(t, t.nn.Linear(3, 2))
    opt = Own(net.parameters(), 0.05)
    x, y = batch(t)
    train_step(t, lambda f: f, net, opt)(x, y)
    step = train_step(t, compiled, net, opt)
    for n in range(16):
        if n == 4:
            opt.state[net.weight].clear()
        if n == 7:
            opt.state[net.bias]["more"] = 1
        if n == 9:
            opt.state[net.bias]["pair"][1].zero_()
        if n == 11:
            opt.load_state_dict(copy.deepcopy(opt.state_dict()))
        if n == 14:
            opt.state.clear()
        yield step(x, y), everything(net, opt)
