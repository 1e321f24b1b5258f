"""Equal numbers that are not the same, and keywords of numbers' functions, in replays."""

import math
import types

from tests.stories.storykit import story


@story
def numbers_compared_with_keywords(t, compiled):
    S = types.SimpleNamespace(a=1.0, b=1.4, tol=0.5, k=2.0, j=3.0, s=4)

    @compiled
    def f(x):
        if math.isclose(S.a, S.b, rel_tol=S.tol):
            return x * S.k
        return x * S.j + math.prod((1, 2), start=S.s)

    for n in range(14):
        if n == 4:
            S.k = 100.0
        if n == 6:
            S.tol = 1e-9
        if n == 8:
            S.j = 5.0
        if n == 10:
            S.s = 1
        if n == 12:
            S.tol = 1.0
        yield f(t.ones(2))


@story
def keys_that_only_look_equal(t, compiled):
    S = types.SimpleNamespace(d={0.0: 1.0, "a": 2.0, 1: 3.0})

    @compiled
    def f(x):
        for k, v in S.d.items():
            if k != "a":
                x = x + math.copysign(v, k)
        return x, [str(k) for k in S.d]

    @compiled
    def g(d):
        total = d["x"]
        for k in d:
            if k != "x":
                total = total + math.copysign(d[k], k)
        return total, [str(k) for k in d]

    for n in range(12):
        if n == 4:
            old = dict(S.d)
            S.d.clear()
            S.d.update({-0.0 if k == 0 else k: v for k, v in old.items()})
        if n == 7:
            old = dict(S.d)
            S.d.clear()
            S.d.update({True if k == 1 else k: v for k, v in old.items()})
        if n == 9:
            S.d = {2: 1.0}
        if n == 10:
            S.d.clear()
            S.d[2.0] = 1.0
        yield f(t.ones(2)), g({"x": t.ones(2), [0.0, -0.0, 0, False][n // 3]: 2.0})
