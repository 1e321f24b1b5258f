"""Walrus, order, texts, sets, `del`, methods of lists and dicts: and what changes them."""

import collections
import functools
import types

from tests.stories.storykit import mlp, story


@story
def walrus(t, compiled):
    S = types.SimpleNamespace(k=1.0, row=[1.0, 2.0, 0.0], w=t.ones(2))

    @compiled
    def f(x):
        if (k := S.k) > 1.5:
            x = x * k
        y = (z := x + S.w) * z
        kept = [last := r * 2 for r in S.row if (m := r) > 0]
        n = (q := len(kept)) and q + 1
        return y * last + m, kept, n

    @compiled
    def g(x):
        if (h := x.shape[0]) > 2 and (d := x.sum(0)) is not None:
            return d * h
        return x * h

    for n in range(16):
        if n == 3:
            S.k = 3.0
        if n == 6:
            S.row[1] = 5.0
        if n == 8:
            S.row.append(7.0)
        if n == 10:
            S.w = t.zeros(2)
        if n == 12:
            S.w.add_(1)
        if n == 14:
            S.row.clear()
            S.row.append(1.0)
        yield f(t.ones(2)), g(t.ones(2 + n % 2, 2))


@story
def walrus_everywhere(t, compiled):
    S = types.SimpleNamespace(row=[t.ones(2), None, t.ones(2) * 2], n=3, d={"k": None})

    @compiled
    def f(x):
        out = [w * x for v in S.row if (w := v) is not None]
        total = sum(y := o for o in out)
        n = 0
        while (n := n + 1) < S.n:
            x = x + n
        if (k := S.d.get("k")) is not None:
            x = x * k
        g = functools.partial(lambda v: (u := v * 2) + u)
        return (
            out,
            total,
            y,
            x,
            g(x),
            [(i, last := i) for i in range(3)][-1],
            last,
            x * 2 if (z := x.shape[0]) > 2 else x * z,
        )

    for n in range(12):
        if n == 3:
            S.row[1] = t.ones(2) * 7
        if n == 5:
            S.n = 5
        if n == 7:
            S.d["k"] = 4.0
        if n == 9:
            S.row.pop()
        if n == 11:
            S.row[0].add_(5)
        yield f(t.ones(2))


@story
def sorted_max_min(t, compiled):
    cfg = {"b": 2.0, "a": 1.0, "c": 3.0}
    S = types.SimpleNamespace(row=[3, 1, 2], key=lambda v: -v)

    @compiled
    def f(x):
        for name in sorted(cfg):
            x = x * 2 + cfg[name]
        for i, v in enumerate(sorted(S.row, key=S.key)):
            x = x + i * v
        for _, v in sorted({"q": x, "p": x * 2}.items()):
            x = x + v
        lo, hi = min(S.row), max(S.row, key=lambda v: v % 3)
        m = max((v for v in S.row if v > 100), default=7)
        return (
            x * lo + hi,
            max(x.shape[0], 3),
            sorted(S.row, reverse=True),
            m,
            sum(S.row, 1),
            any(v > 2 for v in S.row),
            all([v for v in S.row]),
            min(cfg, key=cfg.get),
        )

    for n in range(18):
        if n == 3:
            cfg["a"] = 5.0
        if n == 5:
            cfg["0"] = 9.0
        if n == 7:
            S.row[0] = 0
        if n == 9:
            S.row.append(200)
        if n == 11:
            S.key = lambda v: v
        if n == 13:
            del cfg["b"]
        if n == 15:
            S.row[:] = [5]
        yield f(t.ones(2 + 2 * (n % 2)))


@story
def text_methods(t, compiled):
    net = mlp(t)
    S = types.SimpleNamespace(pre="0", skip=("bias",), fmt="{}-{:.1f}", table={"0": 2.0, "2": 3.0})

    @compiled
    def f(x):
        total = x.sum()
        for name, p in net.named_parameters():
            if name.startswith(S.pre) and not name.endswith(S.skip):
                total = total + p.detach().sum() * S.table[name.split(".")[0]]
            elif "bias" in name.lower().replace("x", ""):
                total = total * 2
        head, _, tail = "a.b.c".partition(".")
        label = (
            S.fmt.format(head, 1.25)
            + ",".join(sorted(n.upper() for n in ("z", "y")))
            + f"{len(tail):03d}"
            + "%s|%d" % (S.pre, 3)  # noqa: UP031
        )
        return total, label, "-".join(map(str, (1, 2))), x.shape.numel()

    for n in range(12):
        if n == 3:
            S.pre = "2"
        if n == 5:
            S.skip = "weight"
        if n == 7:
            S.fmt = "{1}{0}"
        if n == 9:
            S.table["2"] = -1.0
        if n == 11:
            S.pre = "nothing"
        yield f(t.ones(2))


