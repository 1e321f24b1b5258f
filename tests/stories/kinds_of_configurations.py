"""Enumerations, named tuples, slots and dicts that say what a step does, and are changed."""

import dataclasses
import enum
from typing import Any, NamedTuple

from tests.stories.storykit import batch, linear, story


class Mode(enum.Enum):
    DOUBLE = "double"
    SAME = "same"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Options(NamedTuple):
    scale: float = 2.0
    mode: Mode = Mode.DOUBLE


@dataclasses.dataclass(slots=True)
class Slots:
    scale: float = 2.0
    level: Level = Level.LOW


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    scale: float = 3.0
    bias: float = 1.0


def _between(t, run, changes):
    """Calls before, between and after changes; twice, so that what was proven before is tried."""
    for _ in range(4):
        yield run(t.ones(2))
    for change in (*changes, *changes[::-1]):
        change()
        for _ in range(2):
            yield run(t.ones(2))


@story
def enumerations(t, compiled):
    config = {"mode": Mode.DOUBLE, "level": Level.LOW}

    @compiled
    def run(x):
        found = x * 2 if config["mode"] is Mode.DOUBLE else x
        if config["mode"] == Mode.SAME or config["level"] == 2:
            found = found + 1
        if config["mode"].value in ("double", "triple") and config["level"] != Level.HIGH:
            found = found * 3
        if config["mode"] in (Mode.SAME, None) or config["mode"].name == "SAME":
            found = found - 0.25
        return found

    yield from _between(
        t,
        run,
        [
            lambda: config.update(mode=Mode.SAME),
            lambda: config.update(level=Level.HIGH),
            lambda: config.update(mode=Mode.DOUBLE),
            lambda: config.update(level=2),
            lambda: config.update(level=Level.LOW),
        ],
    )


@story
def enumerations_that_are_changed(t, compiled):
    class Kind(enum.Enum):
        A = 2.0
        B = 3.0

        def __str__(self):
            return "kind"

    run = compiled(lambda x: x * Kind.A.value + (1 if Kind.A == Kind.B else 2))
    yield from _between(
        t,
        run,
        [
            lambda: setattr(Kind.A, "_value_", 5.0),
            lambda: setattr(Kind, "__eq__", lambda self, other: True),
            lambda: type.__setattr__(Kind, "A", Kind.B),
        ],
    )


@story
def enumerations_with_attributes(t, compiled):
    class Kind(enum.Enum):
        A = (1, 2.0)
        B = (2, 3.0)

        def __init__(self, number, scale):
            self.number, self.scale = number, scale

        @property
        def double(self):
            return 2 * self.scale

        def __eq__(self, other):
            return True

        __hash__ = object.__hash__

    held = {"kind": Kind.A}
    read = compiled(lambda x: x * held["kind"].scale + held["kind"].value[1])
    computed = compiled(lambda x: x * held["kind"].double + (held["kind"] == Kind.B))
    yield from _between(
        t,
        lambda x: (read(x), computed(x)),
        [
            lambda: held.update(kind=Kind.B),
            lambda: vars(Kind.B).update(scale=9.0),
            lambda: setattr(Kind, "scale", property(lambda self: 1.0)),
            lambda: setattr(Kind, "__eq__", lambda self, other: False),
            lambda: setattr(Kind, "double", 4.0),
        ],
    )


@story
def named_tuples(t, compiled):
    config = {"options": Options()}

    @compiled
    def run(x):
        options = config["options"]
        scale, mode = options
        found = x * options.scale if options.mode is Mode.DOUBLE else x + scale
        return found * options[0] if mode is options.mode else found

    yield from _between(
        t,
        run,
        [
            lambda: config.update(options=Options(3.0)),
            lambda: config.update(options=config["options"]._replace(mode=Mode.SAME)),
            lambda: config.update(options=Options(3.0, Mode.SAME)),
        ],
    )


