"""Backward passes that have been seen before, and what is changed around them from call to call.

In all of them something in the function keeps it from being replayed, so its backward pass is
recorded each time: a list that grows, a counter.
"""

import concurrent.futures

from tests.stories.storykit import attempt, batch, everything, linear, mlp, numbers, story


def steps_of(t, compiled, net, seen, **options):
    """A recorded forward and backward pass without an optimizer."""

    @compiled
    def step(x, y):
        seen.append(len(seen))
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward(**options)
        return loss

    return step


@story
def hook_on_a_weight_comes_and_goes(t, compiled):
    net, seen = mlp(t), []
    step = steps_of(t, compiled, net, seen)
    for number in range(8):
        net.zero_grad()
        if number == 4:
            handle = net[0].weight.register_hook(lambda g: g * 10)
        if number == 6:
            handle.remove()
        yield step(*batch(t)), everything(net)


@story
def hook_that_only_looks(t, compiled):
    net, seen, norms = mlp(t), [], []
    step = steps_of(t, compiled, net, seen)
    for number in range(7):
        net.zero_grad()
        if number == 3:
            net[2].bias.register_hook(lambda g: norms.append(g.norm()))
        yield step(*batch(t)), everything(net), list(norms)


@story
def post_accumulate_hook_comes_later(t, compiled):
    net, seen, order = mlp(t), [], []
    step = steps_of(t, compiled, net, seen)
    for number in range(7):
        net.zero_grad()
        if number == 3:
            for name, parameter in net.named_parameters():
                parameter.register_post_accumulate_grad_hook(
                    lambda p, name=name: order.append((name, p.grad.sum()))
                )
        yield step(*batch(t)), sorted(name for name, _ in order)


@story
def gradients_that_add_up_now_and_then(t, compiled):
    net, seen = mlp(t), []
    step = steps_of(t, compiled, net, seen)
    for number in range(9):
        if number % 3 == 0:
            net.zero_grad()
        yield step(*batch(t, seed=number)), everything(net)


@story
def one_gradient_is_kept(t, compiled):
    net, seen = mlp(t), []
    step = steps_of(t, compiled, net, seen)
    for number in range(7):
        net.zero_grad()
        if number > 3:
            net[0].bias.grad = t.ones(4) * number
        yield step(*batch(t)), everything(net)


@story
def frozen_and_thawed(t, compiled):
    net, seen = mlp(t), []
    step = steps_of(t, compiled, net, seen)
    for number in range(9):
        net.zero_grad()
        net[0].requires_grad_(number % 3 != 2)
        yield step(*batch(t)), everything(net)


@story(tolerance=(1e-4, 1e-5))
def weights_become_tied(t, compiled):
    nn = t.nn
    net, seen = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)), []
    with t.no_grad():
        for index, parameter in enumerate(net.parameters()):
            parameter.copy_(numbers(t, *parameter.shape, seed=index))
    step = steps_of(t, compiled, net, seen)
    for number in range(8):
        net.zero_grad()
        if number == 4:
            net[2].bias = net[0].bias
        if number == 6:
            net[2].weight = net[0].weight
        yield step(*batch(t)[:1], numbers(t, 4, 3)), everything(net)


@story(tolerance=(1e-4, 1e-5))
def two_biases_share_their_memory(t, compiled):
    nn = t.nn
    net, seen = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)), []
    with t.no_grad():
        for index, parameter in enumerate(net.parameters()):
            parameter.copy_(numbers(t, *parameter.shape, seed=index))
    net[2].bias.data = net[0].bias.data
    step = steps_of(t, compiled, net, seen)
    for number in range(8):
        net.zero_grad()
        if number == 4:
            net[2].bias = net[0].bias  # the same values, but one leaf now
        yield step(*batch(t)[:1], numbers(t, 4, 3)), everything(net)


@story
def graph_is_kept_or_not(t, compiled):
    net, seen, losses = linear(t), [], []

    @compiled
    def step(x, y, keep):
        seen.append(keep)
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward(retain_graph=keep)
        losses.append(loss)
        return loss

    for number in range(8):
        net.zero_grad()
        yield step(*batch(t), number % 3 == 0), everything(net)
        again = attempt(losses[-1].backward)
        yield type(again).__name__, everything(net)


@story
def twice_through_one_graph(t, compiled):
    net, seen = mlp(t), []

    @compiled
    def step(x, y):
        seen.append(x)
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward(retain_graph=True)
        loss.backward()
        return loss

    for _ in range(6):
        net.zero_grad()
        yield step(*batch(t)), everything(net)


@story
def gradient_is_given(t, compiled):
    net, seen = linear(t), []

    @compiled
    def step(x, gradient):
        seen.append(x)
        out = net(x)
        out.backward(gradient)
        return out

    for number in range(8):
        net.zero_grad()
        gradient = numbers(t, 4, 2, seed=number) if number % 2 else t.ones(4, 2)
        yield step(batch(t)[0], gradient), everything(net)


@story
def gradient_is_one_of_the_inputs(t, compiled):
    net, seen = t.nn.Tanh(), []

    @compiled
    def step(x, gradient):
        seen.append(x)
        out = net(x)
        out.backward(gradient)
        return x.grad

    for number in range(8):
        x = numbers(t, 4, 2, seed=number, requires_grad=True)
        yield step(x, x.detach() if number in (3, 6) else numbers(t, 4, 2))


