"""Whatever Python has to keep a number in, changed between calls."""

import array
import ctypes
import decimal
import fractions
import functools
import struct
import types
import weakref

from tests.stories.storykit import attempt_type, changed_and_back, story


@story
def bytearray_and_memoryview(t, compiled):
    b = bytearray([1, 2, 3])
    m = memoryview(b)

    @compiled
    def f(x):
        return x * b[0] + m[1]

    def ch():
        b[0] = 9
        m[1] = 7

    def bk():
        b[:] = bytes([1, 2, 3])

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def array_module_and_struct(t, compiled):
    a = array.array("f", [1.0, 2.0])

    @compiled
    def f(x):
        return x * a[0] + t.tensor(a.tolist()) + struct.unpack("f", struct.pack("f", a[1]))[0]

    def ch():
        a[0] = 5.0
        a[1] = 3.0

    def bk():
        a[0] = 1.0

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def ctypes_and_decimal(t, compiled):
    c = ctypes.c_float(2.0)
    d = [decimal.Decimal("1.5"), fractions.Fraction(1, 2)]

    @compiled
    def f(x):
        return x * c.value + float(d[0]) + float(d[1])

    def ch():
        c.value = 3.0
        d[0] = decimal.Decimal(4)

    def bk():
        c.value = 2.0
        d[1] = fractions.Fraction(3, 2)

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def mapping_proxy_over_a_dict(t, compiled):
    d = {"k": 2.0, "l": [1.0]}
    p = types.MappingProxyType(d)

    @compiled
    def f(x):
        return x * p["k"] + p["l"][0]

    def ch():
        d["k"] = 3.0
        d["l"][0] = 4.0

    def bk():
        d.update(k=2.0)

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def views_of_a_dict_kept(t, compiled):
    d = {"a": 2.0, "b": 3.0}
    vs, ks, it = d.values(), d.keys(), d.items()

    @compiled
    def f(x):
        for v in vs:
            x = x * v
        for _, v in it:
            x = x + v
        return x + len(ks)

    def ch():
        d["c"] = 5.0

    def bk():
        del d["a"]

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def tuple_holding_a_list_and_a_dict(t, compiled):
    z = ([1.0, 2.0], {"k": {"deep": [3.0]}})

    @compiled
    def f(x):
        return x * z[0][1] + z[1]["k"]["deep"][0]

    def ch():
        z[0][1] = 9.0
        z[1]["k"]["deep"].insert(0, 7.0)

    def bk():
        z[1]["k"] = {"deep": [1.0]}

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def slice_object_in_a_config(t, compiled):
    cfg = {"s": slice(0, 2), "r": range(0, 3), "i": Ellipsis}

    @compiled
    def f(x):
        return x[cfg["s"]], x[list(cfg["r"])], x[cfg["i"]]

    def ch():
        cfg.update(s=slice(1, 3), r=range(1, 2))

    def bk():
        cfg.update(s=slice(0, 2, None), i=0)

    yield from changed_and_back(lambda: f(t.arange(4.0)), ch, bk)


@story
def descriptor_with_state(t, compiled):
    class D:
        def __init__(s):
            s.k = 2.0

        def __get__(s, o, c=None):
            return s.k

        def __set__(s, o, v):
            s.k = v

    class A:
        k = D()

    a = A()

    @compiled
    def f(x):
        return x * a.k

    yield from changed_and_back(
        lambda: f(t.ones(2)), lambda: setattr(a, "k", 3.0), lambda: setattr(A, "k", 5.0)
    )


