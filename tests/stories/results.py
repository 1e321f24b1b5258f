"""What is returned: every kind of structure, in the user's own order, once a call."""

import collections
import dataclasses
import typing

import numpy as np

from tests.stories.storykit import batch, linear, mlp, story


class Output(typing.NamedTuple):
    """What a model of a library returns."""

    logits: object
    loss: object = None


@story
def named_tuple(t, compiled):
    run = compiled(lambda x: Output(x * 2, x.sum()))
    for k in range(3):
        output = run(t.ones(2) * k)
        yield output, output.loss, output[0]


@story
def named_tuple_as_argument(t, compiled):
    run = compiled(lambda o: o._replace(loss=o.logits * 2 if o.loss is None else o.loss))
    for loss in (None, t.ones(2), None):
        yield run(Output(t.ones(2) * 3, loss))


@story
def data_class(t, compiled):
    @dataclasses.dataclass
    class Result:
        loss: object
        name: str
        parts: list = dataclasses.field(default_factory=list)

    run = compiled(lambda x, name: Result(x.sum(), name, [x, x * 2]))
    for name in ("a", "b", "a"):
        yield run(t.ones(2), name)


@story
def data_class_as_argument(t, compiled):
    @dataclasses.dataclass
    class Batch:
        x: object
        mask: object = None

    @compiled
    def run(batch):
        batch.seen = True
        return batch.x if batch.mask is None else batch.x * batch.mask

    for mask in (None, t.zeros(2), t.ones(2), None):
        b = Batch(t.ones(2), mask)
        yield run(b), b


@story
def dict_subclass(t, compiled):
    class ModelOutput(collections.OrderedDict):
        def __getattr__(self, name):
            if name not in self:
                raise AttributeError(name)
            return self[name]

    run = compiled(lambda x: ModelOutput(logits=x * 2, loss=x.sum()))
    for k in range(3):
        output = run(t.ones(2) * k)
        yield output, output.loss


@story
def dict_in_the_order_it_was_made(t, compiled):
    @compiled
    def run(x, backward):
        names = ["a", "b", "c"]
        return {name: x for name in (reversed(names) if backward else names)}

    for backward in (True, False, True):
        yield run(t.ones(2), backward)


@story
def nested_structures(t, compiled):
    run = compiled(lambda x: {"a": [x, (x * 2, {"b": x * 3})], "n": 1, "none": None, "s": "text"})
    for k in range(3):
        yield run(t.ones(2) * k)


@story
def structures_of_other_lengths(t, compiled):
    run = compiled(lambda x, n: ([x * k for k in range(n)], tuple(range(n)), n > 2))
    for n in (1, 3, 0, 2):
        yield run(t.ones(2), n)


@story
def fresh_list_at_every_call(t, compiled):
    run = compiled(lambda x: [x, x * 2])
    for k in range(3):
        first, second = run(t.ones(2)), run(t.ones(2))
        first.append(k)
        yield first, second, first is second


@story
def list_of_the_closure(t, compiled):
    shared = []

    @compiled
    def run(x):
        shared.append(x)
        return shared

    for k in range(3):
        result = run(t.ones(2) * k)
        yield result, result is shared


@story
def nothing(t, compiled):
    seen = t.zeros(2)

    @compiled
    def run(x):
        seen.add_(x)

    for _ in range(3):
        yield run(t.ones(2)), seen


@story
def plain_values(t, compiled):
    run = compiled(lambda x, n: (n + 1, len(x), str(n), x.dim() > 1, x.dtype, x.device))
    for n in range(3):
        yield run(t.ones(2), n)


@story
def size_of_a_tensor(t, compiled):
    run = compiled(lambda x: (x.shape, x.size(), x.shape[0], x.ndim))
    for x in (t.ones(2), t.ones(4, 3), t.ones(2)):
        yield [isinstance(part, t.Size) for part in run(x)], tuple(run(x)[0])


@story
def the_module_itself(t, compiled):
    net = linear(t)
    run = compiled(lambda x: (net, net(x)))
    for k in range(3):
        returned, y = run(batch(t, k)[0])
        yield returned is net, y


@story
def parameter_itself(t, compiled):
    net = linear(t)
    run = compiled(lambda: (net.weight, list(net.parameters()), net.bias.grad))
    for k in range(3):
        weight, parameters, gradient = run()
        yield weight is net.weight, parameters, gradient
        net.bias.grad = t.ones(2) * k


@story
def state_dict_made_inside(t, compiled):
    net = linear(t)

    @compiled
    def run():
        with t.no_grad():
            net.weight.add_(1)
        return net.state_dict()

    kept = [run() for _ in range(3)]
    yield kept[0]
    run()
    yield kept[0], kept[2]
    yield net.state_dict()


@story
def objects_of_ones_own(t, compiled):
    class Distribution:
        def __init__(self, mean):
            self.mean = mean
            self.made = len(made)
            made.append(self)

        def log_prob(self, x):
            return -((x - self.mean) ** 2).sum()

    made = []
    run = compiled(lambda x: Distribution(x * 2))
    w = t.ones(2, requires_grad=True)
    for k in range(3):
        distribution = run(w)
        loss = distribution.log_prob(t.ones(2) * k)
        loss.backward()
        yield loss, w.grad, distribution.made, len(made), distribution is made[-1]


@story
def function_over_a_tensor(t, compiled):
    run = compiled(lambda x: lambda y: x * 2 + y)
    for k in range(3):
        yield run(t.ones(2) * k)(t.ones(2))


@story
def same_tensor_in_two_places(t, compiled):
    @compiled
    def run(x):
        y = x * 2
        return {"one": y, "two": y, "input": x}

    for _ in range(3):
        result = run(t.ones(2))
        result["one"].add_(1)
        yield result


@story
def array_of_numpy_returned(t, compiled):
    run = compiled(lambda x: (x * 2).numpy())
    for k in range(3):
        yield run(t.ones(2) * k), np.asarray(run(t.ones(2))).dtype.name


@story
def deque_and_default_dict(t, compiled):
    @compiled
    def run(x):
        groups = collections.defaultdict(list)
        groups["b"].append(x)
        groups["a"].append(x * 2)
        groups["b"].append(x * 3)
        return groups, collections.deque([x, x + 1], maxlen=1)

    for k in range(3):
        groups, last = run(t.ones(2) * k)
        groups["new"].append(k)
        yield groups, last


@story
def requires_grad_of_results(t, compiled):
    net = mlp(t)

    @compiled
    def run(x):
        y = net(x)
        return y, y.detach(), y.argmax(1), y > 0, y.sum().detach().requires_grad_()

    for k in range(3):
        net.requires_grad_(k != 1)
        yield run(batch(t)[0])
