"""Special methods and bases of classes, which decide how things are read."""

import types
import typing

from tests.stories.storykit import attempt_type, changed_and_back, story


@story
def truth_of_a_named_tuple(t, compiled):
    flag = [True]

    class B(typing.NamedTuple):
        x: typing.Any

        def __bool__(self):
            return flag[0]

    def mk(x):
        return B(x)

    @compiled
    def f(b):
        return b.x * 2 if b else b.x * 5

    for n in range(10):
        if n == 5:
            flag[0] = False
        if n == 8:
            flag[0] = True
        yield f(mk(t.ones(2)))


@story
def truth_of_a_named_tuple_made_inside(t, compiled):
    flag = [True]

    class B(typing.NamedTuple):
        x: typing.Any

        def __bool__(self):
            return flag[0]

    @compiled
    def f(x):
        b = B(x)
        return b.x * 2 if b else b.x * 5

    for n in range(10):
        if n == 5:
            flag[0] = False
        if n == 8:
            flag[0] = True
        yield f(t.ones(2))


@story
def not_of_a_named_tuple(t, compiled):
    class B(typing.NamedTuple):
        x: typing.Any

    @compiled
    def f(b):
        k = 1.0
        if not b:
            k = 7.0
        return b.x * k

    for n in range(10):
        if n == 5:
            B.__bool__ = lambda s: False
        if n == 8:
            del B.__bool__
        yield f(B(t.ones(2)))


@story
def reversed_of_a_named_tuple(t, compiled):
    class B(typing.NamedTuple):
        x: typing.Any
        y: typing.Any

        def __reversed__(s):
            return iter([s.x, s.x])

    @compiled
    def f(b):
        z = 0
        for n, v in enumerate(reversed(b)):
            z = z + v * (n + 1)
        return z

    def ch():
        B.__reversed__ = lambda s: iter([s.y, s.y])

    def bk():
        del B.__reversed__

    yield from changed_and_back(lambda: f(B(t.ones(2), t.ones(2) * 3)), ch, bk)


@story
def iteration_of_a_named_tuple_patched(t, compiled):
    class B(typing.NamedTuple):
        x: typing.Any
        y: typing.Any

    @compiled
    def f(p):
        b = B(p, p * 2)
        x, y = b
        return x + y * 2, b[0], len(b)

    def ch():
        B.__iter__ = lambda s: iter([s.y, s.x])
        B.__getitem__ = lambda s, i: s.y

    def bk():
        del B.__iter__, B.__getitem__

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def base_taken_from_a_class(t, compiled):
    class Scaled:
        pass

    class Other:
        pass

    class Layer(Scaled, t.nn.Module):
        def forward(self, x):
            return x * 2

    layer = Layer()

    @compiled
    def f(x):
        y = layer(x)
        if isinstance(layer, Scaled):
            y = y * 10
        return y

    for n in range(10):
        if n == 5:
            Layer.__bases__ = (Other, t.nn.Module)
        if n == 8:
            Layer.__bases__ = (Scaled, t.nn.Module)
        yield f(t.ones(2))


@story
def base_of_a_configuration_taken(t, compiled):
    class Fancy:
        pass

    class Base:
        pass

    class Cfg(Base, Fancy):
        k = 3.0

    cfg = Cfg()

    @compiled
    def f(x):
        return x * cfg.k if isinstance(cfg, Fancy) else x

    for n in range(10):
        if n == 5:
            Cfg.__bases__ = (Base,)
        if n == 8:
            Cfg.__bases__ = (Base, Fancy)
        yield f(t.ones(2))


@story
def reversed_module_list(t, compiled):
    class ML(t.nn.ModuleList):
        pass

    ml = ML([t.nn.Tanh(), t.nn.Sigmoid()])

    @compiled
    def f(x):
        for m in reversed(ml):
            x = m(x)
        return x

    def ch():
        ML.__reversed__ = lambda s: iter([s[0]])

    def bk():
        del ML.__reversed__

    yield from changed_and_back(lambda: attempt_type(f, t.ones(2)), ch, bk)


@story
def getattr_of_a_module_file(t, compiled):
    mod = types.ModuleType("settings_of_a_program")
    vals = {"k": 2.0}
    mod.__getattr__ = lambda name: vals[name]

    @compiled
    def f(x):
        return x * mod.k

    yield from changed_and_back(
        lambda: f(t.ones(2)), lambda: vals.update(k=3.0), lambda: setattr(mod, "k", 9.0)
    )


@story
def attribute_with_a_dot_in_its_name(t, compiled):
    class C:
        pass

    setattr(C, "w.k", 2.0)
    c = C()

    @compiled
    def f(x):
        return x * getattr(C, "w.k") + getattr(c, "w.k")

    yield from changed_and_back(
        lambda: f(t.ones(2)), lambda: setattr(C, "w.k", 3.0), lambda: setattr(c, "w.k", 7.0)
    )


@story
def descriptor_that_gives_itself_to_the_class(t, compiled):
    class D:
        v = 2.0

    class R:
        v = 11.0

    class A:
        k = D()

    a = A()

    @compiled
    def f(x):
        return x * a.k.v + A.k.v

    def ch():
        D.__get__ = lambda s, o, c=None: s if o is None else R

    def bk():
        del D.__get__

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def descriptor_that_raises_for_the_class(t, compiled):
    class A:
        k = 2.0

    a = A()

    class D:
        def __get__(s, o, c=None):
            if o is None:
                raise RuntimeError("only of instances")
            return 5.0

    @compiled
    def f(x):
        return x * a.k

    def ch():
        A.k = D()

    def bk():
        A.k = 2.0

    yield from changed_and_back(lambda: attempt_type(f, t.ones(2)), ch, bk)


@story
def class_of_a_module_attribute_gets_a_get(t, compiled):
    class Act:
        def __init__(s, k):
            s.k = k

    class Net(t.nn.Module):
        act = Act(2.0)

        def forward(s, x):
            return x * s.act.k

    net = Net()

    @compiled
    def f(x):
        return net(x)

    other = Act(9.0)

    def ch():
        Act.__get__ = lambda s, o, c=None: s if o is None else other

    def bk():
        del Act.__get__

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def object_that_notes_what_is_asked(t, compiled):
    log = []

    class Spy:
        k = 2.0

        def __getattribute__(s, name):
            log.append(name)
            return object.__getattribute__(s, name)

    spy = Spy()

    @compiled
    def f(x):
        return x * spy.k

    def ch():
        Spy.k = 3.0

    def bk():
        Spy.__getattribute__ = lambda s, name: 11.0

    yield from changed_and_back(lambda: (f(t.ones(2)), list(log)), ch, bk)


@story
def argument_that_notes_what_is_asked(t, compiled):
    log = []

    class Spy:
        k = 2.0

        def __getattribute__(s, name):
            log.append(name)
            return object.__getattribute__(s, name)

    spy = Spy()

    @compiled
    def f(x, spy):
        return x * spy.k

    def ch():
        Spy.k = 3.0

    def bk():
        Spy.__getattribute__ = lambda s, name: 11.0

    yield from changed_and_back(lambda: (f(t.ones(2), spy), list(log)), ch, bk)