@story
def named_tuples_of_tensors(t, compiled):
    class Pair(NamedTuple):
        weight: Any
        bias: Any

    held = {"pair": Pair(t.ones(2), t.zeros(2))}
    run = compiled(lambda x: x * held["pair"].weight + held["pair"].bias)
    yield from _between(
        t,
        run,
        [
            lambda: held["pair"].weight.mul_(3),
            lambda: held.update(pair=Pair(held["pair"].bias, held["pair"].weight)),
            lambda: setattr(Pair, "bias", property(lambda self: self.weight + 1)),
        ],
    )


@story
def slots(t, compiled):
    config, frozen = Slots(), [Frozen()]

    @compiled
    def run(x):
        found = x * config.scale + frozen[0].bias
        return found * frozen[0].scale if config.level is Level.LOW else found

    def remove():
        del config.scale

    yield from _between(
        t,
        run,
        [
            lambda: setattr(config, "scale", 7.0),
            lambda: setattr(config, "level", Level.HIGH),
            lambda: frozen.__setitem__(0, Frozen(bias=4.0)),
            lambda: object.__setattr__(frozen[0], "bias", 6.0),
        ],
    )
    remove()
    try:
        run(t.ones(2))
    except AttributeError as error:
        yield type(error).__name__
    config.scale = 1.0
    for _ in range(2):
        yield run(t.ones(2))


@story
def slots_that_become_properties(t, compiled):
    class Own:
        __slots__ = ("k",)

        def __init__(self, k):
            self.k = k

    thing = Own(2.0)
    slot = Own.__dict__["k"]
    run = compiled(lambda x: x * thing.k)
    yield from _between(
        t,
        run,
        [
            lambda: setattr(Own, "k", property(lambda self: 9.0)),
            lambda: setattr(Own, "k", slot),
            lambda: setattr(thing, "k", 4.0) if Own.__dict__["k"] is slot else None,
        ],
    )


@story
def keys_and_elements(t, compiled):
    config, layers, absent = {"scale": 2.0}, ["drop", 1.0], {}

    @compiled
    def run(x):
        found = x * config["scale"] if "scale" in config else x
        found = found + 1 if "bias" not in config else found + config.get("bias")
        if "drop" in layers or 2.0 in layers:
            found = found * 5
        if "a" in {"a", "b"} and "key" not in absent:
            found = found - 1
        return found * config.get("extra", 1.5)

    yield from _between(
        t,
        run,
        [
            lambda: config.pop("scale", None),
            lambda: config.update(bias=3.0, scale=4.0),
            lambda: layers.remove("drop") if "drop" in layers else layers.append(2.0),
            lambda: absent.update(key=None),
            lambda: config.update(extra=0.5),
            lambda: config.pop("bias", None),
        ],
    )


@story
def starred(t, compiled):
    numbers, tensors = [1.0, 2.0, 3.0], [t.ones(2), t.ones(2) * 2]

    @compiled
    def run(x):
        first, *others = numbers
        *before, last = [x * k for k in numbers]
        one, *middle, end = (*tensors, x)
        middle.append(last)
        return first * x + sum(others) + last + len(before), middle, one + end

    yield from _between(
        t,
        run,
        [
            lambda: numbers.append(4.0),
            lambda: tensors.append(t.zeros(2)),
            lambda: numbers.__setitem__(0, 9.0),
            lambda: tensors[0].add_(1),
        ],
    )


@story
def training_by_configuration(t, compiled):
    net = linear(t)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    config = Slots()
    mode: dict[str, Any] = {"loss": Mode.DOUBLE}

    @compiled
    def scaled(x, y):
        optimizer.zero_grad()
        found, *_ = net(x), x
        loss = (found - y).square().mean() * config.scale
        if mode["loss"] is Mode.DOUBLE and "clip" not in mode:
            loss = loss * 2
        loss.backward()
        if "clip" in mode:
            t.nn.utils.clip_grad_norm_(net.parameters(), mode["clip"])
        optimizer.step()
        return loss

    for index in range(12):
        yield scaled(*batch(t, index)), net.weight
        if index == 4:
            config.scale = 0.5
        if index == 6:
            mode["loss"] = Mode.SAME
        if index == 8:
            mode["clip"] = 0.1