SKIP = {"bias"}


@story
def sets(t, compiled):
    net = mlp(t)
    S = types.SimpleNamespace(skip={"0.bias"}, fro=frozenset([1, 2]), num={1.0})
    SKIP.clear()
    SKIP.add("bias")

    @compiled
    def f(x):
        seen = set()
        own = {"a", "b"} | {n for n in ("c",)}
        for name, p in net.named_parameters():
            if name in S.skip or name.split(".")[1] in SKIP:
                continue
            seen.add(name)
            x = x + p.detach().sum()
        if 1 in S.num:
            x = x * 2
        if not S.skip:
            x = x * 3
        if "c" in own and len(own) == 3 and 3 not in S.fro:
            x = x + 1
        return x, len(seen), sorted(seen), "d" in own - {"d"}, len(SKIP), sorted(set([3, 1, 3]))

    for n in range(22):
        if n == 3:
            S.skip.add("2.weight")
        if n == 5:
            SKIP.add("weight")
        if n == 7:
            SKIP.discard("weight")
        if n == 9:
            S.skip = set()
        if n == 11:
            S.fro = frozenset([3])
        if n == 13:
            S.num = {True}
        if n == 15:
            S.num.clear()
        if n == 17:
            S.skip = ["0.weight"]
        if n == 19:
            S.skip = {"0.weight": 1}
        yield f(t.ones(2))


class Str(str):
    def __eq__(s, o):
        return False

    def __hash__(s):
        return hash(str(s))


@story
def sets_of_odd_things(t, compiled):
    S = types.SimpleNamespace(s={"a", "b"}, q={1, 2}, f={0.0})

    @compiled
    def f(x):
        if "a" in S.s:
            x = x + 1
        if 2 in S.q:
            x = x * 2
        if 0 in S.f and len(S.f) == 1:
            x = x - 3
        own = {1, True, 2.0}  # noqa: B033
        own.add(3)
        own.discard(1)
        return (
            x,
            len(own),
            2 in own,
            sorted({"k", "j"} & {"k"}),
            max({4, 5}),
        )

    for n in range(20):
        if n == 3:
            S.s = {Str("a"), "b"}
        if n == 5:
            S.s = {"a"}
        if n == 7:
            S.q = {1, 2.0}
        if n == 9:
            S.q.remove(2)
        if n == 11:
            S.f = {-0.0}
        if n == 13:
            S.f.add(float("nan"))
        if n == 15:
            S.q = frozenset([2])
        if n == 17:
            S.s = types.SimpleNamespace()
            S.s = "abc"
        yield f(t.ones(2))


@story
def deletions_and_dicts(t, compiled):
    base = {"a": 1.0, "b": 2.0}
    S = types.SimpleNamespace(drop="a", more={"z": 3.0})

    @compiled
    def f(x):
        d = {**base, "c": x, **S.more}
        e = dict(base, q=4.0) | {"r": x}
        del d[S.drop]
        y = x * 2
        t0 = y + 1
        del y
        d.update(e)
        d.setdefault("n", x)
        d.pop("r")
        row = [x] * 2 + [t0]
        row += [x * 3]
        row.insert(0, x - 1)
        last = row.pop()
        row.reverse()
        del row[0]
        both = dict(zip(("i", "j"), (x, t0), strict=True))
        return d, e, row, last, both, dict([("k", x)]), {**d, "last": 1}

    for n in range(14):
        if n == 3:
            base["b"] = 5.0
        if n == 5:
            S.drop = "b"
        if n == 7:
            base["n"] = 6.0
        if n == 9:
            S.more = {"a": 0.0}
        if n == 11:
            S.more["b"] = 8.0
        if n == 13:
            base = {"a": 0.5, "b": 0.25}
        yield f(t.ones(2))


