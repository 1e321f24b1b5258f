"""Numbers that a user anneals are inputs of a program: another one compiles nothing."""

from tests.stories.storykit import batch, fill, mlp, numbers, story

VALUES = [0.1, 0.125, 0.15, 0.2, 0.25, 0.1, 0.3]


def _of_all(t, functions, parts):
    """A loss of everything that the functions make of parts, and the parts' gradients."""

    def run(k):
        leaves = [part.clone().requires_grad_() for part in parts]
        total = sum(function(k, *leaves).sum() for function in functions)
        total.backward()
        return [total.detach(), *[leaf.grad for leaf in leaves]]

    return run


@story(recompiles=False)
def losses(t, compiled):
    F = t.nn.functional
    classes, signs = t.tensor([0, 2, 1, 1]), t.tensor([1.0, -1.0, 1.0, -1.0])
    functions = [
        lambda k, x, y: F.cross_entropy(x, classes, label_smoothing=k),
        lambda k, x, y: F.cross_entropy(x, y.softmax(1).detach(), label_smoothing=k),
        lambda k, x, y: F.hinge_embedding_loss(x, y.sign().detach(), k),
        lambda k, x, y: F.margin_ranking_loss(x[:, 0], y[:, 0], signs, k),
        lambda k, x, y: F.multi_margin_loss(x, classes, margin=k),
        lambda k, x, y: F.cosine_embedding_loss(x, y, signs, k),
        lambda k, x, y: F.triplet_margin_loss(x, y, x + 1, k, eps=k),
        lambda k, x, y: F.huber_loss(x, y, delta=k),
        lambda k, x, y: F.smooth_l1_loss(x, y, beta=k),
        lambda k, x, y: F.poisson_nll_loss(x.exp(), y.exp(), False, eps=k),
        lambda k, x, y: F.gaussian_nll_loss(x, y, y.exp().detach(), eps=k),
    ]
    run = compiled(_of_all(t, functions, batch(t, 1)[:1] * 2))
    for k in VALUES:
        yield run(k)


@story(recompiles=False)
def functions_of_elements(t, compiled):
    F = t.nn.functional
    functions = [
        lambda k, x, y: F.celu(x, 4 * k),
        lambda k, x, y: F.elu(x, 4 * k),
        lambda k, x, y: F.leaky_relu(x, k),
        lambda k, x, y: F.hardtanh(x, -k, 2 * k),
        lambda k, x, y: F.hardtanh(x * 1, -k, k, True),
        lambda k, x, y: F.softshrink(x, k),
        lambda k, x, y: F.pad(x, (1, 1), value=k),
        lambda k, x, y: F.normalize(x * k, eps=k),
        lambda k, x, y: F.cosine_similarity(x * k, y, eps=k),
        lambda k, x, y: F.scaled_dot_product_attention(x, y, x, scale=k),
        lambda k, x, y: (x / k).softmax(1) * y,
        lambda k, x, y: x.clamp(-k, k),
    ]
    run = compiled(_of_all(t, functions, [numbers(t, 4, 3, seed=i) for i in range(2)]))
    for k in VALUES:
        yield run(k)


@story(recompiles=False)
def options_of_layers(t, compiled):
    net = fill(t, t.nn.Sequential(mlp(t), t.nn.CELU(), t.nn.Hardtanh(), t.nn.Softshrink(0.1)))
    loss_of = t.nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    x, y = batch(t)[0], t.tensor([0, 1, 1, 0])

    @compiled
    def step():
        optimizer.zero_grad()
        loss = loss_of(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    for k in VALUES:
        net[1].alpha, net[2].max_val, net[3].lambd, loss_of.label_smoothing = 4 * k, 8 * k, k / 9, k
        yield step(), net[0][0].weight


@story(draws=True, recompiles=False)
def dropout(t, compiled):
    F, nn = t.nn.functional, t.nn
    layer, rnn = nn.Dropout(), nn.LSTM(3, 2, 2, dropout=0.5)
    attention = nn.MultiheadAttention(4, 2, dropout=0.5)
    x, q = numbers(t, 4, 3), numbers(t, 5, 2, 4)

    @compiled
    def run(k):
        layer.p = rnn.dropout = attention.dropout = k
        channels = F.dropout2d(x[None, :, :, None], k)
        weights = F.scaled_dot_product_attention(q, q, q, dropout_p=k)
        return (
            layer(x), channels, F.alpha_dropout(x, k, True), weights, rnn(x)[0],
            attention(q, q, q)[0],
        )  # fmt: skip

    for k in VALUES:
        yield run(k)


@story
def none_and_all_are_dropped(t, compiled):
    x = numbers(t, 4, 3)
    run = compiled(lambda p: (t.nn.functional.dropout(x, p), t.nn.functional.dropout2d(x, p)))
    for p in (0.0, 1.0, 0, 1, 0.0, 1.0):
        yield run(p)


@story
def refused(t, compiled):
    x, y = batch(t)
    F = t.nn.functional

    @compiled
    def run(k):
        found = []
        for call in (
            lambda: F.hardtanh(x, k, -k),
            lambda: F.celu(x, 0 * k),
            lambda: F.huber_loss(x, x, delta=-k),
            lambda: F.smooth_l1_loss(x, x, beta=-k),
            lambda: F.cross_entropy(x, t.tensor([0, 1, 2, 0]), label_smoothing=1 + k),
            lambda: F.dropout(x, -k),
            lambda: F.softshrink(x, -k),
        ):
            try:
                call()
            except (RuntimeError, ValueError) as error:
                found.append(str(error))
        return found

    for k in (0.5, 0.25, 2.0):
        yield run(k)
