"""Context managers: modes of gradients, scopes of the user's own, stacks."""

import contextlib

from tests.stories.storykit import attempt, batch, linear, mlp, story


@story
def context_manager_with_a_mode(t, compiled):
    class Quiet:
        active = False

        def __enter__(self):
            Quiet.active = True

        def __exit__(self, *error):
            Quiet.active = False

    run = compiled(lambda x: x * 0 if Quiet.active else x)
    yield run(t.ones(2))
    with Quiet():
        yield run(t.ones(2))
    yield run(t.ones(2))


@story
def context_manager_from_a_generator(t, compiled):
    log = []

    @contextlib.contextmanager
    def scaled(net, factor):
        log.append(factor)
        with t.no_grad():
            net.weight.mul_(factor)
        try:
            yield net
        finally:
            with t.no_grad():
                net.weight.div_(factor)

    net = linear(t)

    @compiled
    def run(x, factor):
        with scaled(net, factor) as scaled_net:
            inside = scaled_net(x)
        return inside, net(x)

    for factor in (2.0, 4.0, 0.5):
        yield run(batch(t)[0], factor), log


@story
def exit_stack(t, compiled):
    net = mlp(t)

    @compiled
    def run(x, frozen):
        with contextlib.ExitStack() as stack:
            if frozen:
                stack.enter_context(t.no_grad())
            y = net(x)
        return y, (x * net[0].weight.sum()).requires_grad

    for frozen in (True, False, True):
        yield run(batch(t)[0], frozen)


@story
def modes_of_gradients_around_and_inside(t, compiled):
    w = t.ones(2, requires_grad=True)

    @compiled
    def run(x):
        with t.no_grad():
            a = w * x
        with t.enable_grad():
            b = w * x
        return a, b, w * x, t.is_grad_enabled()

    yield run(t.ones(2))
    with t.no_grad():
        yield run(t.ones(2))
    with t.inference_mode():
        yield [part.requires_grad for part in run(t.ones(2))[::2]]
    yield run(t.ones(2))


@story
def mode_set_and_left_so(t, compiled):
    w = t.ones(2, requires_grad=True)

    @compiled
    def run(x, on):
        t.set_grad_enabled(on)
        return w * x

    for on in (True, False, True):
        yield run(t.ones(2), on), t.is_grad_enabled()


@story
def context_manager_that_cleans_up(t, compiled):
    log = []

    class Scope:
        def __enter__(self):
            log.append("enter")
            return t.ones(2) * len(log)

        def __exit__(self, kind, error, trace):
            log.append(kind.__name__ if kind else "exit")
            return kind is ValueError

    @compiled
    def run(x, error):
        with Scope() as scope:
            x = x * scope
            if error is not None:
                raise error("inside")
            x = x + 1
        return x

    for error in (None, ValueError, KeyError, None):
        yield attempt(run, t.ones(2), error), log
