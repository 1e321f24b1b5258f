"""A compiled function stands where the function stood: bound, copied, pickled, looked at."""

import abc
import contextlib
import copy
import dataclasses
import functools
import inspect
import pickle
import typing
import unittest.mock
import weakref

from tests.stories.storykit import (
    attempt,
    attempt_type,
    batch,
    everything,
    fill,
    linear,
    mlp_with_momentum,
    mse,
    story,
)


class ModuleLevel:
    def __init__(s, k):
        s.k = k

    def step(s, x):
        return x * s.k


def module_level(x):
    return x * 3


@story
def trainer_with_a_compiled_method_is_copied(t, compiled):
    class Tr:
        def __init__(s):
            s.net, s.opt = mlp_with_momentum(t)
            s.step = compiled(s._step)
            s.k = 1.0

        def _step(s, x, y):
            s.opt.zero_grad()
            loss = mse(t, s.net(x), y) * s.k
            loss.backward()
            s.opt.step()
            return loss.detach()

    a = Tr()
    b = None
    for n in range(10):
        if n == 4:
            b = copy.deepcopy(a)
            b.k = 3.0
        yield (
            a.step(*batch(t)),
            everything(a.net, a.opt),
            (b.step(*batch(t, 1)) if b and n % 2 else None),
            (everything(b.net, b.opt) if b else None),
        )


