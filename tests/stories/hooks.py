"""Hooks of every kind: added, removed, with a memory of their own, keeping what they see."""

import collections

from tests.stories.storykit import batch, everything, linear, mlp, numbers, story


@story
def activations_kept(t, compiled):
    class Keeps(t.nn.Module):
        def forward(self, x):
            self.last = x * 2
            return self.last

    net = Keeps()
    run = compiled(net.forward)
    for k in range(3):
        yield run(t.ones(2) * k), net.last


@story
def features_in_a_dict(t, compiled):
    net, features = mlp(t), {}

    def keep(name):
        def hook(module, args, output):
            features[name] = output.detach()

        return hook

    for name, layer in net.named_children():
        layer.register_forward_hook(keep(name))
    run = compiled(net)
    for k in range(3):
        yield run(batch(t, k)[0]), features


@story
def features_in_a_list_that_grows(t, compiled):
    net, seen = mlp(t), []
    net[1].register_forward_hook(lambda module, args, output: seen.append(output))
    run = compiled(lambda x: net(x).sum())
    for k in range(3):
        run(batch(t, k)[0]).backward()
        yield seen, everything(net)


@story
def features_are_part_of_the_loss(t, compiled):
    net, features = mlp(t), {}
    net[0].register_forward_hook(lambda module, args, output: features.update(hidden=output))

    @compiled
    def step(x):
        net.zero_grad()
        loss = net(x).sum() + features["hidden"].square().mean()
        loss.backward()
        return loss

    for k in range(3):
        yield step(batch(t, k)[0]), everything(net)


@story
def hook_added_and_removed(t, compiled):
    net = linear(t)
    run = compiled(net)
    x, _ = batch(t)
    yield run(x)
    handle = net.register_forward_hook(lambda module, args, output: output * 2)
    yield run(x)
    another = net.register_forward_hook(lambda module, args, output: output + 1)
    yield run(x)
    handle.remove()
    yield run(x)
    another.remove()
    yield run(x)


@story
def hook_added_inside(t, compiled):
    net = linear(t)

    @compiled
    def run(x):
        handle = net.register_forward_hook(lambda module, args, output: output * 2)
        first = net(x)
        handle.remove()
        return first, net(x)

    for k in range(3):
        yield run(batch(t, k)[0]), len(net._forward_hooks)


@story
def hook_that_counts(t, compiled):
    net, counts = mlp(t), collections.Counter()

    def count(module, args, output):
        counts[type(module).__name__] += 1
        return output * counts["Linear"]

    for layer in net:
        layer.register_forward_hook(count)
    run = compiled(net)
    for k in range(3):
        yield run(batch(t, k)[0]), sorted(counts.items())


@story
def hook_that_removes_itself(t, compiled):
    net = linear(t)

    def once(module, args, output):
        handle.remove()
        return output * 5

    handle = net.register_forward_hook(once)
    run = compiled(net)
    for k in range(3):
        yield run(batch(t, k)[0])


@story
def pre_hook_that_changes_arguments(t, compiled):
    net, scale = linear(t), {"k": 1.0}
    net.register_forward_pre_hook(lambda module, args: (args[0] * scale["k"],))
    run = compiled(net)
    for k in (1.0, 2.0, 3.0):
        scale["k"] = k
        yield run(batch(t)[0])


@story
def hooks_with_keywords(t, compiled):
    class Scaled(t.nn.Module):
        def forward(self, x, scale=1.0):
            return x * scale

    net = Scaled()
    net.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {"scale": kwargs["scale"] + 1}), with_kwargs=True
    )
    net.register_forward_hook(
        lambda module, args, kwargs, output: output - kwargs["scale"], with_kwargs=True
    )
    run = compiled(net)
    for k in range(3):
        yield run(t.ones(2), scale=float(k))


@story
def hooks_of_all_modules(t, compiled):
    net, names = mlp(t), []
    run = compiled(net)
    x, _ = batch(t)
    yield run(x)
    handle = t.nn.modules.module.register_module_forward_hook(
        lambda module, args, output: names.append(type(module).__name__)
    )
    try:
        yield run(x), names
        yield run(x), names
    finally:
        handle.remove()
    yield run(x), names


@story
def hook_bound_to_an_object(t, compiled):
    class Recorder:
        def __init__(self):
            self.mean, self.calls = t.zeros(()), 0

        def __call__(self, module, args, output):
            self.calls += 1
            self.mean = self.mean + (output.detach().mean() - self.mean) / self.calls

    net, recorder = linear(t), Recorder()
    net.register_forward_hook(recorder)
    run = compiled(net)
    for k in range(4):
        yield run(batch(t, k)[0]), recorder.mean, recorder.calls


@story
def spectral_hook_with_a_buffer(t, compiled):
    net = linear(t)
    net.register_buffer("u", numbers(t, 2))

    def normalise(module, args):
        with t.no_grad():
            v = module.weight.t().mv(module.u)
            u = module.weight.mv(v)
            module.u.copy_(u / u.norm())
        return (args[0] / module.u.abs().sum(),)

    net.register_forward_pre_hook(normalise)
    run = compiled(net)
    for k in range(3):
        yield run(batch(t, k)[0]), net.u
