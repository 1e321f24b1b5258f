"""Branches and loops over values: `if loss > 3`, early return, masks, recursion."""

from tests.stories.storykit import batch, everything, linear, mlp, numbers, story


@story
def branch_that_counts(t, compiled):
    counts = {"n": 0}

    @compiled
    def run(x):
        if x.sum() > 0:
            counts["n"] += 1
        return x * 2

    for sign in (1, -1, 1, -1):
        yield run(t.ones(2) * sign), counts


@story
def branch_on_the_loss(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        if loss > 3:
            loss = loss.sqrt()
        loss.backward()
        optimizer.step()
        return loss

    for k in (1, 5, 1, 10):
        x, y = batch(t)
        yield step(x, y * k), everything(net)


@story
def early_return(t, compiled):
    seen = []

    @compiled
    def run(x):
        seen.append("start")
        if x.max() < 0:
            return None
        seen.append("end")
        return x.sqrt()

    for k in (1, -1, 4, -2):
        yield run(t.ones(2) * k), seen


@story
def while_loop_over_values(t, compiled):
    @compiled
    def halve(x):
        steps = 0
        while x.abs().sum() > 1:
            x = x / 2
            steps += 1
        return x, steps

    for k in (1.0, 8.0, 0.1, 8.0):
        yield halve(t.ones(2) * k)


@story
def loop_of_a_changing_length(t, compiled):
    @compiled
    def power(x, n):
        y = t.ones(2)
        for _ in range(n):
            y = y * x
        return y

    for n in (1, 3, 0, 2, 3):
        yield power(t.ones(2) * 2, n)


@story
def length_that_is_a_tensor(t, compiled):
    @compiled
    def run(x, n):
        for _ in range(n):
            x = x + 1
        return x[: int(n)]

    for n in (1, 2, 0):
        yield run(t.zeros(2), t.tensor(n))


@story
def early_stopping(t, compiled):
    class Stopper:
        def __init__(self, patience):
            self.patience, self.best, self.bad, self.stop = patience, None, 0, False

        def update(self, loss):
            if self.best is None or loss < self.best:
                self.best, self.bad = loss, 0
            else:
                self.bad += 1
                self.stop = self.bad >= self.patience

    stopper = Stopper(2)

    @compiled
    def step(x):
        loss = x.square().mean()
        stopper.update(loss.item())
        return loss

    for k in (3, 2, 4, 5, 1):
        yield step(t.ones(2) * k), stopper.best, stopper.bad, stopper.stop


@story
def recursion(t, compiled):
    @compiled
    def fold(x, depth):
        if depth == 0:
            return x
        return fold(x * 2, depth - 1) + 1

    for depth in (0, 2, 1, 3):
        yield fold(t.ones(2), depth)


@story
def tree_walked(t, compiled):
    net = linear(t)

    @compiled
    def encode(tree):
        if not isinstance(tree, tuple):
            return net(tree).mean(1, keepdim=True).expand(-1, 3)
        return sum(encode(child) for child in tree).tanh()

    x, y = numbers(t, 4, 3), numbers(t, 4, 3, seed=1)
    for tree in (x, (x, y), ((x, y), x), (y, x)):
        net.zero_grad()
        result = encode(tree)
        result.sum().backward()
        yield result, everything(net)


@story
def mask_of_booleans(t, compiled):
    positive = compiled(lambda x: x[x > 0])
    for seed in range(4):
        yield positive(numbers(t, 4, 3, seed=seed))


@story
def mask_of_booleans_with_gradients(t, compiled):
    net = linear(t)

    @compiled
    def step(x, y):
        net.zero_grad()
        errors = (net(x) - y).abs()
        loss = errors[errors > 0.5].sum() + errors.max()
        loss.backward()
        return loss

    for k in range(3):
        yield step(*batch(t, k)), everything(net)


@story
def assignment_under_a_mask(t, compiled):
    @compiled
    def run(x, value):
        x[x < 0] = value
        return (x == value).sum()

    for k in range(3):
        x = numbers(t, 4, 3, seed=k)
        yield run(x, float(k)), x


@story
def where_with_numbers_and_tensors(t, compiled):
    w = numbers(t, 4, 3).requires_grad_()
    run = compiled(lambda limit: t.where(w > limit, w * 2, w.new_zeros(())).sum())
    for limit in (0.0, 1.0, -1.0):
        w.grad = None
        loss = run(limit)
        loss.backward()
        yield loss, w.grad


@story
def nonzero_and_unique(t, compiled):
    run = compiled(lambda x: (x.nonzero(), t.unique(x), x.nonzero().shape[0]))
    for values in ([0, 1, 1], [2, 3, 4], [0, 0, 0]):
        yield run(t.tensor(values))


@story
def index_that_is_a_tensor(t, compiled):
    table = numbers(t, 4, 3)
    run = compiled(lambda i: (table[i], table[i, 1:], [10, 20, 30, 40][i]))
    for k in (0, 3, 1):
        yield run(t.tensor(k))


@story
def any_and_all(t, compiled):
    @compiled
    def run(x):
        if t.isnan(x).any():
            x = t.nan_to_num(x)
        if (x > 0).all():
            return x.log()
        return x

    for value in (1.0, float("nan"), -1.0, 2.0):
        yield run(t.tensor([value, 2.0]))


@story
def truth_of_lists_and_none(t, compiled):
    @compiled
    def run(xs, mask=None):
        if not xs:
            return t.zeros(2)
        total = sum(xs)
        return total if mask is None else total * mask

    yield run([])
    yield run([t.ones(2)])
    yield run([t.ones(2)], t.zeros(2))
    yield run([t.ones(2), t.ones(2)], mask=t.ones(2))


@story
def comparison_chain_and_min_max(t, compiled):
    run = compiled(lambda a, b: (max(a, b), min(a, b), 0 < a < 3, a == b))
    for a, b in ((1.0, 2.0), (4.0, 2.0), (2.0, 2.0)):
        yield run(t.tensor(a), t.tensor(b))


@story
def step_of_a_line_search(t, compiled):
    w = t.tensor([3.0, -2.0])

    @compiled
    def search():
        gradient = 2 * w
        rate, loss = 4.0, w.square().sum()
        while (w - rate * gradient).square().sum() >= loss:
            rate /= 2
        w.sub_(rate * gradient * 0.9)
        return rate, loss

    for _ in range(3):
        yield search(), w


@story
def conditional_layers(t, compiled):
    net = mlp(t)

    @compiled
    def run(x, skip):
        for k, layer in enumerate(net):
            if k not in skip:
                x = layer(x)
        return x

    for skip in (set(), {1}, {0, 1, 2}, {1}):
        yield run(batch(t)[0], skip)


@story
def match_statement(t, compiled):
    @compiled
    def run(x, mode):
        match mode:
            case {"scale": k}:
                return x * k
            case [first, *rest]:
                return x + first + len(rest)
            case str():
                return getattr(x, mode)()
            case _:
                return x

    for mode in ({"scale": 2.0}, [1, 2, 3], "neg", None, {"scale": 3.0}):
        yield run(t.ones(2), mode)


@story
def argmax_picks_a_path(t, compiled):
    experts = [mlp(t), linear(t)]

    @compiled
    def route(x, gate):
        return experts[gate.argmax().item()](x)

    for k in (0, 1, 0):
        gate = t.zeros(2)
        gate[k] = 1
        yield route(batch(t)[0], gate)


@story
def beam_of_tokens(t, compiled):
    table = numbers(t, 4, 4)

    @compiled
    def decode(start, most):
        tokens = [start]
        while len(tokens) < most:
            best = table[tokens[-1]].argmax().item()
            if best == 3:
                break
            tokens.append(best)
        return tokens

    for start in range(4):
        yield decode(start, 5)
