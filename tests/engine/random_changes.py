"""What a user may change between two calls of a compiled step: the moves of the property test.

Each change is a function of a `World`, which holds everything the step can reach: a network, its
optimizer, plain objects, closed-over variables, globals. The test makes two equal worlds, one of
which runs its step compiled, makes the same changes to both, and compares them after each.
"""

import collections
import contextlib
import copy
import functools
import itertools
import pickle
import random
import threading
import types

import numpy as np

import kuai
from kuai import nn

CHANGES = {}


def change(function):
    """Register a change."""
    CHANGES[function.__name__] = function
    return function


# The world ----------------------------------------------------------------------------------------


class Options:
    """A plain object whose attributes the step reads."""

    def __init__(self):
        self.weight = 1.0
        self.terms = [1.0]
        self.inner = types.SimpleNamespace(bias=0.0)
        self.shift = kuai.zeros(2)
        self.mean = kuai.zeros(())
        self.ordered = collections.OrderedDict(k=1.0, table=np.ones(2, np.float32))
        self.nested = ([1.0], 2.0)
        self.stream = itertools.count(1)
        self.dice = random.Random(3)
        self.drawn = np.random.RandomState(3)
        self.scaled = scaling(1.0)
        self.seen, self.calls = [], 0
        self.prefix, self.skipped = "0.", {"0.bias"}
        self.table = kuai.ones(2, 2)
        self.row = self.table[0]
        self.shrunk = functools.partial(shrink, by=1.0)
        self.penalty = type("Penalty", (Penalty,), {})()

    @property
    def doubled(self):
        """A number computed from another."""
        return 2 * self.weight

    def noted(self, loss):
        """A loss after everything that Python does at each call."""
        self.calls += 1
        self.seen.append(loss.detach())
        noise = next(self.stream) % 3 + self.dice.random() + self.drawn.rand()
        loss = loss * self.ordered["k"] * float(self.ordered["table"].sum())
        return self.scaled(loss) * self.nested[0][0] * (1 + 0.01 * noise)


class Penalty:
    """An object that is called."""

    factor = 0.01

    def __call__(self, loss):
        return loss.abs() * self.factor


def shrink(loss, by=2.0):
    """A loss that is made smaller."""
    return loss / by


def weighed(options, net, loss):
    """A loss after what people write around it: names, sets, views, functions inside."""

    gain = getattr(options, "gain", 1.0)

    def mean(value, *, by=gain):
        if value.dim() > 0:
            return value.mean()
        return value * by

    for name, parameter in sorted(net.named_parameters()):
        if name.startswith(options.prefix) and name not in options.skipped:
            loss = loss + mean(parameter.square(), by=0.01)
    return mean(options.shrunk(loss) * options.row) + options.penalty(loss)


def scaling(factor):
    """A function wrapped by a decorator that counts and scales."""
    counted = {"calls": 0}

    @functools.wraps(scaling)
    def scaled(loss):
        counted["calls"] += 1
        return loss * (factor + 0.01 * (counted["calls"] % 2))

    return scaled


class Block(nn.Module):
    """A module with a number, a list, a method, a buffer and an optional child."""

    slope = 1.0

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.scale = 1.0
        self.factors = [1.0]
        self.extra = None
        self.register_buffer("shift", kuai.zeros(6))

    def forward(self, x):
        """Reads all of them."""
        x = self.mix(self.linear(x) * self.scale + self.shift)
        for factor in self.factors:
            x = x * factor
        return (x if self.extra is None else self.extra(x)) * self.slope

    def mix(self, x):
        """A method that a change replaces."""
        return kuai.tanh(x)


def network():
    """Layers with all kinds of state."""
    return nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), Block(), nn.Dropout(0.3), nn.Linear(6, 2)
    )


