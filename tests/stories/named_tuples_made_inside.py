"""Tuples with named fields that a step makes, changes and returns."""

import collections
import typing

from tests.stories.storykit import attempt_type, batch, everything, linear, mlp_with_momentum, story

Out = collections.namedtuple("Out", "loss logits extra", defaults=[3.0])


class Typed(typing.NamedTuple):
    x: object
    scale: float = 1.0
    tag: str = "t"

    def scaled(self):
        return self.x * self.scale


class Slim(Out):
    __slots__ = ()

    @property
    def twice(self):
        return self.loss * 2


@story
def made_inside_and_returned(t, compiled):
    net, opt = mlp_with_momentum(t)
    k = {"extra": 1.0}

    @compiled
    def step(x, y):
        opt.zero_grad()
        logits = net(x)
        out = Out(t.nn.functional.mse_loss(logits, y), logits=logits)
        out.loss.backward()
        opt.step()
        return out._replace(loss=out.loss.detach(), logits=out[1].detach(), extra=k["extra"])

    for n in range(14):
        if n == 4:
            k["extra"] = 2.0
        if n == 7:
            Out.__new__.__defaults__ = (9.0,)
        o = step(*batch(t, n % 2))
        yield type(o).__name__, tuple(o), o._fields, everything(net, opt)
    Out.__new__.__defaults__ = (3.0,)


@story
def of_several_kinds(t, compiled):
    net = linear(t)
    h = {"kind": Out}

    @compiled
    def f(x):
        with t.no_grad():
            b = Typed(x, scale=2.0)
            o = h["kind"](net(b.scaled()).sum(), b.x * 2)
            p = Typed(x=o.extra, tag="z")
            q = Slim(o.loss, o.logits)
            return o.loss, Out(p.tag, q.twice, q[2]), {"b": b.tag}, isinstance(o, tuple)

    for n in range(20):
        if n == 4:
            h["kind"] = Slim
        if n == 7:
            Out.__new__.__defaults__ = (9.0,)
        if n == 10:
            old = Out.__new__
            Out.__new__ = lambda cls, a, b, c=5.0: tuple.__new__(cls, (a * 2, b, c))
        if n == 13:
            Out.__new__ = old
        if n == 15:
            Typed.scaled = lambda self: self.x * 10
        if n == 17:
            Slim.__init__ = lambda self, *a: None
        if n == 18:
            del Slim.__init__
        loss, out, tags, is_tuple = f(batch(t)[0])
        yield loss, tuple(out), type(out).__name__, tags, is_tuple
    Out.__new__.__defaults__ = (3.0,)
    Typed.scaled = lambda self: self.x * self.scale


@story
def replaced_in_ways(t, compiled):
    net = linear(t)

    class R(Out):
        __slots__ = ()

        def _replace(self, **k):
            return Out._replace(self, **{n: v * 2 for n, v in k.items()})

    h = {"o": lambda x: Out(x, x, 1.0)}

    @compiled
    def f(x):
        with t.no_grad():
            o = h["o"](net(x).sum())
            o = o._replace(extra=2.0)
            return o.loss * o.extra

    @compiled
    def wrong(x):
        return Out(x, nothing=1)

    for n in range(9):
        if n == 3:
            h["o"] = lambda x: R(x, x, 1.0)
        if n == 6:
            h["o"] = lambda x: Slim(x, x)
        yield f(batch(t)[0]), attempt_type(wrong, t.ones(1))


@story
def one_tuple_under_two_names(t, compiled):
    net = linear(t)

    @compiled
    def f(x):
        with t.no_grad():
            o = Out(net(x).sum(), x)
            return o, [o, o], o

    for _ in range(5):
        a, b, c = f(batch(t)[0])
        yield a is c, b[0] is a, b[0] is b[1], tuple(a)