@story
def plain_attribute_becomes_a_descriptor(t, compiled):
    class D:
        pass

    class A:
        k = 2.0

    a = A()

    @compiled
    def f(x):
        return x * a.k

    def ch():
        d = D()
        D.__get__ = lambda s, o, c=None: 7.0
        A.k = d

    def bk():
        a.__dict__["k"] = 4.0

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def instance_value_is_hidden_by_a_data_descriptor(t, compiled):
    class A:
        pass

    a = A()
    a.k = 2.0

    @compiled
    def f(x):
        return x * a.k

    class D:
        def __get__(s, o, c=None):
            return 7.0

        def __set__(s, o, v):
            pass

    def ch():
        A.k = D()

    def bk():
        del A.k

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def descriptor_gets_its_get_later(t, compiled):
    class D:
        v = 2.0

    class A:
        k = D()

    a = A()

    @compiled
    def f(x):
        return x * a.k.v

    class R:
        v = 11.0

    def ch():
        D.__get__ = lambda s, o, c=None: R

    def bk():
        del D.__get__

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def data_descriptor_gets_its_set_later(t, compiled):
    class D:
        v = 2.0

        def __get__(s, o, c=None):
            return s if o is None else R

    class R:
        v = 11.0

    class A:
        k = D()

    a = A()
    a.__dict__["k"] = types.SimpleNamespace(v=3.0)

    @compiled
    def f(x):
        return x * a.k.v

    def ch():
        D.__set__ = lambda s, o, v: None

    def bk():
        del D.__set__

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def get_attribute_added_to_a_class_later(t, compiled):
    class A:
        pass

    a = A()
    a.k = 2.0

    @compiled
    def f(x):
        return x * a.k

    def ch():
        A.__getattribute__ = lambda s, n: 5.0 if n == "k" else object.__getattribute__(s, n)

    def bk():
        del A.__getattribute__

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def get_attribute_added_to_a_base_later(t, compiled):
    class B:
        pass

    class A(B):
        pass

    a = A()
    a.k = 2.0

    @compiled
    def f(x):
        return x * a.k

    def ch():
        B.__getattribute__ = lambda s, n: 5.0 if n == "k" else object.__getattribute__(s, n)

    def bk():
        del B.__getattribute__

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def bases_of_a_config_class_change(t, compiled):
    class P:
        k = 2.0

    class Q:
        k = 3.0

    class A(P):
        pass

    a = A()

    @compiled
    def f(x):
        return x * a.k + A.k

    def ch():
        A.__bases__ = (Q,)

    def bk():
        P.k = 9.0
        A.__bases__ = (P,)

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def classes_swapped_between_two_objects(t, compiled):
    class A:
        def go(s, x):
            return x * s.k

    class B:
        def go(s, x):
            return x + s.k

    a, b = A(), B()
    a.k, b.k = 2.0, 3.0

    @compiled
    def f(x):
        return a.go(x) + b.go(x)

    def ch():
        a.__class__, b.__class__ = B, A

    def bk():
        a.__dict__, b.__dict__ = b.__dict__, a.__dict__

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def bound_methods_func_attributes(t, compiled):
    class A:
        def go(s, x, k=2.0):
            return x * k

    a = A()
    m = a.go

    @compiled
    def f(x):
        return m(x)

    def ch():
        A.go.__defaults__ = (5.0,)

    def bk():
        A.go.__code__ = (lambda s, x, k=2.0: x + k).__code__

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def method_taken_from_a_class_that_changes(t, compiled):
    class A:
        def go(s, x):
            return x * 2

    a = A()
    m = a.go

    @compiled
    def f(x):
        return m(x) + a.go(x)

    def ch():
        A.go = lambda s, x: x * 100

    def bk():
        del A.go
        A.go = lambda s, x: x * 3

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def static_and_class_methods_swapped(t, compiled):
    class A:
        k = 2.0

        @staticmethod
        def s(x):
            return x * 2

        @classmethod
        def c(cls, x):
            return x * cls.k

    class B(A):
        k = 5.0

    b = B()

    @compiled
    def f(x):
        return A.s(x) + b.c(x) + B.c(x)

    def ch():
        A.s = staticmethod(lambda x: x * 10)
        B.k = 7.0

    def bk():
        A.c = classmethod(lambda cls, x: x)

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def partial_whose_keywords_change(t, compiled):
    def g(x, k=1.0, add=0.0):
        return x * k + add

    p = functools.partial(g, k=2.0)

    @compiled
    def f(x):
        return p(x)

    def ch():
        p.keywords["k"] = 3.0

    def bk():
        p.__setstate__((g, (), {"add": 4.0}, {}))

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def compiled_callable_object_changes(t, compiled):
    class A:
        def __init__(s):
            s.k = 2.0

        def __call__(s, x):
            return x * s.k

    a = A()
    f = compiled(a)

    def ch():
        a.k = 3.0
        A.__call__ = lambda s, x: x + s.k

    def bk():
        a.k = 2.0

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def lru_cached_number(t, compiled):
    cfg = {"k": 2.0}

    @functools.lru_cache
    def get(n):
        return cfg["k"]

    @compiled
    def f(x):
        return x * get(1)

    def ch():
        cfg["k"] = 3.0

    def bk():
        get.cache_clear()

    yield from changed_and_back(lambda: (f(t.ones(2)), get.cache_info().hits > 0), ch, bk)