@story
def module_with_a_compiled_method_is_copied(t, compiled):
    class M(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.l = t.nn.Linear(3, 2)
            s.encode = compiled(s._encode)

        def _encode(s, x):
            return s.l(x).tanh()

        def forward(s, x):
            return s.encode(x).sum()

    a = fill(t, M())
    b = copy.deepcopy(a)
    with t.no_grad():
        b.l.weight.mul_(2)
    for n in range(8):
        if n == 5:
            with t.no_grad():
                b.l.bias.add_(1)
        yield a(batch(t)[0]).detach(), b(batch(t)[0]).detach()


@story
def compiled_partial_is_copied(t, compiled):
    class Bag:
        pass

    net = linear(t)
    bag = Bag()
    bag.f = compiled(functools.partial(lambda m, x: m(x).sum().detach(), net))
    bag.net = net
    b2 = copy.deepcopy(bag)
    with t.no_grad():
        b2.net.weight.zero_()
    for _ in range(6):
        yield bag.f(batch(t)[0]), b2.f(batch(t)[0])


@story
def callable_object_compiled_and_copied(t, compiled):
    class C:
        def __init__(s):
            s.net = linear(t)
            s.n = 0

        def __call__(s, x):
            s.n += 1
            return s.net(x).sum().detach() + s.n

    c = C()
    bag = {"f": compiled(c), "c": c}
    b2 = copy.deepcopy(bag)
    for _ in range(6):
        yield bag["f"](batch(t)[0]), b2["f"](batch(t)[0]), bag["c"].n, b2["c"].n


@story
def attributes_set_on_a_function_before(t, compiled):
    def f(x):
        return x * f0.k

    f.k = 2.0
    f.tags = ["a"]
    f0 = compiled(f)
    for n in range(6):
        if n == 3:
            f0.k = 3.0
        yield (
            f0(t.ones(2)),
            attempt_type(lambda: f0.tags),
            attempt_type(lambda: f0.__name__),
            attempt_type(lambda: f0.__code__.co_argcount),
            attempt_type(lambda: f0.__defaults__),
        )


@story
def abstract_methods_compiled(t, compiled):
    class Base(abc.ABC):
        @compiled
        @abc.abstractmethod
        def f(self, x): ...

    class Sub(Base):
        @compiled
        def f(self, x):
            return x * 2

    for _ in range(4):
        yield (
            attempt_type(Base) if not isinstance(attempt(Base), Base) else "made",
            Sub().f(t.ones(2)),
        )


@story
def kinds_of_methods_compiled(t, compiled):
    class C:
        k = 2.0

        @staticmethod
        @compiled
        def s(x):
            return x * 2

        @classmethod
        @compiled
        def c(cls, x):
            return x * cls.k

        @property
        @compiled
        def p(self):
            return self.v * self.k

        @functools.cached_property
        @compiled
        def q(self):
            return self.v + 1

        def __init__(self):
            self.v = t.ones(2)

        @compiled
        def __call__(self, x):
            return self.v + x

        @compiled
        def __getitem__(self, i):
            return self.v[i] * self.k

        @compiled
        def __len__(self):
            return len(self.v)

    c = C()
    for n in range(8):
        if n == 4:
            C.k = 3.0
            c.v = t.ones(2) * 5
        yield c.s(c.v), c.c(c.v), c.p, c.q, c(t.ones(2)), c[0], len(c)


@story
def staticmethod_object_compiled(t, compiled):
    class C:
        s = compiled(staticmethod(lambda x: x * 2))

    for _ in range(4):
        yield attempt_type(lambda: C.s(t.ones(2)))


@story
def pickled_compiled_things(t, compiled):
    f = compiled(ModuleLevel(2.0).step)
    bag = {"f": f}
    for _ in range(4):
        g = pickle.loads(pickle.dumps(bag))["f"]
        yield g(t.ones(2)), f(t.ones(2))


@story
def pickled_compiled_function(t, compiled):
    global module_level
    plain = module_level
    module_level = compiled(plain)
    try:
        for _ in range(4):
            g = pickle.loads(pickle.dumps(module_level))
            yield g(t.ones(2)), g is module_level
    finally:
        module_level = plain


@story
def signature_and_help(t, compiled):
    def f(x: int, *, k: float = 2.0) -> float:
        "Doc."
        return x * k

    g = compiled(f)
    for _ in range(3):
        yield (
            str(inspect.signature(g)),
            g.__doc__,
            g.__qualname__.rpartition(".")[2],
            list(inspect.getfullargspec(g).kwonlyargs),
            g(t.ones(1)),
            sorted(g.__annotations__),
            callable(g),
            g.__module__ == __name__,
        )


@story
def equality_and_hash_of_bound_compiled(t, compiled):
    class C:
        @compiled
        def f(self, x):
            return x * 2

    c = C()
    d = C()
    for _ in range(3):
        yield (
            c.f == c.f,
            c.f == d.f,
            hash(c.f) == hash(c.f),
            c.f.__self__ is c,
            c.f(t.ones(1)),
            c.f.__name__,
        )


@story
def setters_of_function_parts(t, compiled):
    def f(x, k=1.0):
        return x * k

    g = compiled(f)
    for n in range(8):
        if n == 3:
            g.__defaults__ = (5.0,)
        if n == 6:
            g.__code__ = (lambda x, k: x - k).__code__
        yield g(t.ones(2))


@story
def callables_as_class_attributes(t, compiled):
    class K:
        def __call__(s, x):
            return x + 1

    def two(x, y):
        return x * y

    class Other:
        def m(s, x):
            return x * 5

    o = Other()

    class C:
        part = compiled(functools.partial(two, 3.0))
        obj = compiled(K())
        meth = compiled(o.m)

        @compiled
        @staticmethod
        def st(x):
            return x * 7

        @compiled
        @classmethod
        def cl(cls, x):
            return x * cls.k

        k = 2.0
        lam = compiled(lambda self, x: x * self.k)

        @compiled
        @functools.cache  # noqa: B019 - as people write it
        def cached(self, n):
            return n * 2

    class D(C):
        k = 4.0

    c = C()
    d = D()
    for n in range(6):
        x = t.ones(2)
        if n == 3:
            C.k = 9.0
        yield (
            c.part(x),
            c.obj(x),
            c.meth(x),
            c.st(x),
            C.st(x),
            c.cl(x),
            C.cl(x),
            d.cl(x),
            D.cl(x),
            c.lam(x),
            d.lam(x),
            c.cached(n),
            C.part(x),
        )


@story
def padded_methods_copied(t, compiled):
    class M(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.l = t.nn.Linear(3, 2)
            s.enc = compiled(s._enc, dynamic_batch=True)

        def _enc(s, x):
            return s.l(x)

        @compiled(dynamic_batch=True)
        def enc2(s, x):
            return s.l(x) * 2

        def forward(s, x):
            return s.enc(x) + s.enc2(x)

    a = fill(t, M())
    b = copy.deepcopy(a)
    with t.no_grad():
        b.l.weight.mul_(2)
    for n in range(6):
        yield a(batch(t, n, 2 + n)[0]).detach(), b(batch(t, n, 3)[0]).detach()


@story
def wrapped_by_functools_with_attributes(t, compiled):
    @compiled
    def step(x):
        return x * step.k

    step.k = 2.0
    step.calls = []
    step._hidden = 1

    @functools.wraps(step)
    def logged(x):
        logged.calls.append(1)
        return step(x) + logged.k

    for n in range(8):
        if n == 4:
            step.k = 3.0
        if n == 6:
            logged.k = 10.0
        with unittest.mock.patch.object(step, "k", 7.0):
            mocked = step(t.ones(1))
        yield (
            logged(t.ones(2)),
            len(step.calls),
            logged.__name__,
            logged._hidden,
            mocked,
            step.k,
            sorted(n for n in vars(step) if not n.startswith("__")),
        )


@story
def records_and_other_names_of_ones_own(t, compiled):
    @compiled
    def step(x):
        step.records.append(float(x.sum()))
        step.parts += 1
        step.lock = "a"
        step.function = len(step.records)
        return x * step.given

    step.records = []
    step.parts = 0
    step.given = 2.0
    step.named = {}
    step.replays = 5
    for n in range(8):
        if n == 5:
            step.given = 3.0
        yield (
            step(t.ones(2)),
            list(step.records),
            step.parts,
            step.lock,
            step.function,
            step.replays,
            step.named,
        )


@story
def context_manager_and_generator_decorators(t, compiled):
    log = []

    @contextlib.contextmanager
    @compiled
    def scope(x):
        log.append("in")
        y = x * 2
        yield y
        log.append("out")

    @compiled
    @contextlib.contextmanager
    def scope2(x):
        yield x * 3

    for _ in range(5):
        with scope(t.ones(2)) as y, scope2(y) as z:
            r = y + z
        yield r, list(log), inspect.isgeneratorfunction(scope.__wrapped__)


@story
def dataclass_with_compiled_fields(t, compiled):
    @dataclasses.dataclass
    class C:
        act: typing.Callable = compiled(lambda x: x * 2)
        make: typing.Any = dataclasses.field(default_factory=compiled(lambda: t.ones(2)))

        def go(s):
            return s.act(s.make) if not inspect.ismethod(s.act) else "bound"

    for _ in range(4):
        c = C()
        d = dataclasses.replace(c, act=compiled(t.relu))
        e = copy.copy(c)
        yield attempt_type(c.go), d.go(), attempt_type(e.go), C.act(t.ones(1))


@story
def weak_references_and_sets(t, compiled):
    def f(x):
        return x * 2

    g = compiled(f)
    s = {g}
    w = weakref.ref(g)
    d = weakref.WeakKeyDictionary()
    d[g] = 1
    for _ in range(4):
        yield g in s, w() is g, len(d), g(t.ones(1)), copy.copy(g) is g, copy.deepcopy(g) is g