def train(world, options, read_closed, x, y, factor=1.0):
    """An ordinary training step; SETTINGS and GAIN are its globals."""
    world.optimizer.zero_grad(set_to_none=SETTINGS["to_none"])  # noqa: F821
    out = world.net(x) * factor * read_closed() * SETTINGS["scale"] * GAIN  # noqa: F821
    out = out + SETTINGS["deep"]["offset"] + options.inner.bias  # noqa: F821
    loss = nn.functional.mse_loss(out, y + options.shift) * options.doubled
    for term in options.terms:
        loss = loss * term
    loss = options.noted(loss)
    loss.backward()
    world.optimizer.step()
    return loss


class World:
    """A network, what trains it, and all that a change can get hold of."""

    def __init__(self, compiled: bool):
        kuai.manual_seed(0)
        self.net = network()
        self.net[3].__class__ = type("Block", (Block,), {})  # a class of its own to change
        self.optimizer = self.new_optimizer()
        self.options = type("Options", (Options,), {})()
        self.scope = {
            **globals(),
            "SETTINGS": {"scale": 1.0, "deep": {"offset": 0.0}, "to_none": True},
            "GAIN": 1.0,
        }
        self.size = 5
        self.surroundings = contextlib.nullcontext
        self.arranged = lambda x, y: (x, y)
        self.handles, self.saved = [], []
        self.random = np.random.default_rng(1)
        self.read_closed, self.rebind_closed = shared_variable(1.0)
        self.function = self.new_function()
        self.compiled = kuai.compile(self.function) if compiled else self.function

    def new_function(self):
        """The step, with globals of its own to change."""
        return types.FunctionType(train.__code__, self.scope, "train", (1.0,))

    def run(self, *batch):
        """A call of the step."""
        return self.compiled(self, self.options, self.read_closed, *batch)

    def new_optimizer(self):
        """An optimizer of the parameters there are now."""
        return kuai.optim.SGD(self.net.parameters(), lr=0.05, momentum=0.9)

    def step(self):
        """One step on the next batch: the loss."""
        batch = [self.random.normal(size=(self.size, width)) for width in (4, 2)]
        x, y = [kuai.tensor(array, dtype=kuai.get_default_dtype()) for array in batch]
        with self.surroundings():
            return self.run(*self.arranged(x, y))

    def tensors(self):
        """Everything that must be equal in both worlds, by name."""
        yield from self.net.state_dict().items()
        for name, parameter in self.net.named_parameters():
            yield f"{name}.grad", parameter.grad
            for key, value in self.optimizer.state.get(parameter, {}).items():
                yield f"{name}.{key}", value
        yield "mean", self.options.mean
        yield from enumerate(self.saved)
        yield from ((f"seen {number}", loss) for number, loss in enumerate(self.options.seen))


class ProvableWorld(World):
    """A world whose step reads only what can be proven, so that it is replayed between changes."""

    def new_function(self):
        """The step."""
        step = provable_train(self, self.options, self.read_closed)
        return types.FunctionType(step.__code__, self.scope, "train", (1.0,), step.__closure__)

    def run(self, *batch):
        """A call of the step."""
        return self.compiled(*batch)


def provable_train(world, options, read_closed):
    """A step without Python that has to be run at each call."""

    def train(x, y, factor=1.0):
        world.optimizer.zero_grad(set_to_none=SETTINGS["to_none"])  # noqa: F821
        out = world.net(x) * factor * read_closed() * SETTINGS["scale"] * GAIN  # noqa: F821
        out = out + SETTINGS["deep"]["offset"] + options.inner.bias  # noqa: F821
        loss = nn.functional.mse_loss(out, y + options.shift) * options.weight
        for term in options.terms:
            loss = loss * term
        loss = weighed(options, world.net, loss)
        loss.backward()
        world.optimizer.step()
        options.mean = options.mean * 0.5 + loss.detach() * 0.5
        return loss

    return train


class SplitWorld(World):
    """A world whose step gets objects, and can be proven up to the line where Python counts."""

    def new_function(self):
        """The step."""
        step = split_train(self.read_closed)
        return types.FunctionType(step.__code__, self.scope, "train", (1.0,), step.__closure__)

    def run(self, *batch):
        """A call of the step."""
        return self.compiled(self, self.options, *batch)


