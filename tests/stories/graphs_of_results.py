"""Graphs that hang on results of replayed calls: added up, walked, with hooks at their nodes."""

from tests.stories.storykit import attempt_type, batch, mlp_with_momentum, story, train_step


@story
def penalties_of_several_calls_added(t, compiled):
    w = t.nn.Parameter(t.ones(3))

    @compiled
    def penalty():
        return (w + 1).sum()

    kept = []
    for n in range(9):
        kept.append(penalty())
        if n % 3 == 2:
            (kept[-1] + 2 * kept[-2] + kept[-3]).backward()
        yield kept[-1], w.grad


@story
def losses_of_several_calls_added(t, compiled):
    net, opt = mlp_with_momentum(t)
    step = train_step(t, compiled, net, opt)
    losses = [step(*batch(t)) for _ in range(5)]
    for n in (1, 2, 5):
        yield attempt_type(sum(losses[-n:]).backward)


@story
def hooks_of_nodes_of_results(t, compiled):
    w = t.nn.Parameter(t.ones(3))
    seen = []

    @compiled
    def penalty():
        return (w + 1).sum()

    for n in range(10):
        p = penalty()
        p.grad_fn.register_hook(lambda *a, n=n: seen.append(("root", n)))
        inner = p.grad_fn.next_functions[0][0]
        inner.register_prehook(lambda g, n=n: seen.append(("inner", n)) or (g[0] * (n + 1),))
        if n > 4:
            p.grad_fn.metadata["n"] = n
        yield dict(p.grad_fn.metadata), dict(inner.metadata)
        inner.metadata["n"] = n
        p.backward()
        yield w.grad, [list(s) for s in seen]


@story
def hooks_of_results(t, compiled):
    w = t.nn.Parameter(t.ones(3))
    seen = []

    @compiled
    def f(x):
        return (w + x).sum(), w * 1

    for n in range(9):
        a, b = f(t.ones(3))
        if n in (2, 3, 6):
            a.register_hook(lambda g, n=n: seen.append(n) or g * 2)
            b.register_hook(lambda g: g * 3)
        if n in (3, 5):
            b.retain_grad()
        (a + b.sum()).backward()
        yield w.grad, list(seen), b.grad if n in (3, 5) else None
