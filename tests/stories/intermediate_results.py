"""Half-made things: results that are kept, copied, asked, printed or given away in the middle."""

import copy
import pickle
import weakref

from tests.stories.storykit import attempt, batch, everything, linear, story


@story
def kept_only_sometimes(t, compiled):
    kept = []

    @compiled
    def run(x, keep):
        hidden = x * 2
        if keep:
            kept.append(hidden)
        return hidden.sum()

    for keep in (False, True, False, True):
        yield run(t.ones(2), keep), kept


@story
def kept_outside_and_changed_there(t, compiled):
    kept = {}

    @compiled
    def run(x):
        kept["hidden"] = x * 2
        kept["view"] = kept["hidden"][:1]
        return kept["hidden"] + 1

    for k in range(3):
        y = run(t.ones(2) * k)
        kept["view"].add_(100)
        yield y, kept


@story
def kept_from_the_last_call(t, compiled):
    state = {"last": None}

    @compiled
    def run(x):
        hidden = x * 2
        change = None if state["last"] is None else hidden - state["last"]
        state["last"] = hidden
        return change

    for k in (1, 4, 2, 8):
        yield run(t.ones(2) * k)


@story
def backward_through_the_last_call(t, compiled):
    w = t.ones(2, requires_grad=True)
    state = {"last": t.zeros(2)}

    @compiled
    def run(x):
        now = w * x
        loss = (now - state["last"]).square().sum()
        state["last"] = now
        return loss

    for k in range(1, 4):
        loss = run(t.ones(2) * k)
        w.grad = None
        loss.backward(retain_graph=True)
        yield loss, w.grad


@story
def copied_inside(t, compiled):
    @compiled
    def run(x):
        y = x * 2
        shallow, deep = copy.copy(y), copy.deepcopy(y)
        y.add_(1)
        return y, shallow, deep

    for k in range(3):
        yield run(t.ones(2) * k)


@story
def state_copied_inside(t, compiled):
    net, states = linear(t), []

    @compiled
    def step(x):
        with t.no_grad():
            net.weight.add_(1)
            states.append(copy.deepcopy(net.state_dict()))
            net.weight.mul_(2)
        return net(x)

    for k in range(3):
        yield step(batch(t, k)[0]), states, everything(net)


@story
def network_copied_inside(t, compiled):
    net = linear(t)

    @compiled
    def step(x):
        with t.no_grad():
            net.bias.add_(1)
        twin = copy.deepcopy(net)
        twin(x).sum().backward()
        return twin.weight.grad, net.weight.grad, twin(x) + net(x)

    for k in range(3):
        yield step(batch(t, k)[0])


@story
def pickled_inside(t, compiled):
    @compiled
    def run(x):
        y = pickle.loads(pickle.dumps(x * 2))
        return y + 1

    for k in range(3):
        yield run(t.ones(2) * k)


@story
def attributes_on_an_intermediate_result(t, compiled):
    @compiled
    def run(x, name):
        y = x * 2
        y.label = name
        z = y + 1
        return y, hasattr(z, "label")

    for name in ("a", "b", "a"):
        y, has = run(t.ones(2), name)
        yield y, y.label, has


@story
def weak_references_inside(t, compiled):
    log = []

    @compiled
    def run(x):
        y = x * 2
        reference = weakref.ref(y, lambda _: log.append("died"))
        z = y + 1
        alive = reference() is y
        del y
        log.append("after")
        return z, alive, reference() is None

    for k in range(3):
        yield run(t.ones(2) * k), log


@story
def given_away_by_an_exception(t, compiled):
    kept = {}

    @compiled
    def run(x):
        kept["hidden"] = x * 2
        x.add_(1)
        raise RuntimeError("stop")

    for k in range(3):
        x = t.ones(2) * k
        yield attempt(run, x), kept["hidden"] + 1, x


@story
def exit_inside(t, compiled):
    total = t.zeros(2)

    @compiled
    def run(x, leave):
        total.add_(x)
        if leave:
            raise SystemExit(3)
        return total * 2

    for leave in (False, True, False):
        try:
            yield run(t.ones(2), leave)
        except SystemExit as error:
            yield error.code, total


@story
def given_away_by_a_generator(t, compiled):
    @compiled
    def start(x):
        y = x * 2

        def parts():
            for k in range(3):
                yield y + k

        return parts()

    for k in range(3):
        yield list(start(t.ones(2) * k))


@story
def generator_closed_early(t, compiled):
    log = []

    def source(x):
        try:
            for k in range(9):
                yield x * k
        finally:
            log.append(x + 100)

    @compiled
    def run(x, most):
        total, parts = t.zeros(2), source(x)
        for k, part in enumerate(parts):
            if k == most:
                break
            total = total + part
        parts.close()
        return total

    for most in (1, 3, 2):
        yield run(t.ones(2), most), log


@story
def coroutine(t, compiled):
    async def fetch(x):
        return x * 2

    async def work(x):
        first = await fetch(x)
        return await fetch(first + 1)

    @compiled
    def run(x):
        task = work(x)
        try:
            task.send(None)
        except StopIteration as stop:
            return stop.value

    for k in range(3):
        yield run(t.ones(2) * k)


@story
def lazy_layers(t, compiled):
    net = t.nn.Sequential(t.nn.LazyLinear(2), t.nn.Tanh())
    run = compiled(net)

    def shape_then_fill(x):
        y = run(x)
        with t.no_grad():
            net[0].weight.fill_(0.5)
            net[0].bias.fill_(0.25)
        return tuple(y.shape), y.requires_grad

    yield shape_then_fill(batch(t)[0])
    for k in range(3):
        yield run(batch(t, k)[0]), type(net[0]).__name__


@story
def parameter_and_buffer_registered_inside(t, compiled):
    class Net(t.nn.Module):
        def forward(self, x):
            if not hasattr(self, "w"):
                self.w = t.nn.Parameter(t.ones_like(x) * 2)
                self.register_buffer("count", t.zeros(()))
            self.count += 1
            return (x * self.w).sum() * self.count

    net = Net()
    run = compiled(net)
    for k in range(3):
        net.zero_grad()
        loss = run(t.ones(2) * k)
        loss.backward()
        yield loss, everything(net)


@story
def leaves_made_inside(t, compiled):
    @compiled
    def solve(target, steps):
        x = t.zeros(2, requires_grad=True)
        optimizer = t.optim.SGD([x], lr=0.25)
        for _ in range(steps):
            optimizer.zero_grad()
            (x - target).square().sum().backward()
            optimizer.step()
        return x, x.grad, x.is_leaf

    for steps in (1, 3, 2):
        yield solve(t.ones(2), steps)


@story
def leaf_made_inside_and_used_outside(t, compiled):
    @compiled
    def make(x):
        leaf = (x * 2).detach().requires_grad_()
        return leaf, (leaf * leaf).sum()

    for k in range(3):
        leaf, loss = make(t.ones(2) * k)
        loss.backward()
        yield leaf, loss, leaf.grad