def split_train(read_closed):
    """A step in two: arithmetic, and Python that has to be run at each call."""

    def train(world, options, x, y, factor=1.0):
        world.optimizer.zero_grad(set_to_none=SETTINGS["to_none"])  # noqa: F821
        out = world.net(x) * factor * read_closed() * SETTINGS["scale"] * GAIN  # noqa: F821
        out = out + SETTINGS["deep"]["offset"] + options.inner.bias  # noqa: F821
        rows = []
        loss = nn.functional.mse_loss(out, y + options.shift) * options.weight
        for term in options.terms:
            loss = loss * term
        loss = weighed(options, world.net, loss)
        loss.backward()
        world.optimizer.step()
        options.mean = options.mean * 0.5 + loss.detach() * 0.5
        options.calls += 1
        rows.append(loss.detach())
        options.seen.extend(rows)
        return loss

    return train


def shared_variable(number):
    """A closed-over variable: what reads it, and what rebinds it."""
    closed = number

    def read():
        return closed

    def rebind(value):
        nonlocal closed
        closed = value

    return read, rebind


# Modes, modules and their attributes --------------------------------------------------------------


@change
def training_mode(world, number):
    world.net.train(number % 2 == 0)


@change
def mode_of_one_child(world, number):
    world.net[1].train(number % 2 == 0)


@change
def dropout_rate(world, number):
    world.net[4].p = number / 10


@change
def batch_norm_momentum(world, number):
    world.net[1].momentum = 0.1 + number / 20


@change
def attribute(world, number):
    world.net[3].scale = 1 + number / 10


@change
def kept_tensor_set(world, number):
    """What the step keeps: a number, a tensor it reads elsewhere, a view of that, what it has."""
    others = [kuai.full((), float(number)), world.options.shift, world.options.shift[0]]
    world.options.mean = [*others, world.options.mean.double()][number % 4]


@change
def kept_tensor_held_and_written(world, number):
    """Somebody has what the step keeps, and may change it."""
    world.saved.append(world.options.mean)
    if number % 2:
        world.saved[-1].mul_(number)


@change
def attribute_of_another_kind(world, number):
    world.net[3].scale = kuai.tensor(1 + number / 10) if number % 2 else 2


@change
def names_chosen(world, number):
    world.options.prefix = ["1.", "", "x", "3."][number % 4]


@change
def set_grown_or_shrunk(world, number):
    world.options.skipped ^= {["0.weight", "0.bias"][number % 2]}


@change
def partial_rebound(world, number):
    world.options.shrunk.keywords["by"] = 1 + 0.1 * number


@change
def view_or_its_base_written(world, number):
    with kuai.no_grad():
        (world.options.row if number % 2 else world.options.table).mul_(0.9)


@change
def view_of_another_base(world, number):
    world.options.row = kuai.full((2, 2), 1 - 0.05 * number)[number % 2]


@change
def attribute_that_may_be_missing(world, number):
    if hasattr(world.options, "gain"):
        del world.options.gain
    else:
        world.options.gain = 1 + 0.1 * number


@change
def call_of_an_object(world, number):
    type(world.options.penalty).__call__ = lambda self, loss: loss.square() * 0.01 * number


@change
def list_in_a_module(world, number):
    world.net[3].factors.append(1 + number / 100)


@change
def element_of_a_list(world, number):
    world.net[3].factors[0] = 1 + number / 10


@change
def class_attribute(world, number):
    type(world.net[3]).slope = 1 + number / 10


@change
def method_of_the_class(world, number):
    type(world.net[3]).mix = [lambda self, x: kuai.tanh(x), lambda self, x: x.sin()][number % 2]


@change
def method_of_the_instance(world, number):
    world.net[3].mix = [kuai.tanh, kuai.cos][number % 2]


@change
def buffer_rebound(world, number):
    world.net[3].shift = kuai.full((6,), number / 10)


