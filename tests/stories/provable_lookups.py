"""`getattr`, `hasattr`, `match`, `isinstance`, modes, containers: and what changes them."""

import builtins
import collections
import enum
import types

from tests.stories.storykit import attempt_type, batch, everything, fill, linear, numbers, story


@story
def getattr_and_hasattr(t, compiled):
    class Opt:
        lr = 1.0

    class Net(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.l = t.nn.Linear(3, 2)

        def forward(s, x):
            x = s.l(x)
            if hasattr(s, "extra"):
                x = s.extra(x)
            if getattr(s, "bias2", None) is not None:
                x = x + s.bias2
            return x * getattr(s, "gain", 1.0) + getattr(o, "wd", 0.5) * getattr(o, "lr", 9.0)

    o = Opt()
    net = fill(t, Net())
    w = t.ones(2)

    @compiled
    def f(x):
        with t.no_grad():
            y = net(x)
        if getattr(w, "_skip", False):
            y = y * 0
        if hasattr([], "append") and not hasattr({}, "append") and hasattr(t, "ones"):
            y = y + 1
        return y + w

    for n in range(34):
        if n == 3:
            net.extra = t.nn.Identity()
        if n == 5:
            net.gain = 3.0
        if n == 7:
            o.wd = 2.0
        if n == 9:
            del o.wd
            Opt.wd = 4.0
        if n == 11:
            del Opt.wd
        if n == 13:
            Opt.__getattr__ = lambda s, name: 6.0
        if n == 15:
            del Opt.__getattr__
        if n == 17:
            net.register_buffer("bias2", t.ones(2))
        if n == 19:
            net.bias2 = None
        if n == 21:
            Net.gain = 100.0
            del net.gain
        if n == 23:
            net.register_parameter("bias2b", None)
            del net.extra
        if n == 25:
            w._skip = True
        if n == 27:
            del w._skip
        if n == 29:
            net.extra = lambda x: x - 1
        if n == 31:
            Opt.wd = property(lambda s: 11.0)
        yield f(batch(t)[0])


@story
def lookups_by_name(t, compiled):
    class Meta(type):
        x_of_meta = 5.0

    class A(metaclass=Meta):
        pass

    class B:
        __slots__ = ("v", "__dict__")

    class C:
        pass

    a, b, c = A(), B(), C()

    @compiled
    def f(x):
        for o in (a, b, c):
            x = x * getattr(o, "gain", 2.0) + (1 if hasattr(o, "v") else 3)
        return x + getattr(c, "x_of_meta", 0.0) + getattr(len, "nothing", 7.0)

    for n in range(20):
        if n == 3:
            a.gain = 4.0
        if n == 5:
            b.v = 1
        if n == 7:
            C.v = property(lambda s: s.nothing)
        if n == 9:
            C.v = 1
        if n == 11:
            C.__getattr__ = lambda s, n: 10.0
        if n == 13:
            del C.__getattr__
        if n == 15:
            c.__class__ = type("D", (), {"gain": 9.0})
        if n == 17:
            C.__getattribute__ = lambda s, n: 8.0
            c.__class__ = C
        if n == 19:
            del C.__getattribute__
        yield f(t.ones(2))


class Mode(enum.Enum):
    A = 1
    B = 2


@story(tolerance=(1e-4, 1e-6))
def matches(t, compiled):
    S = types.SimpleNamespace(mode=Mode.A, name="relu", n=3, v=None)

    @compiled
    def f(x):
        match S.mode:
            case Mode.A:
                x = x * 2
            case Mode.B:
                x = x * 3
        match S.name:
            case "relu" | "lrelu":
                x = t.relu(x)
            case _:
                x = t.tanh(x)
        match S.n:
            case 1 | 2:
                x = x + 1
            case n if n > 5:
                x = x + n
            case other:
                x = x - other
        match S.v:
            case None:
                return x
            case True:
                return x * 10
            case _:
                return x * 100

    for n in range(16):
        if n == 3:
            S.mode = Mode.B
        if n == 5:
            S.n = 7
        if n == 7:
            S.v = True
        if n == 9:
            S.v = 1
        if n == 11:
            S.n = 1.0
        if n == 13:
            S.name = "lrelu"
        if n == 15:
            S.name = "other"
        yield attempt_type(f, t.ones(2) * -1)


@story
def modes_asked(t, compiled):
    net = linear(t)

    @compiled
    def f(x):
        y = net(x)
        if t.is_grad_enabled():
            y = y * 2
        return y.detach()

    @compiled
    @t.no_grad()
    def g(x):
        return f(x) + (1 if t.is_grad_enabled() else 2)

    for n in range(10):
        with t.set_grad_enabled(n not in (3, 4, 7)):
            yield f(batch(t)[0]), g(batch(t)[0])


@story
def modes_and_kinds_of_tensors(t, compiled):
    w = t.ones(3)

    @compiled
    def f(x, y=None):
        if y is None:
            y = x
        if not t.is_tensor(y):
            y = t.tensor(y)
        if t.is_inference_mode_enabled():
            y = y * 2
        if x.dtype.is_floating_point and x.device.type.startswith("c"):
            y = y + w
        return y if type(y) is t.Tensor else None

    for n in range(14):
        x = t.ones(3, dtype=t.float64 if n == 4 else t.int64 if n == 5 else t.float32)
        y = [1.0, 2.0, 3.0] if n == 6 else 2.0 if n == 7 else None
        if n == 9:
            w.mul_(2)
        with t.inference_mode(n in (10, 11)):
            r = f(x, y)
        yield r.clone() if r is not None else r


@story
def results_of_other_kinds(t, compiled):
    class Net(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.l = t.nn.Linear(3, 2)
            s.mode = 0

        def forward(s, x):
            y = s.l(x)
            return (
                y
                if s.mode == 0
                else (y, y * 2)
                if s.mode == 1
                else {"y": y}
                if s.mode == 2
                else [y]
            )

    net = fill(t, Net())

    @compiled
    def f(x):
        out = net(x)
        if isinstance(out, (tuple, list)):
            out = out[-1]
        elif isinstance(out, dict):
            out = out["y"]
        h = x * 2
        if isinstance(h, tuple):
            h = h[0]
        if isinstance(h, t.Tensor) and h.is_floating_point() and not h.is_cuda:
            h = h.float()
        return out.detach(), h

    for n in range(12):
        net.mode = n // 3
        yield f(batch(t)[0])


@story(tolerance=(1e-3, 1e-5))
def parameter_containers(t, compiled):
    class Net(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.row = t.nn.ParameterList([t.nn.Parameter(numbers(t, 2, seed=i)) for i in range(3)])
            s.table = t.nn.ParameterDict({"a": t.nn.Parameter(numbers(t, 2, seed=7))})

        def forward(s, x):
            for p in s.row:
                x = x * p
            return x + s.table["a"] + s.row[0] * len(s.row)

    net = Net()
    opt = t.optim.SGD(net.parameters(), lr=0.1)

    @compiled
    def step(x):
        opt.zero_grad()
        loss = net(x).pow(2).mean()
        loss.backward()
        opt.step()
        return loss.detach()

    for n in range(22):
        if n == 3:
            net.row.append(t.nn.Parameter(t.ones(2) * 2))
        if n == 6:
            net.row[1] = t.nn.Parameter(t.ones(2) * 3)
        if n == 8:
            net.table["a"] = t.nn.Parameter(t.ones(2))
        if n == 10:
            net.table["b"] = t.nn.Parameter(t.ones(2))
        if n == 12:
            net.row[0].data.mul_(2)
        if n == 14:
            net.row._size = 2
        if n == 16:
            net.row.requires_grad_(False)
        if n == 18:
            net.row = t.nn.ParameterList([t.nn.Parameter(t.ones(2))])
        if n == 20:
            type(net.row).__getitem__, old = (lambda s, i: t.ones(2) * 5), type(net.row).__getitem__
        if n == 21:
            t.nn.ParameterList.__getitem__ = old
        yield step(t.ones(3, 2)), everything(net)


@story
def changed_builtins(t, compiled):
    S = types.SimpleNamespace(row=[3, 1])

    @compiled
    def f(x):
        for v in sorted(S.row):
            x = x * 2 + v
        return x + max(S.row) + len("abc") + getattr(S, "q", 1)

    old = builtins.sorted

    def backwards(row, **options):
        return old(row, **options)[:: -1 if row is S.row else 1]

    try:
        for n in range(12):
            if n == 3:
                builtins.sorted = backwards
            if n == 5:
                builtins.sorted = old
            if n == 7:
                globals()["max"] = lambda row: 100
            if n == 9:
                del globals()["max"]
            if n == 10:
                S.q = 50
            yield f(t.ones(2))
    finally:
        builtins.sorted = old
        globals().pop("max", None)


@story(tolerance=(1e-4, 1e-5))
def truth_of_things(t, compiled):
    class Block(t.nn.Module):
        def __init__(s, norm=None):
            super().__init__()
            s.l = t.nn.Linear(3, 3)
            s.norm = norm
            s.extra = []

        def forward(s, x):
            x = s.l(x)
            if s.norm:
                x = s.norm(x)
            for e in s.extra or ():
                x = e(x)
            return x

    class Obj:
        pass

    net = fill(t, Block(t.nn.ReLU()))
    S = types.SimpleNamespace(
        row=[1.0], d={"k": 2.0}, o=Obj(), od=collections.OrderedDict(), f=None, e=()
    )

    @compiled
    def f(x):
        with t.no_grad():
            y = net(x)
        if S.row:
            y = y * S.row[0]
        if not S.d:
            y = y + 1
        if S.o and not S.od:
            y = y - 1
        if S.f and not S.e:
            y = S.f(y)
        return y

    for n in range(40):
        if n == 3:
            net.norm = None
        if n == 5:
            net.extra.append(t.tanh)
        if n == 7:
            S.row.clear()
        if n == 9:
            S.d.clear()
        if n == 11:
            S.d["x"] = 1
        if n == 13:
            Obj.__bool__ = lambda s: False
        if n == 15:
            del Obj.__bool__
        if n == 17:
            Obj.__len__ = lambda s: 0
        if n == 19:
            del Obj.__len__
        if n == 21:
            S.od["a"] = 1
        if n == 23:
            S.od.clear()
        if n == 25:
            S.f = lambda v: v * 10
        if n == 27:
            S.e = (1,)
        if n == 29:
            net.norm = t.nn.Sequential()
        if n == 31:
            net.norm = t.nn.Sequential(t.nn.Tanh())
        if n == 33:
            t.nn.ReLU.__len__ = lambda s: 0
            net.norm = t.nn.ReLU()
        if n == 35:
            del t.nn.ReLU.__len__
        if n == 37:
            S.o = None
        if n == 39:
            S.row = t.ones(1)
        yield f(batch(t)[0])