@story
def single_dispatch_registered_later(t, compiled):
    @functools.singledispatch
    def g(a, x):
        return x * 2

    @compiled
    def f(x):
        return g("a", x)

    def ch():
        g.register(str, lambda a, x: x * 3)

    def bk():
        g.register(object, lambda a, x: x * 5)

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def sets_and_frozensets(t, compiled):
    cfg = {"on": {"a", "b"}, "fz": frozenset({"a"})}

    @compiled
    def f(x):
        if "a" in cfg["on"]:
            x = x * 2
        if "b" in cfg["fz"]:
            x = x * 5
        return x + len(cfg["fz"])

    def ch():
        cfg["on"].discard("a")
        cfg["fz"] = frozenset({"b", "c"})

    def bk():
        cfg["on"].add("a")

    yield from changed_and_back(lambda: f(t.ones(2)), ch, bk)


@story
def string_templates(t, compiled):
    cfg = {"name": "w{}", "n": 0}

    class A:
        w0 = 2.0
        w1 = 3.0

    @compiled
    def f(x):
        return x * getattr(A, f"w{cfg['n']}") * getattr(A, "w" + str(cfg["n"]))

    yield from changed_and_back(
        lambda: f(t.ones(2)), lambda: cfg.update(n=1), lambda: setattr(A, "w1", 9.0)
    )


@story
def closures_share_a_cell(t, compiled):
    def make():
        k = 2.0

        def f(x):
            return x * k

        def g(x):
            nonlocal k
            k += 1
            return x * k

        return f, g

    f, g = make()
    cf = compiled(f)
    for n in range(9):
        if n in (5, 7):
            yield g(t.ones(2))
        yield cf(t.ones(2))


@story
def closure_cell_emptied(t, compiled):
    def make():
        k = 2.0

        def f(x):
            return x * k

        def kill():
            nonlocal k
            del k

        def put(v):
            nonlocal k
            k = v

        return f, kill, put

    f, kill, put = make()
    f = compiled(f)
    yield from changed_and_back(lambda: attempt_type(f, t.ones(2)), kill, lambda: put(5.0))


@story
def weak_references_to_things(t, compiled):
    class A:
        k = 2.0

    box = [A()]
    r = weakref.ref(box[0])

    @compiled
    def f(x):
        o = r()
        return x * (o.k if o is not None else 10.0)

    yield from changed_and_back(lambda: f(t.ones(2)), box.clear, lambda: None)


@story
def generator_as_a_source_of_rates(t, compiled):
    def gen():
        k = 1.0
        while True:
            got = yield k
            k = got if got is not None else k * 2

    g = gen()
    next(g)

    @compiled
    def f(x):
        return x * next(g)

    yield from changed_and_back(lambda: f(t.ones(2)), lambda: g.send(1.0), lambda: g.send(0.5))