@change
def buffer_changed_in_place(world, number):
    world.net[3].shift.add_(number / 10)


@change
def child_replaced(world, number):
    kuai.manual_seed(number)
    world.net[5] = nn.Linear(6, 2)
    world.optimizer = world.new_optimizer()


@change
def child_replaced_behind_the_optimizer(world, number):
    kuai.manual_seed(number)
    world.net[3].linear = nn.Linear(6, 6, bias=number % 2 == 0)


@change
def optional_child(world, number):
    world.net[3].extra = [None, nn.Sigmoid(), nn.Tanh()][number % 3]


@change
def layer_appended(world, number):
    if len(world.net) < 8:
        world.net.append(nn.Identity())
        world.net[-1].register_forward_hook(lambda module, args, out: out * (1 + number / 10))


@change
def state_loaded(world, number):
    kuai.manual_seed(number)
    saved = {k: kuai.rand_like(v.float()).to(v.dtype) for k, v in world.net.state_dict().items()}
    world.net.load_state_dict(saved)


@change
def network_copied(world, number):
    world.net = copy.deepcopy(world.net)
    world.optimizer = world.new_optimizer()


@change
def class_of_a_layer(world, number):
    layer = world.net[0]
    layer.__class__ = type("Linear", (nn.Linear,), {})
    world.step()
    usual = nn.Linear.forward
    type(layer).forward = lambda self, x: usual(self, x) * (1 + number / 10)


@change
def forward_of_an_instance(world, number):
    world.net[2].forward = [kuai.relu, kuai.sigmoid][number % 2]


@change
def forward_of_an_instance_removed(world, number):
    vars(world.net[2]).pop("forward", None)


@change
def attributes_of_a_module_replaced(world, number):
    block = world.net[3]
    vars(block).update(scale=1 + number / 20)
    block.__dict__ = dict(vars(block))


@change
def buffer_removed_and_registered(world, number):
    del world.net[3].shift
    world.net[3].register_buffer("shift", kuai.full((6,), number / 10), persistent=number % 2 == 0)


@change
def layers_exchanged(world, number):
    world.net[2], world.net[4] = world.net[4], world.net[2]


@change
def network_pickled(world, number):
    for module in world.net.modules():  # lambdas cannot be pickled
        for hooks in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks):
            if hooks:
                return
    kind, own = type(world.net[3]), vars(world.net[3]).pop("mix", None)
    if type(world.net[0]) is not nn.Linear or "forward" in vars(world.net[2]):
        return
    if "parametrizations" in world.net[0]._modules:
        return
    world.net[3].__class__ = Block
    world.net = pickle.loads(pickle.dumps(world.net))
    world.net[3].__class__ = kind
    if own is not None:
        world.net[3].mix = own
    world.optimizer = world.new_optimizer()


@change
def other_thread_writes(world, number):
    def write():
        with kuai.no_grad():
            world.net[0].weight.mul_(number / 10)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()


# Parameters and gradients -------------------------------------------------------------------------


@change
def frozen(world, number):
    world.net[0].requires_grad_(number % 2 == 0)


@change
def weight_written(world, number):
    with kuai.no_grad():
        world.net[0].weight[0, 0] = number


@change
def data_written(world, number):
    world.net[0].weight.data[1] *= number / 10


@change
def data_rebound(world, number):
    world.net[0].bias.data = kuai.full((6,), number / 10)


@change
def parameter_rebound(world, number):
    world.net[0].bias = nn.Parameter(kuai.full((6,), number / 10))


@change
def parameter_removed(world, number):
    world.net[0].bias = None


@change
def tied(world, number):
    world.net[3].linear.bias = world.net[0].bias


@change
def data_taken_from_another(world, number):
    with kuai.no_grad():
        world.net[0].weight.data = world.net[0].weight.detach() * (1 + number / 10)


@change
def gradients_shared(world, number):
    first, second = world.net[0].bias, world.net[3].linear.bias
    if first is not None and second is not None:
        first.grad = kuai.full((6,), number / 10)
        second.grad = first.grad


