"""Transforms of functions, and options that change, at each batch anew: one program serves all."""

from tests.stories.storykit import batch, linear, mlp, story


@story(recompiles=False)
def jacobian_of_each_batch(t, compiled):
    net = mlp(t)

    @compiled
    def f(x):
        return t.func.jacrev(net)(x), t.autograd.functional.jacobian(net, x)

    for n in range(5):
        yield f(batch(t, seed=n)[0])


@story(recompiles=False)
def backward_passes_side_by_side(t, compiled):
    net = linear(t)

    @compiled
    def f(x):
        y, pull = t.func.vjp(net, x)
        return t.func.vmap(pull)(t.eye(2).reshape(2, 1, 2).expand(2, 4, 2) + y.sum())

    for n in range(5):
        yield f(batch(t, seed=n)[0])


@story(draws=True, recompiles=False)
def temperature_that_falls(t, compiled):
    @compiled
    def f(x, temperature):
        return t.nn.functional.gumbel_softmax(x, temperature).sum(1)

    for n in range(6):
        yield f(batch(t)[0], 1.0 / (n + 1))
