"""What a proof may have read, changed: dicts, private names, gradients, classes."""

from tests.stories.storykit import (
    attempt_type,
    linear,
    story,
)


@story
def methods_of_a_dict_subclass_patched(t, compiled):
    class D(dict):
        pass

    d = D(a=1.0, b=2.0)

    @compiled
    def f(x):
        for _k, v in d.items():
            x = x * v
        return x * d["a"]

    for n in range(9):
        if n == 3:
            D.items = lambda s: [("a", 5.0)]
        if n == 5:
            del D.items
        if n == 6:
            D.__getitem__ = lambda s, k: 11.0
        if n == 7:
            del D.__getitem__
            D.__missing__ = lambda s, k: 13.0
            dict.pop(d, "a")
        yield f(t.ones(2))


@story
def iteration_of_a_dict_subclass_patched(t, compiled):
    class D(dict):
        pass

    d = D(a=1.0, b=2.0)

    @compiled
    def f(x):
        for k in d:
            x = x * (2.0 if k == "a" else 3.0)
        return x * len(d), ("a" in d)

    for n in range(9):
        if n == 3:
            D.__iter__ = lambda s: iter(["a"])
        if n == 4:
            D.__len__ = lambda s: 7
        if n == 5:
            D.__contains__ = lambda s, k: False
        if n == 6:
            del D.__iter__
        yield f(t.ones(2))


@story
def dict_subclass_as_keyword_arguments(t, compiled):
    class D(dict):
        pass

    d = D(k=1.0)

    def g(x, k=0.0, j=0.0):
        return x * k + j

    @compiled
    def f(x):
        return g(x, **d)

    for n in range(9):
        if n == 3:
            D.keys = lambda s: ["k"]
            D.__getitem__ = lambda s, k: 4.0
        if n == 5:
            del D.keys, D.__getitem__
        if n == 6:
            d["j"] = 2.0
        yield f(t.ones(2))


@story
def shape_of_what_is_only_looked_at(t, compiled):
    w = t.ones(4)

    @compiled
    def f(x):
        return x * 2 if w.shape[0] > 2 else x * 5

    for n in range(8):
        if n == 3:
            w.resize_(1)
        if n == 5:
            w.resize_(4)
        if n == 6:
            w.data = t.ones(1)
        yield f(t.ones(2))


@story
def dtype_of_what_is_only_looked_at(t, compiled):
    net = linear(t)

    @compiled
    def f(x):
        if net.weight.dtype == t.float64:
            x = x * 3
        return x * 2

    for n in range(8):
        if n == 3:
            net.double()
        if n == 5:
            net.half()
        if n == 6:
            net.double()
        yield f(t.ones(2))


@story
def length_and_elements_of_a_buffer_looked_at(t, compiled):
    class M(t.nn.Module):
        def __init__(s):
            super().__init__()
            s.register_buffer("b", t.ones(3))

        def forward(s, x):
            return x * len(s.b) + s.b.numel() * (2 if s.b.dim() == 1 else 9)

    m = M()

    @compiled
    def f(x):
        return m(x)

    for n in range(9):
        if n == 3:
            m.b = t.ones(5)
        if n == 4:
            m.b.resize_(2)
        if n == 6:
            m.b.unsqueeze_(0)
        if n == 7:
            m.b = t.ones(2, 2)
        yield f(t.ones(2))


@story
def shape_of_a_gradient_looked_at(t, compiled):
    p = t.nn.Parameter(t.ones(3))
    p.grad = t.zeros(3)

    @compiled
    def f(x):
        if p.grad is not None and p.grad.dtype == t.float32:
            x = x * 3
        return x * 2

    for n in range(8):
        if n == 3:
            p.data = t.ones(2).double()
            p.grad = None
            p.grad = t.zeros(2).double()
        if n == 5:
            p.grad = None
        yield f(t.ones(2))


@story
def flag_of_what_is_made_of_a_gradient(t, compiled):
    p = t.nn.Parameter(t.ones(3))
    p.grad = t.zeros(3)

    @compiled
    def f(x):
        if (p.grad * 2).requires_grad:
            x = x * 3
        return x * 2

    for n in range(8):
        if n == 3:
            p.grad = t.ones(3, requires_grad=True)
        if n == 5:
            p.grad = t.ones(3)
        yield f(t.ones(2))


@story
def leaf_flags_of_state(t, compiled):
    w = t.ones(2)

    @compiled
    def f(x):
        y = x * 2
        if w.requires_grad:
            y = y * 3
        if w.is_leaf:
            y = y + 1
        if w.grad_fn is None:
            y = y + 10
        if w.grad is None:
            y = y + 100
        return y

    for n in range(9):
        if n == 3:
            w.requires_grad_()
        if n == 4:
            w.grad = t.ones(2)
        if n == 5:
            w.requires_grad_(False)
            w.grad = None
        if n == 6:
            w.mul_(t.ones(2, requires_grad=True))
        if n == 7:
            w.detach_()
        yield f(t.ones(2))


@story
def private_names_of_two_kinds(t, compiled):
    class C:
        def __init__(s):
            s.__k = 2.0
            setattr(s, "__k", 5.0)

        def f(s, x):
            return x * s.__k

        def bump(s):
            s.__k = 7.0

    c = C()
    f = compiled(c.f)
    for n in range(7):
        if n == 2:
            setattr(c, "__k", 9.0)
        if n == 4:
            c.bump()
        yield f(t.ones(2))


_C__scale = 2.0


@story
def private_global(t, compiled):
    global __scale
    globals()["__scale"] = 50.0

    class C:
        def f(s, x):
            return x * __scale

    f = compiled(C().f)
    for n in range(7):
        if n == 3:
            globals()["_C__scale"] = 3.0
        yield f(t.ones(2))
    globals()["_C__scale"] = 2.0


@story
def private_keyword_and_argument(t, compiled):
    class C:
        def g(s, x, __m=2.0):
            return x * __m

        def f(s, x):
            return s.g(x, __m=3.0) + s.g(x)

    f = compiled(C().f)
    for _n in range(5):
        yield attempt_type(f, t.ones(2))


@story
def instance_attribute_hides_a_method(t, compiled):
    class C:
        def scale(s, x):
            return x * 2

        def f(s, x):
            return s.scale(x)

    c = C()
    f = compiled(c.f)
    for n in range(8):
        if n == 3:
            c.scale = lambda x: x * 5
        if n == 5:
            del c.scale
        if n == 6:
            C.scale = lambda s, x: x * 7
        yield f(t.ones(2))


@story
def base_class_changed(t, compiled):
    class A:
        k = 2.0

        def g(s, x):
            return x + 1

    class B:
        k = 3.0

        def g(s, x):
            return x + 2

    class C(A):
        def f(s, x):
            return s.g(x) * s.k

    c = C()
    f = compiled(c.f)
    for n in range(7):
        if n == 3:
            C.__bases__ = (B,)
        if n == 5:
            C.k = 9.0
        yield f(t.ones(2))
