"""Python's classes around the step: attributes, properties, descriptors, inheritance, magic."""

import abc
import enum
import functools

from tests.stories.storykit import batch, everything, linear, mlp, story


@story
def class_attribute(t, compiled):
    class Net(t.nn.Module):
        scale = 1.0

        def forward(self, x):
            return x * self.scale

    net = Net()
    run = compiled(net)
    yield run(t.ones(2))
    Net.scale = 2.0
    yield run(t.ones(2))
    net.scale = 3.0
    yield run(t.ones(2))
    del net.scale
    yield run(t.ones(2))


@story
def attribute_of_a_base_class(t, compiled):
    class Base:
        scale = 1.0

    class Derived(Base):
        pass

    thing = Derived()
    run = compiled(lambda x: x * thing.scale)
    yield run(t.ones(2))
    Base.scale = 2.0
    yield run(t.ones(2))
    Derived.scale = 3.0
    yield run(t.ones(2))


@story
def property_with_state(t, compiled):
    class Schedule:
        def __init__(self):
            self.reads = 0

        @property
        def weight(self):
            self.reads += 1
            return 1.0 / self.reads

    schedule = Schedule()
    run = compiled(lambda x: x * schedule.weight)
    for _ in range(3):
        yield run(t.ones(2)), schedule.reads


@story
def property_with_a_setter(t, compiled):
    class Temperature:
        def __init__(self):
            self.log, self.value = [], 1.0

        @property
        def celsius(self):
            return self.value

        @celsius.setter
        def celsius(self, value):
            self.log.append(value)
            self.value = value

    temperature = Temperature()

    @compiled
    def run(x):
        temperature.celsius = temperature.celsius * 2
        return x / temperature.celsius

    for _ in range(3):
        yield run(t.ones(2)), temperature.log


@story
def cached_property(t, compiled):
    class Net:
        made = 0

        @functools.cached_property
        def table(self):
            self.made += 1
            return t.ones(2) * self.made

    net = Net()
    run = compiled(lambda x: x * net.table)
    for k in range(4):
        yield run(t.ones(2)), net.made
        if k == 1:
            del net.table


@story
def descriptor(t, compiled):
    class Logged:
        def __set_name__(self, owner, name):
            self.name = "_" + name

        def __get__(self, thing, owner=None):
            log.append("get")
            return getattr(thing, self.name)

        def __set__(self, thing, value):
            log.append("set")
            setattr(thing, self.name, value)

    class Thing:
        value = Logged()

    log, thing = [], Thing()
    thing.value = t.ones(2)

    @compiled
    def run(x):
        thing.value = thing.value + x
        return thing.value * 2

    for _ in range(3):
        yield run(t.ones(2)), thing.value, log


@story
def get_attribute_of_a_wrapper(t, compiled):
    class Wrapper:
        def __init__(self, wrapped):
            self.wrapped, self.asked = wrapped, []

        def __getattr__(self, name):
            self.asked.append(name)
            return getattr(self.wrapped, name)

    wrapper = Wrapper(linear(t))
    run = compiled(lambda x: wrapper.forward(x) + wrapper.bias)
    for _ in range(2):
        yield run(batch(t)[0]), wrapper.asked
    wrapper.wrapped = mlp(t)[2]
    wrapper.bias = t.ones(2)
    yield run(t.ones(4, 4)), wrapper.asked


@story
def attributes_set_by_name(t, compiled):
    class Bag:
        pass

    bag = Bag()

    @compiled
    def run(x, name):
        setattr(bag, name, getattr(bag, name, 0) + x)
        return sum(vars(bag).values())

    for name in ("b", "a", "b", "c"):
        yield run(t.ones(2), name), vars(bag)


@story
def operators_of_ones_own(t, compiled):
    class Dual:
        def __init__(self, value, slope):
            self.value, self.slope = value, slope

        def __mul__(self, other):
            return Dual(
                self.value * other.value, self.value * other.slope + self.slope * other.value
            )

        def __len__(self):
            return len(self.value)

        def __getitem__(self, index):
            return (self.value, self.slope)[index]

    run = compiled(lambda a, b: list(a * b) if len(a) else None)
    for k in range(3):
        yield run(Dual(t.ones(2) * k, t.ones(2)), Dual(t.ones(2), t.zeros(2)))