@change
def gradients_in_one_row(world, number):
    flat = kuai.full((30,), number / 10)
    world.net[0].weight.grad = flat[:24].view(6, 4)
    if world.net[3].linear.bias is not None:
        world.net[3].linear.bias.grad = flat[24:]


@change
def vector_jacobian_product(world, number):
    kuai.func.vjp(lambda weight: weight * number, world.net[0].weight.detach())


@change
def gradient_set(world, number):
    weight = world.net[0].weight
    weight.grad = kuai.full_like(weight, number / 10)


@change
def gradients_dropped_or_zeroed(world, number):
    world.scope["SETTINGS"]["to_none"] = number % 2 == 0


@change
def data_exchanged(world, number):
    first, second = world.net[3].linear.weight, world.net[3].linear.weight.clone()
    first.data, second.data = second.data * (1 + number / 20), first.data
    world.saved = [second]


@change
def parameter_and_buffer_share(world, number):
    if world.net[0].bias is not None:
        world.net[3].shift = world.net[0].bias.data


@change
def gradient_zeroed(world, number):
    for parameter in world.net.parameters():
        if parameter.grad is not None:
            parameter.grad.mul_(number % 2)


@change
def gradient_taken_from_the_weights(world, number):
    world.net[5].weight.grad = world.net[5].weight.detach()


@change
def gradient_kept_by_somebody(world, number):
    world.saved = [world.net[5].weight.grad]


@change
def attribute_of_a_tensor(world, number):
    world.options.shift.tag = number
    world.net[0].weight.tag = number


@change
def all_frozen_but_one(world, number):
    world.net.requires_grad_(False)
    world.net[5].requires_grad_(True)


@change
def thawed(world, number):
    world.net.requires_grad_(True)


@change
def weight_norm(world, number):
    kuai.manual_seed(number)
    if "parametrizations" not in world.net[5]._modules:
        nn.utils.parametrizations.weight_norm(world.net[5])
        world.optimizer = world.new_optimizer()


@change
def snapshot_kept(world, number):
    world.saved = [world.net[0].weight.detach(), world.net[0].weight.detach().clone()]


# Hooks --------------------------------------------------------------------------------------------


@change
def forward_hook(world, number):
    factor = 1 + number / 10
    world.handles.append(world.net[0].register_forward_hook(lambda module, args, out: out * factor))


@change
def forward_pre_hook(world, number):
    world.handles.append(
        world.net[3].register_forward_pre_hook(lambda module, args: (args[0] + number / 10,))
    )


@change
def full_backward_hook(world, number):
    world.handles.append(
        world.net[3].register_full_backward_hook(
            lambda module, into, out: tuple(None if g is None else g * number / 5 for g in into)
        )
    )


@change
def tensor_hook(world, number):
    if world.net[0].weight.requires_grad:
        world.handles.append(world.net[0].weight.register_hook(lambda g: g * (number / 5)))


@change
def hook_of_all_modules(world, number):
    def hook(module, args, out):
        return out * (1 + number / 100) if module is world.net[0] else None

    world.handles.append(nn.modules.module.register_module_forward_hook(hook))


@change
def hook_removed(world, number):
    if world.handles:
        world.handles.pop(number % len(world.handles)).remove()


@change
def number_of_a_hook(world, number):
    settings = {"factor": 1.0}
    hook = world.net[2].register_forward_hook(lambda module, args, out: out * settings["factor"])
    world.handles.append(hook)
    world.step()
    settings["factor"] = 1 + number / 10


# The optimizer ------------------------------------------------------------------------------------


@change
def post_accumulate_hook(world, number):
    weight = world.net[5].weight
    if weight.requires_grad:

        def hook(parameter):
            parameter.grad.mul_(1 + number / 100)

        world.handles.append(weight.register_post_accumulate_grad_hook(hook))


@change
def learning_rate_as_a_tensor(world, number):
    world.optimizer.param_groups[0]["lr"] = kuai.tensor(number / 100)