@story
def dict_and_list_methods(t, compiled):
    S = types.SimpleNamespace(d={"a": 1.0}, row=[1.0, 2.0])

    @compiled
    def f(x):
        skips, stack = [], list(S.row)
        for _ in range(3):
            x = x * 2
            skips.append(x)
        while skips:
            x = x + skips.pop()
        stack.extend([v * 2 for v in S.row])
        stack.reverse()
        stack.sort(key=lambda v: -v)
        d = dict(S.d)
        d.setdefault("b", 5.0)
        c = d.copy()
        c.clear()
        c |= {"z": x}
        e = S.d.copy()
        e.pop("a", None)
        own = [0] * 2
        own[1] = x
        own += (x,)
        alias = own
        alias += [x * 2]
        return x + sum(stack) + d["b"], stack, d, c, e, own, len(alias)

    for n in range(12):
        if n == 3:
            S.row.append(9.0)
        if n == 5:
            S.d["b"] = 6.0
        if n == 7:
            S.d.pop("a")
        if n == 9:
            S.row = (4.0,)
        if n == 11:
            S.d = collections.OrderedDict(q=1.0)
        yield f(t.ones(2))


@story
def loops_with_else(t, compiled):
    S = types.SimpleNamespace(row=[1, 2, 3], stop=9, n=2)

    @compiled
    def f(x):
        for v in S.row:
            if v == S.stop:
                break
            x = x + v
        else:
            x = x * 10
        i = 0
        while i < S.n:
            i += 1
            if i == S.stop:
                break
        else:
            x = x - 1
        for p in (x, x * 2):
            if p.shape[0] > 3:
                break
        else:
            x = x + 100
        return x

    for n in range(14):
        if n == 3:
            S.stop = 2
        if n == 6:
            S.row = []
        if n == 8:
            S.n = 0
        if n == 10:
            S.row = [2, 2]
        yield f(t.ones(2 + 3 * (n % 4 == 3)))


@story
def any_and_all_stop_early(t, compiled):
    S = types.SimpleNamespace(row=[1.0, 2.0, 3.0], stop=2.0, k=1.0)

    @compiled
    def f(x):
        seen = []

        def look(v):
            seen.append(v)
            return v >= S.stop

        if any(look(v) for v in S.row):
            x = x * S.k
        n = len(seen)
        if n == 3:
            return x * 100 * S.k
        return x + n

    @compiled
    def g(x):
        seen = []
        if all(map(lambda v: seen.append(v) or v < S.stop, S.row)):
            x = x * S.k
        if len(seen) == 2:
            return x * S.k
        return x - len(seen)

    @compiled
    def h(x):
        if any((last := v) >= S.stop for v in S.row):
            return x * last * S.k
        return x + last

    @compiled
    def i(x):
        return x * (S.k if any(v >= S.stop for v in S.row) and all(v > 0 for v in S.row) else 2.0)

    for n in range(16):
        if n == 3:
            S.k = 5.0
        if n == 5:
            S.stop = 3.0
        if n == 7:
            S.k = 7.0
        if n == 9:
            S.stop = 9.0
        if n == 11:
            S.k = 8.0
        if n == 13:
            S.row[0] = 10.0
        yield f(t.ones(2)), g(t.ones(2)), h(t.ones(2)), i(t.ones(2))


@story
def maps_that_change_what_they_read(t, compiled):
    S = types.SimpleNamespace(row=[1.0, 2.0], k=2.0)

    @compiled
    def f(x):
        own = list(S.row)

        def grow(v):
            if len(own) < 4:
                own.append(v * S.k)
            return x * v

        out = list(map(grow, own))
        k = 1.0
        more = [v * k for v in map(lambda v: v + k, own)]
        total = x
        for v in map(lambda v: v * k, own):
            k = k + 1
            total = total + v
        for v in filter(lambda v: v > k, own):
            k = k - 1
            total = total * v
            if k < 0:
                break
        return out, more, total, sorted(own, key=lambda v: -v * k)

    for n in range(10):
        if n == 3:
            S.k = 3.0
        if n == 5:
            S.row.append(4.0)
        if n == 7:
            S.row = [0.5]
        yield f(t.ones(2))
