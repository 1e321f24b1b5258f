"""Lists, dicts and tensors that are known under two names: what is done under one shows under both.

A replay makes its results anew, so it must know which of them are one and the same.
"""

from tests.stories.storykit import linear, numbers, story


@story
def one_list_with_two_names(t, compiled):
    net = linear(t)

    @compiled
    def step(x):
        kept = losses = []
        loss = (net(x) ** 2).sum() + x.abs().mean()
        loss = loss.detach()
        kept.append(loss.item())
        return losses

    for i in range(6):
        yield step(numbers(t, 4, 3, seed=i))


@story
def argument_under_another_name(t, compiled):
    net = linear(t)

    @compiled
    def step(x, report=None):
        report = {} if report is None else report
        loss = (net(x) ** 2).sum() + x.abs().mean()
        loss = loss.detach()
        report["loss"] = loss.item()
        return loss

    for i in range(6):
        report = {}
        yield step(numbers(t, 4, 3, seed=i), report), report


@story
def arguments_returned(t, compiled):
    @compiled
    def double(batch, row, pair):
        return batch, row, {"pair": pair}, batch["x"] * 2

    batch, pair = {"x": t.ones(2)}, (t.ones(2), 3)
    for _ in range(6):
        row = [1.0, 2.0]
        same = double(batch, row, pair)
        yield same[0] is batch, same[1] is row, same[2]["pair"] is pair, same[3]


@story
def one_result_twice(t, compiled):
    weight = linear(t).weight

    @compiled
    def results(x):
        seen, named = [], {}
        values = weight.detach()
        return x * 2, seen, {"seen": seen}, named, named, values, values

    for _ in range(6):
        _, seen, holder, first, second, values, again = results(t.ones(2))
        seen.append(1)
        first["k"] = 2
        yield holder, second, values is again


@story
def known_list_through_a_layer(t, compiled):
    layer, known = t.nn.Identity(), [1.0, 2.0]

    @compiled
    def results(x):
        return layer(known), layer(x), x * 2

    for _ in range(6):
        x = t.ones(2)
        first, second, third = results(x)
        yield first is known, second is x, third


@story
def gradients_that_hooks_keep(t, compiled):
    weight, seen = t.ones(3, requires_grad=True), []
    weight.register_hook(seen.append)

    @compiled
    def backward(x):
        product = weight * x
        product.retain_grad()
        (product * product).sum().backward()
        return product.grad

    for i in range(5):
        gradient = backward(numbers(t, 3, seed=i))
        if i == 3:
            weight.grad.zero_()
        yield weight.grad, list(seen), gradient


@story
def gradient_given_to_a_leaf(t, compiled):
    weight, other = t.ones(3, requires_grad=True), t.ones(3, requires_grad=True)

    @compiled
    def backward(gradient):
        weight.grad = other.grad = None
        weight.backward(gradient)
        weight.grad.mul_(2)
        (weight + other).backward(gradient)
        other.grad.add_(1)
        return weight.grad, other.grad

    for i in range(5):
        gradient = numbers(t, 3, seed=i)
        yield backward(gradient), gradient