@change
def options_copied(world, number):
    world.optimizer.load_state_dict(world.optimizer.state_dict())
    world.optimizer.param_groups[0]["lr"] = number / 100


@change
def learning_rate(world, number):
    world.optimizer.param_groups[0]["lr"] = number / 100


@change
def momentum(world, number):
    world.optimizer.param_groups[0]["momentum"] = [0.0, 0.5][number % 2]


@change
def weight_decay(world, number):
    world.optimizer.param_groups[0]["weight_decay"] = [0.0, 0.1][number % 2]


@change
def scheduled(world, number):
    world.optimizer.param_groups[0].pop("initial_lr", None)
    kuai.optim.lr_scheduler.ExponentialLR(world.optimizer, gamma=0.9).step()


@change
def optimizer_replaced(world, number):
    world.optimizer = kuai.optim.Adam(world.net.parameters(), lr=0.01 + number / 1000, eps=0.01)


@change
def group_added(world, number):
    known = {id(p) for group in world.optimizer.param_groups for p in group["params"]}
    new = [p for p in world.net.parameters() if id(p) not in known]
    if new:
        world.optimizer.add_param_group({"params": new, "lr": number / 100})


@change
def hooks_of_the_optimizer(world, number):
    def before(optimizer, args, kwargs):
        world.options.calls += 1

    def after(optimizer, args, kwargs):
        with kuai.no_grad():
            world.net[5].weight.mul_(1 - number / 100)

    if number % 2:
        world.handles.append(world.optimizer.register_step_post_hook(after))
    else:
        world.handles.append(world.optimizer.register_step_pre_hook(before))


@change
def step_of_the_optimizer_wrapped(world, number):
    usual = world.optimizer.step

    def step(closure=None):
        world.options.calls += 1
        return usual(closure)

    world.optimizer.step = step


@change
def parameter_taken_from_a_group(world, number):
    params = world.optimizer.param_groups[0]["params"]
    if len(params) > 2:
        params.pop(number % len(params))


@change
def order_of_a_group(world, number):
    world.optimizer.param_groups[0]["params"].reverse()


@change
def groups_replaced(world, number):
    world.optimizer.param_groups = [dict(g) for g in world.optimizer.param_groups]
    world.optimizer.param_groups[0]["lr"] = number / 100


@change
def state_of_a_parameter_removed(world, number):
    world.optimizer.state.pop(world.net[5].weight, None)


@change
def nesterov(world, number):
    group = world.optimizer.param_groups[0]
    if "nesterov" in group and group["momentum"]:
        group["nesterov"] = number % 2 == 0


@change
def betas(world, number):
    kind = kuai.optim.NAdam if number % 2 else kuai.optim.AdamW
    world.optimizer = kind(world.net.parameters(), lr=0.01, eps=0.01)
    world.step()
    world.optimizer.param_groups[0]["betas"] = (0.5, 0.9 + number / 100)


@change
def optimizer_state_loaded(world, number):
    world.optimizer.load_state_dict(copy.deepcopy(world.optimizer.state_dict()))


@change
def optimizer_state_changed(world, number):
    for state in world.optimizer.state.values():
        for value in state.values():
            if value is not None and value.dim():
                value.mul_(number / 10)


# Plain Python -------------------------------------------------------------------------------------


@change
def dict_of_an_object_replaced(world, number):
    world.options.__dict__ = dict(vars(world.options), weight=1 + number / 10)


@change
def object_replaced(world, number):
    world.options = copy.copy(world.options)
    world.options.weight = 1 + number / 10


@change
def number_shared_with_the_learning_rate(world, number):
    world.options.weight = world.options.inner.bias = 1 + number / 10
    world.step()
    world.options.weight = world.options.inner.bias = number / 100
    world.optimizer.param_groups[0]["lr"] = world.options.weight
    for _ in range(3):
        world.step()
    world.optimizer.param_groups[0]["lr"] = 0.01


@change
def global_number(world, number):
    world.scope["GAIN"] = 1 + number / 10


