"""Code that is proven: each kind is replayed, a change between calls is seen, and replays go on.

The values are compared with PyTorch's by the stories of the same things.
"""

import collections
import dataclasses
import enum
import functools
import sys

import pytest

import kuai
from kuai import nn
from kuai.engine.compile import replays


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(replays, "at_once", True)


Batch = collections.namedtuple("Batch", "x y")


class Cube(kuai.autograd.Function):
    """x**3, and its derivative by hand."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        found = None
        if ctx.needs_input_grad[0]:
            found = 3 * x * x * grad
        return found


class Base(nn.Module):
    """What `Derived` extends."""

    gain = 1.0

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.__offset = 0.5
        self.last = kuai.zeros(4, 2)

    def forward(self, x):
        return self.layer(x) * self.gain + self.__offset

    @classmethod
    def doubled(cls):
        """A number that follows from the class."""
        return 2 * cls.gain


class Derived(Base):
    """A module with `super()`, a class method and a tensor that it keeps."""

    def forward(self, x):
        y = super().forward(x) * self.doubled()
        self.last = y.detach() + self.last * 0.5
        return y


class World:
    """What the steps below work with, and what is changed."""

    def __init__(self):
        kuai.manual_seed(0)
        self.net = Derived()
        self.optimizer = kuai.optim.SGD(self.net.parameters(), lr=0.01)
        self.scaler = kuai.amp.GradScaler("cpu", init_scale=4.0)
        self.turns, self.offset, self.distance = 2, [0.5, 1.0], Distance()

    def state(self):
        """All numbers that a step changes."""
        return [*self.net.parameters(), self.net.last, self.scaler._scale]


def with_super_and_kept(world, x, y):
    return nn.functional.mse_loss(world.net(x), y)


def with_own_function(world, x, y):
    return nn.functional.mse_loss(Cube.apply(world.net(x)), y)


def with_while_and_try(world, x, y):
    turn, total = 0, 0.0
    try:
        while turn < world.turns:
            total = total + nn.functional.mse_loss(world.net(x) * turn, y)
            turn += 1
    finally:
        turn = 0
    return total


def with_literal(world, x, y):
    return nn.functional.mse_loss(world.net(x) + kuai.tensor(world.offset), y)


def with_generators(world, x, y):
    first, second = (half * 2 for half in world.net(x).chunk(2, dim=1))
    rows = [row * offset for row in y.unbind(1) for offset in world.offset]
    if any(p.requires_grad for p in world.net.parameters()):
        first = first + sum(offset for offset in world.offset)
    return nn.functional.mse_loss(kuai.cat([first, second], 1), y) + kuai.stack(rows).mean()


def of_batch(world, batch):
    x, _ = batch
    return nn.functional.mse_loss(world.net(x), batch.y) * len(batch)


def with_inner_functions(world, x, y):
    def scaled(value, *, by=world.offset[1]):
        return value * by + shift

    shift = world.offset[0]
    halves = list(map(lambda half: scaled(half, by=2.0), world.net(x).chunk(2, dim=1)))
    close = functools.partial(nn.functional.mse_loss, target=y)
    return close(kuai.cat(halves, 1)) + scaled(y).mean()


def with_names_and_order(world, x, y):
    chosen, loss = set(), 0.0
    for name, parameter in sorted(world.net.named_parameters()):
        if not name.endswith("bias") and (size := len(name)) > 1:
            loss = loss + parameter.norm() / size
            chosen.add(name.split(".")[0])
    weight = getattr(world, "weight", 1.0) * max(world.offset, key=lambda each: -each)
    match world.turns:
        case 1 | 2:
            weight = weight + 1
        case turns:
            weight = weight * turns
    return nn.functional.mse_loss(world.net(x), y) * weight + loss * ("layer" in chosen)


def with_lists_and_dicts(world, x, y):
    found, losses = world.net(x), {**{"offset": world.offset[0]}}
    skips = [found] * world.turns
    skips += [found * 2]
    while skips:
        found = found + skips.pop()
    del skips
    losses["loss"] = nn.functional.mse_loss(found, y)
    for kind in filter(lambda each: hasattr(each, "weight"), world.net.children()):
        losses[type(kind).__name__] = kind.weight.abs().mean()
    else:
        losses |= {"scale": float(len(losses))}
    return sum(dict(losses, last=1.0).values())


class Distance:
    """A loss that is no module, and a table of which it reads a view."""

    def __init__(self):
        self.rows = kuai.arange(4.0).view(2, 2)[1]

    def __call__(self, found, wanted):
        return ((found - wanted) ** 2 * self.rows).mean()


def with_returns_and_states(world, x, y):
    def squeezed(value):
        if value.dim() > 1:
            return value.mean(0)
        return value

    with kuai.no_grad():
        for name, tensor in world.net.state_dict().items():
            if tensor.dtype.is_floating_point and name != "layer.bias":
                tensor.mul_(0.99)
    count, *rest = (x * 2).shape
    return world.distance(squeezed(world.net(x)), y) / count + y.view(-1, *rest[1:]).mean()


LOSSES = [
    with_super_and_kept, with_own_function, with_while_and_try, with_literal, with_generators,
    with_inner_functions, with_names_and_order, with_lists_and_dicts,
    with_returns_and_states,
]  # fmt: skip


def trained(world, loss_of):
    """A step that is compiled, and one that is not."""

    def step(x, y):
        world.optimizer.zero_grad()
        loss = loss_of(world, x, y)
        world.scaler.scale(loss).backward()
        world.scaler.step(world.optimizer)
        world.scaler.update()
        return loss.detach()

    return step


def changed(world, number):
    """One thing after the other."""
    if number == 4:
        world.net.layer.weight.data.mul_(2)
    if number == 6:
        world.turns, world.offset[1] = 3, 0.0
    if number == 8:
        world.net.last.zero_()
    if number == 10:
        world.net.last = kuai.ones(4, 2)
    if number == 12:
        world.net.gain = 3.0
    if number == 14:
        world.scaler.set_growth_interval(1)
    if number == 16:
        world.optimizer.param_groups[0]["lr"] = 0.1


@pytest.mark.parametrize("loss_of", LOSSES)
def test_each_kind_is_replayed_and_every_change_is_seen(loss_of):
    worlds = [World(), World()]
    step, eager = kuai.compile(trained(worlds[0], loss_of)), trained(worlds[1], loss_of)
    for number in range(19):
        for world in worlds:
            changed(world, number)
        kuai.manual_seed(number)
        x, y = kuai.randn(4, 3), kuai.randn(4, 2)
        kuai.testing.assert_close(step(x, y), eager(x, y), rtol=1e-4, atol=1e-5)
        states = zip(worlds[0].state(), worlds[1].state(), strict=True)
        for found, expected in states:
            kuai.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert step.explain().replayed >= 7, step.explain().reason


def test_named_tuples_are_arguments():
    world = World()

    @kuai.compile
    def step(batch):
        with kuai.no_grad():
            return of_batch(world, batch)

    batches = [Batch(kuai.randn(4, 3), kuai.randn(4, 2)) for _ in range(6)]
    for batch in batches:
        kuai.testing.assert_close(step(batch), of_batch(world, batch).detach())
    assert step.explain().replayed >= 4, step.explain().reason


def test_an_error_that_is_caught_is_never_replayed():
    caught = []

    @kuai.compile
    def step(x, y):
        try:
            return x + y
        except RuntimeError:
            caught.append(1)
            return x

    for _ in range(5):
        step(kuai.ones(2), kuai.ones(3))
    assert len(caught) == 5
    assert step.explain().replayed == 0


def test_a_tensor_that_is_kept_is_not_kept_longer_than_by_python():
    world = World()

    @kuai.compile
    def step(x):
        with kuai.no_grad():
            return world.net(x)

    kept = []
    for number in range(6):
        result = step(kuai.full((4, 3), float(number)))
        kept.append(world.net.last)
        assert result is not world.net.last
    assert len({id(each) for each in kept}) == 6  # another one after each call
    assert step.explain().replayed >= 4


def test_a_kept_tensor_that_stands_elsewhere_is_read_there():
    class Holder:
        """It keeps a tensor."""

    one, other = Holder(), Holder()
    one.total = other.total = kuai.zeros(2)

    @kuai.compile
    def step(x):
        one.total = one.total + x
        return one.total + other.total

    for _ in range(5):
        step(kuai.ones(2))
    other.total = one.total
    assert step(kuai.ones(2)).tolist() == [11.0, 11.0]
    assert step(kuai.ones(2)).tolist() == [12.0, 12.0]


def test_gradients_that_are_zeroed_in_place_are_replayed():
    net = nn.Linear(3, 2)
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.1)

    @kuai.compile
    def step(x):
        optimizer.zero_grad(set_to_none=False)
        net(x).sum().backward()
        optimizer.step()

    for _ in range(6):
        step(kuai.ones(4, 3))
    assert step.explain().replayed == 4, step.explain().reason


def test_attributes_by_name_and_kinds_of_arguments_are_known():
    net = nn.Module()
    net.first, net.second, net.order = nn.Linear(3, 3), nn.Linear(3, 3), ["first", "second"]

    @kuai.compile
    def step(x):
        x = x if isinstance(x, kuai.Tensor) else kuai.tensor(x)
        with kuai.no_grad():
            for name in net.order:
                x = getattr(net, name)(x)
            return x

    x = kuai.ones(4, 3)
    for number in range(8):
        if number == 4:
            net.order.reverse()
        expected = net.first(net.second(x)) if number >= 4 else net.second(net.first(x))
        kuai.testing.assert_close(step(x), expected.detach())
    assert step.explain().replayed == 6, step.explain().reason


def test_lines_that_somebody_looks_at_are_run():
    events = []

    @kuai.compile
    def step(x):
        return x * 2

    for look in (sys.setprofile, sys.settrace):
        for _ in range(4):
            step(kuai.ones(2))
        before = step.explain().replayed
        events.clear()
        look(lambda frame, event, _: events.append(frame.f_code.co_name))
        step(kuai.ones(2))
        look(None)
        assert "step" in events
        assert step.explain().replayed == before > 0


class Mode(enum.Enum):
    """What a step does."""

    DOUBLE = 2.0
    SAME = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What a step reads."""

    mode: Mode = Mode.DOUBLE
    scale: float = 3.0


def test_enumerations_slots_keys_and_starred_names_are_known():
    held = {"options": Options(), "batch": Batch(2.0, Mode.SAME)}

    @kuai.compile
    def step(x):
        options, (k, mode) = held["options"], held["batch"]
        first, *others = [x * options.scale, x * k, x]
        found = first + others[0] + others[-1] * options.mode.value
        if "bias" not in held and options.mode is Mode.DOUBLE and mode != Mode.DOUBLE:
            found = found + held.get("more", 1.0)
        return found

    x, found = kuai.ones(2), []
    for number in range(8):
        if number == 4:
            held["options"] = Options(Mode.SAME)
        found.append(step(x).tolist())
    assert found == [[8.0, 8.0]] * 4 + [[6.0, 6.0]] * 4
    assert step.explain().replayed == 6, step.explain().reason
