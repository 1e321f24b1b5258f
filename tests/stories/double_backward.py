"""Gradients of gradients: penalties, inner loops, products with Hessians."""

from tests.stories.storykit import batch, everything, fill, linear, mlp, numbers, story


@story
def gradient_penalty(t, compiled):
    critic = mlp(t)
    optimizer = t.optim.SGD(critic.parameters(), lr=0.05)

    @compiled
    def step(x, weight):
        optimizer.zero_grad()
        m = (x * 0.5).requires_grad_(True)
        (g,) = t.autograd.grad(critic(m).sum(), m, create_graph=True)
        loss = critic(x).mean() + weight * ((g.norm(2, dim=1) - 1) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    for k in range(4):
        yield step(batch(t, k)[0], float(k)), everything(critic)


@story
def gradient_penalty_between_real_and_fake(t, compiled):
    critic = mlp(t)

    @compiled
    def penalty(real, fake, share):
        critic.zero_grad()
        mixed = (share * real + (1 - share) * fake).detach()
        mixed.requires_grad = True
        scores = critic(mixed)
        (g,) = t.autograd.grad(
            scores, mixed, grad_outputs=t.ones_like(scores), create_graph=True, retain_graph=True
        )
        loss = g.flatten(1).norm(dim=1).mean()
        loss.backward()
        return loss, mixed.is_leaf

    for k in range(3):
        found = penalty(batch(t, k)[0], batch(t, k + 1)[0], k / 3)
        # Not the last bias: PyTorch leaves its gradient None, Kuai fills in zeros.
        yield found, critic[0].weight.grad, critic[2].weight.grad


@story
def penalty_on_an_argument(t, compiled):
    net = mlp(t)

    @compiled
    def penalty(x):
        (g,) = t.autograd.grad(net(x).sum(), x, create_graph=True)
        return g.square().sum()

    for k in range(3):
        x = batch(t, k)[0].requires_grad_()
        net.zero_grad()
        loss = penalty(x)
        loss.backward()
        yield loss, x.grad, net[0].weight.grad, net[2].weight.grad


@story
def second_derivative_outside(t, compiled):
    run = compiled(lambda x: (x**3).sum())
    for k in range(3):
        x = t.tensor([1.0, float(k)], requires_grad=True)
        (first,) = t.autograd.grad(run(x), x, create_graph=True)
        (second,) = t.autograd.grad(first.sum(), x)
        yield first, second


@story
def second_derivative_inside(t, compiled):
    @compiled
    def derivatives(x, order):
        x = x.clone().requires_grad_()
        y, found = (x**4).sum(), []
        for _ in range(order):
            (g,) = t.autograd.grad(y, x, create_graph=True)
            found.append(g.detach())
            y = g.sum()
        return found

    for order in (1, 2, 3, 2):
        yield derivatives(t.tensor([1.0, 2.0]), order)


@story
def hessian_vector_product(t, compiled):
    net = mlp(t)

    @compiled
    def product(x, vectors):
        parameters = list(net.parameters())
        loss = net(x).square().mean()
        gradients = t.autograd.grad(loss, parameters, create_graph=True)
        dot = sum((g * v).sum() for g, v in zip(gradients, vectors, strict=True))
        return t.autograd.grad(dot, parameters)

    for k in range(3):
        vectors = [numbers(t, *p.shape, seed=k) for p in net.parameters()]
        yield product(batch(t, k)[0], vectors)


@story
def inner_loop_of_maml(t, compiled):
    net = linear(t)
    optimizer = t.optim.Adam(net.parameters(), lr=0.05)
    settings = {"rate": 0.1, "steps": 1}

    @compiled
    def meta_step(support, query):
        optimizer.zero_grad()
        fast = {name: p for name, p in net.named_parameters()}
        for _ in range(settings["steps"]):
            y = t.nn.functional.linear(support[0], fast["weight"], fast["bias"])
            loss = t.nn.functional.mse_loss(y, support[1])
            gradients = t.autograd.grad(loss, list(fast.values()), create_graph=True)
            fast = {
                name: p - settings["rate"] * g
                for (name, p), g in zip(fast.items(), gradients, strict=True)
            }
        y = t.nn.functional.linear(query[0], fast["weight"], fast["bias"])
        loss = t.nn.functional.mse_loss(y, query[1])
        loss.backward()
        optimizer.step()
        return loss

    for rate, steps in ((0.1, 1), (0.1, 2), (0.5, 2), (0.0, 1)):
        settings.update(rate=rate, steps=steps)
        yield meta_step(batch(t, 0), batch(t, 1)), everything(net)


@story
def inner_loop_by_functional_call(t, compiled):
    net = mlp(t)

    @compiled
    def adapted(x, y, rate):
        parameters = dict(net.named_parameters())
        loss = t.nn.functional.mse_loss(t.func.functional_call(net, parameters, (x,)), y)
        gradients = t.autograd.grad(loss, list(parameters.values()))
        fast = {n: p - rate * g for (n, p), g in zip(parameters.items(), gradients, strict=True)}
        return t.func.functional_call(net, fast, (x,))

    for rate in (0.1, 0.2, 0.0):
        yield adapted(*batch(t), rate), everything(net)


@story
def first_order_meta_learning_on_a_copy(t, compiled):
    net, fast = linear(t), linear(t)

    @compiled
    def step(x, y, rate):
        fast.load_state_dict(net.state_dict())
        for _ in range(2):
            fast.zero_grad()
            t.nn.functional.mse_loss(fast(x), y).backward()
            with t.no_grad():
                for p in fast.parameters():
                    p -= rate * p.grad
        with t.no_grad():
            for slow, quick in zip(net.parameters(), fast.parameters(), strict=True):
                slow.add_(quick - slow, alpha=0.5)

    for rate in (0.1, 0.0, 0.3):
        step(*batch(t), rate)
        yield everything(net), everything(fast)


@story
def backward_with_create_graph(t, compiled):
    w = t.tensor([1.0, 2.0], requires_grad=True)

    @compiled
    def run(x):
        w.grad = None
        (w * w * x).sum().backward(create_graph=True)
        g = w.grad
        w.grad = None
        (g * g).sum().backward()
        return g

    for k in range(3):
        yield run(t.ones(2) * k).detach(), w.grad
        w.grad = None


@story
def r1_penalty_every_second_step(t, compiled):
    critic = mlp(t)
    count = {"n": 0}

    @compiled
    def step(x):
        critic.zero_grad()
        x = x.detach().requires_grad_(count["n"] % 2 == 0)
        score = critic(x).mean()
        if x.requires_grad:
            (g,) = t.autograd.grad(score, x, create_graph=True)
            score = score + g.square().sum()
        score.backward()
        count["n"] += 1
        return score

    for k in range(4):
        yield step(batch(t, k)[0]), everything(critic)


@story
def learned_learning_rate(t, compiled):
    net, rate = linear(t), t.nn.Parameter(t.tensor(0.1))
    optimizer = t.optim.SGD([rate], lr=0.01)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        (g,) = t.autograd.grad(loss, net.weight, create_graph=True)
        updated = net.weight - rate * g
        t.nn.functional.mse_loss(t.nn.functional.linear(x, updated, net.bias), y).backward()
        optimizer.step()
        return updated.detach()

    for k in range(3):
        yield step(*batch(t, k)), rate, everything(net)


@story
def vjp_between_two_calls(t, compiled):
    w = t.nn.Parameter(numbers(t, 2))
    optimizer = t.optim.SGD([w], lr=0.1)

    @compiled
    def step(x):
        optimizer.zero_grad()
        (w * x).square().sum().backward()
        optimizer.step()

    kept = []
    for k in range(3):
        step(t.ones(2) * (k + 1))
        value, pull = t.func.vjp(lambda a: a, w.detach())
        kept.append(value)
        yield w, pull(t.ones(2))[0], kept[0].shape


@story
def function_transforms_inside(t, compiled):
    net = fill(t, t.nn.Linear(3, 1))

    @compiled
    def run(x, scale):
        loss = lambda w, row: (row @ w * scale).tanh()  # noqa: E731 - as it is often written
        per_row = t.func.vmap(t.func.grad(loss), in_dims=(None, 0))
        return per_row(net.weight.detach()[0], x)

    for scale in (1.0, 2.0, 3.0):
        yield run(batch(t)[0], scale)
        net.weight.data.mul_(0.5)


@story
def jacobian_row_by_row(t, compiled):
    net = linear(t)

    @compiled
    def jacobian(x):
        x = x.detach().requires_grad_()
        y = net(x)
        rows = [t.autograd.grad(y[k], x, retain_graph=True)[0] for k in range(len(y))]
        return t.stack(rows)

    for k in range(3):
        yield jacobian(numbers(t, 3, seed=k))
        net.weight.data.add_(1)