@change
def global_of_another_kind(world, number):
    world.scope["GAIN"] = kuai.tensor(1 + number / 10) if number % 2 else 2


@change
def entry_of_a_global(world, number):
    world.scope["SETTINGS"]["scale"] = 1 + number / 10


@change
def deep_entry_of_a_global(world, number):
    world.scope["SETTINGS"]["deep"]["offset"] = number / 10


@change
def closed_over_number(world, number):
    world.rebind_closed(1 + number / 10)


@change
def default_argument(world, number):
    world.function.__defaults__ = (1 + number / 10,)


@change
def code_of_the_function(world, number):
    code = world.function.__code__
    constants = [1 + number / 10 if c == 1.0 and type(c) is float else c for c in code.co_consts]
    world.function.__code__ = code.replace(co_consts=tuple(constants))


@change
def attribute_of_an_argument(world, number):
    world.options.weight = 1 + number / 10


@change
def list_of_an_argument(world, number):
    world.options.terms.append(1 + number / 100)


@change
def deep_attribute_of_an_argument(world, number):
    world.options.inner.bias = number / 10


@change
def object_of_an_argument(world, number):
    world.options.inner = types.SimpleNamespace(bias=number / 10)


@change
def property_of_an_argument(world, number):
    type(world.options).doubled = property(lambda self: (2 + number / 10) * self.weight)


@change
def tensor_of_an_argument_rebound(world, number):
    world.options.shift = kuai.full((2,), number / 10)


@change
def tensor_of_an_argument_written(world, number):
    world.options.shift[0] = number / 10


@change
def other_object_as_argument(world, number):
    world.options = type("Options", (Options,), {})()
    world.options.weight = 1 + number / 10


@change
def entry_of_an_ordered_dict(world, number):
    world.options.ordered["k"] = 1 + number / 10


@change
def numpy_array_of_an_argument(world, number):
    world.options.ordered["table"][number % 2] = number / 10


@change
def list_in_a_tuple(world, number):
    world.options.nested[0][0] = 1 + number / 10


@change
def wrapper_of_an_argument(world, number):
    world.options.scaled = scaling(1 + number / 10)


@change
def iterator_of_an_argument(world, number):
    world.options.stream = iter([number] * 50)


@change
def random_numbers_of_the_host(world, number):
    world.options.dice.seed(number)
    world.options.drawn.seed(number)


# Surroundings -------------------------------------------------------------------------------------


@change
def batch_size(world, number):
    world.size = 3 + number % 3


@change
def batches_are_views(world, number):
    if number % 2:
        world.arranged = lambda x, y: (x.T.contiguous().T, y.unsqueeze(0)[0])
    else:
        world.arranged = lambda x, y: (x, y)


@change
def batches_need_gradients(world, number):
    world.arranged = lambda x, y: (x.requires_grad_(number % 2 == 1), y)


@change
def batches_of_a_wrong_width(world, number):
    arranged, world.arranged = world.arranged, lambda x, y: (x[:, :3], y)
    with contextlib.suppress(RuntimeError):
        world.step()
    world.arranged = arranged


@change
def targets_share_memory_with_the_state(world, number):
    def arranged(x, y):
        shared = world.net[5].bias.detach() if number % 2 else world.options.shift
        return x, shared.expand(world.size, 2)

    world.arranged = arranged


@change
def modes_around_the_step(world, number):
    modes = (kuai.enable_grad, lambda: kuai.autocast("cpu", enabled=False), kuai.enable_grad)
    world.surroundings = modes[number % 3]


@change
def saved_tensors_are_counted(world, number):
    def pack(tensor):
        world.options.calls += 1
        return tensor

    hooks = kuai.autograd.graph.saved_tensors_hooks
    world.surroundings = (
        (lambda: hooks(pack, lambda x: x)) if number % 2 else contextlib.nullcontext
    )


@change
def seed(world, number):
    kuai.manual_seed(number)


@change
def plain_steps(world, number):
    for _ in range(number % 3):
        world.step()
