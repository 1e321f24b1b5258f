"""Random draws of the library: the same seed gives the same numbers, compiled or not.

PyTorch draws other numbers, so these stories compare kinds and shapes with it, and numbers between
eager and compiled Kuai.
"""

import copy

from tests.stories.storykit import batch, everything, fill, linear, mlp, numbers, story


@story(draws=True)
def dropout(t, compiled):
    net = t.nn.Dropout(0.5)
    run = compiled(net)
    for _ in range(3):
        yield run(t.ones(4, 3))
    net.eval()
    yield run(t.ones(4, 3))
    net.train()
    net.p = 0.1
    yield run(t.ones(4, 3)), t.rand(2)


@story(draws=True)
def dropout_in_a_trained_step(t, compiled):
    net = fill(t, t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Dropout(0.3), t.nn.Linear(4, 2)))
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x, y):
        optimizer.zero_grad()
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    for k in range(4):
        yield step(*batch(t, k)), everything(net)
        net.train(k != 1)


@story(draws=True)
def functional_dropout_under_a_flag(t, compiled):
    run = compiled(lambda x, on: t.nn.functional.dropout(x, 0.5, training=on))
    for on in (True, False, True, True):
        yield run(t.ones(4, 3), on)


@story(draws=True)
def seeded_between_calls(t, compiled):
    run = compiled(lambda x: x + t.randn(2))
    for seed in (1, 2, 1):
        t.manual_seed(seed)
        yield run(t.zeros(2)), run(t.zeros(2))


@story(draws=True)
def seeded_inside(t, compiled):
    @compiled
    def run(x, seed):
        t.manual_seed(seed)
        return x + t.rand(2)

    for seed in (1, 2, 1):
        yield run(t.zeros(2), seed), t.rand(2)


@story(draws=True)
def state_of_the_generator_restored(t, compiled):
    run = compiled(lambda: t.rand(4, 3))
    run()
    state = t.get_rng_state()
    for _ in range(3):
        first, second = run(), run()
        t.set_rng_state(state)
        yield first, second, t.rand(4, 3)
        t.set_rng_state(state)


@story(draws=True)
def draws_between_calls(t, compiled):
    run = compiled(lambda x: x * t.rand(2))
    for k in range(3):
        for _ in range(k):
            t.rand(2)
        yield run(t.ones(2)), t.randn(2)


@story(draws=True)
def generator_of_ones_own(t, compiled):
    generator = t.Generator().manual_seed(3)
    run = compiled(lambda: t.rand(2, generator=generator))
    for _ in range(3):
        yield run(), t.rand(2)
    generator.manual_seed(3)
    yield run(), t.rand(2, generator=generator)


@story(draws=True)
def generator_as_an_argument(t, compiled):
    run = compiled(lambda g: t.randn(2, generator=g))
    first, second = t.Generator().manual_seed(1), t.Generator().manual_seed(2)
    for generator in (first, second, first, None):
        yield run(generator)


@story(draws=True)
def number_of_draws_depends_on_an_argument(t, compiled):
    @compiled
    def run(n):
        return [t.rand(2) for _ in range(n)]

    for n in (1, 3, 0, 2):
        yield run(n), t.rand(2)


@story(draws=True)
def draws_in_a_branch_on_a_value(t, compiled):
    @compiled
    def run(x):
        noise = t.randn(2)
        if noise.sum() > 0:
            noise = noise + t.rand(2)
        return x + noise

    for _ in range(5):
        yield run(t.zeros(2)), t.rand(2)


@story(draws=True)
def reparametrised_sample(t, compiled):
    net = fill(t, t.nn.Linear(3, 4))

    @compiled
    def step(x):
        net.zero_grad()
        mean, log_variance = net(x).chunk(2, dim=1)
        z = mean + t.randn_like(mean) * (0.5 * log_variance).exp()
        loss = z.square().mean() - log_variance.mean()
        loss.backward()
        return loss, z

    for k in range(3):
        yield step(batch(t, k)[0]), everything(net)


@story(draws=True)
def shuffled_batches(t, compiled):
    x = numbers(t, 4, 3)

    @compiled
    def run():
        order = t.randperm(4)
        return [x[order[k : k + 2]] for k in range(0, 4, 2)]

    for _ in range(3):
        yield run()


@story(draws=True)
def sampled_actions(t, compiled):
    logits = t.zeros(4, 3)
    run = compiled(lambda: t.multinomial(logits.softmax(1), 1))
    for k in range(3):
        yield run(), t.bernoulli(t.full((2,), 0.5))
        logits[:, k] += 1


@story(draws=True)
def in_place_draws(t, compiled):
    x = t.zeros(4, 3)

    @compiled
    def run(k):
        x.normal_(0, k)
        x[0].uniform_(k, k + 1)
        return x.sum()

    for k in range(1, 4):
        yield run(float(k)), x


@story(draws=True)
def layer_made_inside(t, compiled):
    @compiled
    def run(x):
        return t.nn.Linear(3, 2)(x)

    for k in range(3):
        yield run(batch(t, k)[0])


@story(draws=True)
def parameters_reset_inside(t, compiled):
    net = linear(t)

    @compiled
    def run(x):
        net.reset_parameters()
        return net(x)

    for k in range(3):
        yield run(batch(t, k)[0]), everything(net)


@story(draws=True)
def noise_kept_for_all_calls(t, compiled):
    class Noisy(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.noise = None

        def forward(self, x):
            if self.noise is None:
                self.noise = t.randn(2)
            return x + self.noise

    net = Noisy()
    run = compiled(net)
    for k in range(4):
        yield run(t.zeros(2)), net.noise
        if k == 1:
            net.noise = None


@story(draws=True)
def stochastic_depth(t, compiled):
    net = mlp(t)

    @compiled
    def run(x, rate):
        for layer in (net[0], net[1], net[2]):
            y = layer(x)
            keep = t.rand(()) > rate
            x = y if y.shape != x.shape else t.where(keep, y, x)
        return x

    for rate in (0.5, 0.5, 0.0, 1.0):
        yield run(batch(t)[0], rate)


@story(draws=True)
def copy_of_a_generator_state_in_a_dict(t, compiled):
    run = compiled(lambda: t.rand(2))
    checkpoint = {}
    for k in range(4):
        yield run()
        if k == 0:
            checkpoint["rng"] = copy.deepcopy(t.get_rng_state())
        if k == 2:
            t.set_rng_state(checkpoint["rng"])
