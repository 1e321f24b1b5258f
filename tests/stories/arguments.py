"""What is passed in: numbers, containers, keywords, the same tensor twice, other shapes."""

import functools

from tests.stories.storykit import attempt_type, batch, everything, linear, mlp, numbers, story


@story
def negative_zero_after_zero(t, compiled):
    inverse = compiled(lambda x, a: x / a)
    for a in (0.0, -0.0, 0.0, -0.0):
        yield inverse(t.ones(2), a)


@story
def sign_of_zero_in_python(t, compiled):
    @compiled
    def step(x, a):
        return x * 2 if str(a).startswith("-") else x * 3

    for a in (0.0, -0.0, 0.0):
        yield step(t.ones(2), a)


@story
def negative_zero_in_a_tensor(t, compiled):
    inverse = compiled(lambda a: 1 / a)
    for a in (0.0, -0.0, 0.0):
        yield inverse(t.tensor([a, 1.0]))


@story
def integers_floats_and_booleans(t, compiled):
    # 1, 1.0 and True are equal, but the promotion of dtypes tells them apart.
    scale = compiled(lambda x, a: x * a)
    whole = t.tensor([1, 2])
    for a in (1, 1.0, True, 2, 2.0, False):
        yield scale(whole, a)


@story
def type_of_a_number_asked_for(t, compiled):
    step = compiled(
        lambda x, a: x * (10 if isinstance(a, bool) else 2 if isinstance(a, int) else 3)
    )
    for a in (1, True, 1.0, 1):
        yield step(t.ones(2), a)


@story
def nan_and_infinity_as_numbers(t, compiled):
    step = compiled(lambda x, a: (x + a, x < a, a != a))
    for a in (float("nan"), float("inf"), float("nan"), float("-inf"), 1.0):
        yield step(t.ones(2), a)


@story
def numbers_that_change_at_every_call(t, compiled):
    step = compiled(lambda x, a: x.sin() * a + a)
    for k in range(12):
        yield step(t.ones(2), k / 10)


@story
def strings_and_none(t, compiled):
    @compiled
    def reduce(x, how=None):
        if how is None:
            return x
        return getattr(x, how)()

    x = t.tensor([1.0, 2.0])
    for how in (None, "sum", "mean", "sum", None):
        yield reduce(x, how)


@story
def order_of_dict_arguments(t, compiled):
    listed = compiled(lambda d: list(d))
    for keys in ("ba", "ab", "ba"):
        yield listed({key: t.ones(2) for key in keys})


@story
def loop_over_a_dict_argument(t, compiled):
    @compiled
    def fold(d):
        total = t.zeros(2)
        for value in d.values():
            total = total * 2 + value
        return total

    one, two = t.ones(2), t.ones(2) * 2
    yield fold({"b": one, "a": two})
    yield fold({"a": two, "b": one})
    yield fold({"b": two, "a": one})


@story
def order_of_keyword_arguments(t, compiled):
    @compiled
    def fold(**values):
        total = t.zeros(2)
        for value in values.values():
            total = total * 2 + value
        return list(values), total

    one, two = t.ones(2), t.ones(2) * 2
    yield fold(b=one, a=two)
    yield fold(a=two, b=one)
    yield fold(b=one, a=two)


@story
def positional_or_keyword(t, compiled):
    step = compiled(lambda x, y=1.0, *rest, scale=1.0: (x - y) * scale + len(rest))
    x = t.ones(2)
    yield step(x)
    yield step(x, 3.0)
    yield step(x, y=3.0)
    yield step(y=x, x=x * 2, scale=2.0)
    yield step(x, x, x, x)


@story
def dict_argument_is_filled(t, compiled):
    @compiled
    def run(x, features):
        features["double"] = x * 2
        features["sum"] = features["double"].sum()
        return x + 1

    for k in range(3):
        features = {"x": t.ones(2)}
        yield run(t.ones(2) * k, features), features