@story
def equality_and_hash_of_ones_own(t, compiled):
    class Key:
        def __init__(self, name):
            self.name = name

        def __eq__(self, other):
            return self.name == other.name

        def __hash__(self):
            return hash(self.name)

    table = {Key("a"): 2.0, Key("b"): 3.0}
    run = compiled(lambda x, key: x * table[key])
    yield run(t.ones(2), Key("a"))
    yield run(t.ones(2), Key("b"))
    table[Key("a")] = 5.0
    yield run(t.ones(2), Key("a"))


@story
def enumeration(t, compiled):
    class Mode(enum.Enum):
        TRAIN = 1
        TEST = 2

    run = compiled(lambda x, mode: x * 2 if mode is Mode.TRAIN else x * mode.value + 1)
    for mode in (Mode.TRAIN, Mode.TEST, Mode.TRAIN):
        yield run(t.ones(2), mode)


@story
def abstract_base_and_super(t, compiled):
    class Layer(t.nn.Module, abc.ABC):
        scale = 2.0

        @abc.abstractmethod
        def body(self, x): ...

        def forward(self, x):
            return self.body(x) * self.scale

    class Plus(Layer):
        def body(self, x):
            return x + 1

    class PlusPlus(Plus):
        def body(self, x):
            return super().body(x) + 1

    net = PlusPlus()
    run = compiled(net)
    yield run(t.ones(2))
    Layer.scale = 3.0
    yield run(t.ones(2))
    Plus.body = lambda self, x: x - 1
    yield run(t.ones(2))


@story
def method_replaced_on_the_class(t, compiled):
    class Net(t.nn.Module):
        def activation(self, x):
            return x.tanh()

        def forward(self, x):
            return self.activation(x)

    net = Net()
    run = compiled(net)
    x = t.tensor([-1.0, 2.0])
    yield run(x)
    Net.activation = lambda self, x: x.relu()
    yield run(x)
    net.activation = t.sin
    yield run(x)


@story
def instances_counted_by_their_class(t, compiled):
    class Event:
        count = 0

        def __init__(self, value):
            type(self).count += 1
            self.value = value

    run = compiled(lambda x: Event(x * Event.count).value)
    for _ in range(3):
        yield run(t.ones(2)), Event.count


@story
def singleton_registry(t, compiled):
    registry = {}

    def register(name):
        def decorate(function):
            registry[name] = function
            return function

        return decorate

    @register("double")
    def double(x):
        return x * 2

    run = compiled(lambda x, name: registry[name](x))
    yield run(t.ones(2), "double")
    register("double")(lambda x: x * 20)
    yield run(t.ones(2), "double")
    register("neg")(t.neg)
    yield run(t.ones(2), "neg")


@story
def trainer_class_with_callbacks(t, compiled):
    class Callback:
        def __init__(self):
            self.events = []

        def on_step(self, trainer, loss):
            self.events.append((trainer.global_step, loss.detach()))

    class Trainer:
        def __init__(self):
            self.net = mlp(t)
            self.optimizer = t.optim.SGD(self.net.parameters(), lr=0.1)
            self.callbacks, self.global_step = [], 0

        def training_step(self, x, y):
            self.optimizer.zero_grad()
            loss = t.nn.functional.mse_loss(self.net(x), y)
            loss.backward()
            self.optimizer.step()
            self.global_step += 1
            for callback in self.callbacks:
                callback.on_step(self, loss)
            return {"loss": loss, "step": self.global_step}

    trainer, callback = Trainer(), Callback()
    step = compiled(trainer.training_step)
    for k in range(4):
        yield step(*batch(t, k)), callback.events, everything(trainer.net)
        if k == 1:
            trainer.callbacks.append(callback)


@story
def module_with_call_of_its_own(t, compiled):
    class Net(t.nn.Linear):
        calls = 0

        def __call__(self, x):
            self.calls += 1
            return super().__call__(x) * self.calls

    net = Net(3, 2)
    with t.no_grad():
        net.weight.fill_(1)
        net.bias.fill_(0)
    run = compiled(lambda x: net(x))
    for _ in range(3):
        yield run(batch(t)[0]), net.calls


@story
def module_with_set_attribute_of_its_own(t, compiled):
    class Watched(t.nn.Module):
        def __setattr__(self, name, value):
            changes.append(name)
            super().__setattr__(name, value)

        def forward(self, x):
            self.last = x.detach()
            return x * 2

    changes = []
    net = Watched()
    changes.clear()
    run = compiled(net)
    for k in range(3):
        yield run(t.ones(2) * k), changes, net.last