@story
def leaf_or_middle_of_a_graph(t, compiled):
    net, seen = linear(t), []
    step = steps_of(t, compiled, net, seen)
    for number in range(9):
        net.zero_grad()
        x, y = batch(t)
        leaf = x.requires_grad_(True)
        yield step(leaf * 1 if number % 3 == 2 else leaf, y), leaf.grad, everything(net)


@story
def detached_in_the_middle(t, compiled):
    net, seen, options = mlp(t), [], {"detach": False}

    @compiled
    def step(x, y):
        seen.append(x)
        hidden = net[1](net[0](x))
        if options["detach"]:
            hidden = hidden.detach().requires_grad_()
        loss = t.nn.functional.mse_loss(net[2](hidden), y)
        loss.backward()
        return hidden.grad if options["detach"] else loss

    for number in range(9):
        net.zero_grad()
        options["detach"] = number % 4 == 3
        yield step(*batch(t)), everything(net)


@story
def two_losses_in_two_orders(t, compiled):
    net, seen, order = mlp(t), [], [0, 1]

    @compiled
    def step(x, y):
        seen.append(x)
        losses = [t.nn.functional.mse_loss(net(x), y), net(x).abs().sum()]
        for index in order:
            losses[index].backward()
        return losses[0]

    for number in range(8):
        net.zero_grad()
        if number > 3:
            order.reverse()
        yield step(*batch(t)), everything(net)


@story
def kept_gradient_of_a_hidden_tensor(t, compiled):
    net, seen = mlp(t), []

    @compiled
    def step(x, y):
        seen.append(x)
        hidden = net[0](x)
        if len(seen) > 3:
            hidden.retain_grad()
        t.nn.functional.mse_loss(net[2](net[1](hidden)), y).backward()
        return hidden.grad if len(seen) > 3 else hidden

    for _ in range(8):
        net.zero_grad()
        yield step(*batch(t)), everything(net)


@story
def value_is_asked_for_before_the_pass(t, compiled):
    net, seen = mlp(t), []

    @compiled
    def step(x, y):
        loss = t.nn.functional.mse_loss(net(x), y)
        if len(seen) % 3 == 2:
            seen.append(round(loss.item(), 4))
        else:
            seen.append(None)
        loss.backward()
        return loss

    for _ in range(9):
        net.zero_grad()
        yield step(*batch(t)), everything(net), list(seen)


@story
def own_function_joins(t, compiled):
    net, seen = mlp(t), []

    class Double(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            seen.append("backward")
            return gradient * 2

    @compiled
    def step(x, y):
        seen.append("call")
        out = net(x)
        if len(seen) > 4:
            out = Double.apply(out)
        loss = t.nn.functional.mse_loss(out, y)
        loss.backward()
        return loss

    for _ in range(9):
        net.zero_grad()
        yield step(*batch(t)), everything(net), list(seen)


@story
def hook_takes_itself_away(t, compiled):
    net, seen, handles = mlp(t), [], []
    step = steps_of(t, compiled, net, seen)

    def once(gradient):
        handles.pop().remove()
        return gradient * 3

    for number in range(8):
        net.zero_grad()
        if number in (2, 5):
            handles.append(net[0].weight.register_hook(once))
        yield step(*batch(t)), everything(net)


@story
def hook_on_a_node(t, compiled):
    net, seen = mlp(t), []

    @compiled
    def step(x, y):
        seen.append(x)
        out = net(x)
        if len(seen) in (4, 5):
            out.grad_fn.register_hook(lambda into, _: tuple(g * 2 for g in into))
        if len(seen) == 6:
            out.register_hook(lambda g: -g)
        loss = t.nn.functional.mse_loss(out, y)
        loss.backward()
        return loss

    for _ in range(8):
        net.zero_grad()
        yield step(*batch(t)), everything(net)


@story
def only_some_inputs(t, compiled):
    net, seen = mlp(t), []

    @compiled
    def step(x, y):
        seen.append(x)
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward(inputs=[net[0].weight] if len(seen) % 3 == 0 else None)
        return loss

    for _ in range(9):
        net.zero_grad()
        yield step(*batch(t)), everything(net)


@story
def written_in_place_between(t, compiled):
    net, seen = mlp(t), []

    @compiled
    def step(x, y):
        seen.append(x)
        loss = t.nn.functional.mse_loss(net(x), y)
        loss.backward()
        if len(seen) % 3 == 0:
            y.mul_(2)
        with t.no_grad():
            for parameter in net.parameters():
                parameter -= 0.1 * parameter.grad
        return loss

    for _ in range(9):
        net.zero_grad()
        yield step(*batch(t)), everything(net)


@story
def other_thread_has_its_own_gradients(t, compiled):
    net, seen = linear(t), []
    step = steps_of(t, compiled, net, seen)
    for number in range(6):
        net.zero_grad()
        if number % 2:
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                yield pool.submit(step, *batch(t)).result(), everything(net)
        else:
            yield step(*batch(t)), everything(net)