@story
def dict_argument_is_popped(t, compiled):
    @compiled
    def run(inputs):
        labels = inputs.pop("labels")
        return inputs["x"] - labels

    for k in range(3):
        inputs = {"labels": t.ones(2) * k, "x": t.ones(2)}
        yield run(inputs), inputs


@story
def list_argument_grows(t, compiled):
    @compiled
    def run(x, outputs):
        outputs.append(x * len(outputs))
        return sum(outputs)

    outputs = []
    for k in range(4):
        yield run(t.ones(2) * k, outputs), outputs


@story
def dict_subclass_as_batch(t, compiled):
    class Encoding(dict):
        def __getattr__(self, name):
            return self[name]

    run = compiled(lambda b: b.ids * b["mask"])
    encoding = Encoding(ids=t.ones(2), mask=t.ones(2))
    yield run(encoding)
    encoding["mask"] = t.zeros(2)
    yield run(encoding)
    encoding["ids"] = t.ones(2) * 3
    encoding["mask"] = t.ones(2)
    yield run(encoding)


@story
def same_tensor_twice(t, compiled):
    @compiled
    def run(a, b):
        a.add_(1)
        return a * b, a is b

    x, y = t.ones(2), t.ones(2)
    yield run(x, y), x, y
    yield run(x, x), x
    yield run(y, x), x, y
    yield run(y, y), y


@story
def tensor_and_its_detached_self(t, compiled):
    @compiled
    def run(a, b):
        a.add_(1)
        return a * b

    x = t.ones(2)
    for _ in range(2):
        yield run(x, x.detach()), x
        yield run(x, x.clone()), x


@story
def parameter_passed_in(t, compiled):
    net = linear(t)

    @compiled
    def run(weight, x):
        loss = (net(x) * weight.sum()).sum()
        loss.backward()
        return loss

    x, _ = batch(t)
    for weight in (t.ones(2, 3), net.weight, t.ones(2, 3), net.weight):
        yield run(weight, x), everything(net)
        net.zero_grad()


@story
def argument_with_a_graph(t, compiled):
    square = compiled(lambda a: (a * a).sum())
    w = t.tensor([1.0, 2.0], requires_grad=True)
    for k in range(3):
        loss = square(w * k)
        loss.backward()
        yield loss, w.grad
    yield square(w), square(w.detach())


@story
def argument_that_is_closed_over_too(t, compiled):
    w = t.tensor([1.0, 2.0], requires_grad=True)
    run = compiled(lambda a: (a * w).sum())
    for argument in (w, w * 2, w.detach(), w):
        w.grad = None
        loss = run(argument)
        loss.backward()
        yield loss, w.grad


@story
def leaf_argument_gets_its_gradient_inside(t, compiled):
    @compiled
    def run(x):
        (x * x).sum().backward()

    x = t.ones(2, requires_grad=True)
    for _ in range(3):
        run(x)
        yield x.grad
    x.grad = None
    run(x)
    yield x.grad


@story
def requires_grad_of_an_argument_changes(t, compiled):
    run = compiled(lambda x: (x * 2, x.requires_grad, (x * 2).requires_grad))
    x = t.ones(2)
    for needed in (False, True, False, True):
        yield run(x.detach().requires_grad_(needed))


@story
def is_leaf_of_an_argument(t, compiled):
    run = compiled(lambda x: (x.is_leaf, x.grad_fn is None))
    w = t.ones(2, requires_grad=True)
    for x in (w, w * 2, t.ones(2), w.detach()):
        yield run(x)


@story
def other_shapes_and_dtypes(t, compiled):
    run = compiled(lambda x: (x * 2 + 1).sum(0))
    for x in (t.ones(2), t.ones(4, 3), t.ones(2).double(), t.tensor([1, 2]), t.ones(2)):
        yield run(x)


@story
def batch_sizes_and_an_empty_batch(t, compiled):
    net = mlp(t)
    run = compiled(lambda x: (net(x), len(x), x.shape[0] * 2))
    for size in (4, 2, 0, 4, 1):
        yield run(batch(t, size=size)[0])


@story
def shape_used_as_a_number(t, compiled):
    mean = compiled(lambda x: x.sum() / x.shape[0] + x.size(0) + x.numel())
    for size in (4, 2, 4):
        yield mean(numbers(t, size, 3))


@story
def shapes_slices_and_ranges_as_arguments(t, compiled):
    run = compiled(lambda x, shape, part, steps: x.reshape(shape)[part] * sum(steps))
    x = numbers(t, 4, 3)
    yield run(x, x.shape, slice(0, 2), range(3))
    yield run(x, (3, 4), slice(0, 2), range(3))
    yield run(x, x.shape, slice(1, 3), range(3))
    yield run(x, x.shape, slice(0, 2), range(4))


@story
def dtype_and_device_as_arguments(t, compiled):
    run = compiled(lambda x, dtype, device: x.to(device=device, dtype=dtype) * 2)
    for dtype in (t.float64, t.int64, t.float32):
        yield run(t.ones(2), dtype, t.device("cpu"))


@story
def functions_as_arguments(t, compiled):
    run = compiled(lambda x, activation: activation(x))
    x = numbers(t, 2)
    for activation in (t.tanh, t.nn.functional.relu, t.nn.Sigmoid(), lambda x: x * 2, t.tanh):
        yield run(x, activation)


@story
def partial_functions_as_arguments(t, compiled):
    run = compiled(lambda x, activation: activation(x))
    for slope in (0.1, 0.2, 0.1):
        leaky = functools.partial(t.nn.functional.leaky_relu, negative_slope=slope)
        yield run(t.tensor([-1.0, 1.0]), leaky)


@story
def modules_as_arguments(t, compiled):
    first, second = linear(t), mlp(t)
    run = compiled(lambda net, x: net(x))
    x, _ = batch(t)
    for net in (first, second, first):
        yield run(net, x)
    first.bias = None
    yield run(first, x)


@story
def attributes_set_on_a_tensor(t, compiled):
    @compiled
    def run(x):
        x.seen = getattr(x, "seen", 0) + 1
        return x * x.scale

    x = t.ones(2)
    for scale in (1.0, 2.0, 3.0):
        x.scale = scale
        yield run(x), x.seen


@story
def identity_of_arguments(t, compiled):
    cache = {}

    @compiled
    def run(x):
        if id(x) not in cache:
            cache[id(x)] = x * len(cache)
        return cache[id(x)]

    x, y = t.ones(2), t.ones(2) * 3
    for argument in (x, y, x, y, x):
        yield run(argument), len(cache)


@story
def default_arguments_that_are_mutable(t, compiled):
    @compiled
    def run(x, seen=[], scale={"k": 1.0}):  # noqa: B006 - what the story is about
        seen.append(len(seen))
        return x * scale["k"] * len(seen)

    for _ in range(4):
        yield run(t.ones(2))


@story
def subclass_of_tensor(t, compiled):
    class Image(t.Tensor):
        def bright(self):
            return self.data.sum().item() > 1

    run = compiled(lambda x: (isinstance(x, Image), type(x).__name__, x.bright(), (x * 2).tolist()))
    for values in ([1.0, 2.0], [0.0, 0.5], [3.0, 4.0]):
        yield run(Image(values))


@story
def other_devices_and_layouts_asked_for(t, compiled):
    @compiled
    def run(x):
        x = x.to("cpu").contiguous()
        return x * 2 if x.device.type == "cpu" and not x.is_cuda else x

    for shape in ((2,), (4, 3), (2,)):
        yield run(t.ones(*shape))


@story
def wrong_arguments(t, compiled):
    run = compiled(lambda x, y: x + y)
    for _ in range(2):
        yield attempt_type(run, t.ones(2))
        yield run(t.ones(2), t.ones(2))
        yield attempt_type(run, t.ones(2), t.ones(3))
        yield attempt_type(run, t.ones(2), z=1)
