"""Rows of `kuai.ops.math.reduction`, `norms`, `extremes`, `scan` and `order`."""

import numpy as np

from tests.rowkit import A, Row

NAN, INF = float("nan"), float("inf")
X, VOLUME = A(3, 4), A(2, 3, 4)
INTEGERS, BOOLS = A(3, 4, dtype="int64", low=-3, high=4), A(3, 4, dtype="bool")
BYTES = A(3, 4, dtype="uint8", low=0, high=3)
TIES = A(values=[[1.0, 3.0, 3.0, 2.0], [5.0, 5.0, 5.0, 1.0], [0.0, -1.0, -1.0, 0.0]])
ZEROS = A(values=[[1.0, 0.0, 3.0], [0.0, 2.0, 0.0], [2.0, 3.0, 4.0]])
WITH_NAN = A(values=[[1.0, NAN, 3.0], [2.0, 2.0, 1.0]])
DISTINCT = A(values=np.random.default_rng(3).permutation(24).reshape(2, 3, 4) / 7)
FLOATS = ("float32", "float64", "float16", "bfloat16")
PLACES = {"": {}, " 0": {"dim": 0}, " -1 keepdim": {"dim": -1, "keepdim": True}}
SEVERAL = {**PLACES, " (0, 2)": {"dim": (0, 2)}}


def _over(name, x, places=SEVERAL, **options):
    return [
        Row(f"{name}{label}", lambda t, x, n=name, k=keywords: getattr(t, n)(x, **k), x, **options)
        for label, keywords in places.items()
    ]


_SUMS = [
    *_over("sum", VOLUME, dtypes=FLOATS, gradcheck=True),
    *_over("mean", VOLUME, dtypes=FLOATS, gradcheck=True),
    *_over("var", VOLUME, gradcheck=True),
    *_over("std", VOLUME, gradcheck=True),
    *_over("var_mean", VOLUME),
    *_over("std_mean", VOLUME),
    *_over("prod", A(3, 4), PLACES, gradcheck=True),
    *_over("nansum", WITH_NAN, PLACES),
    *_over("nanmean", WITH_NAN, PLACES),
    *_over("all", BOOLS, PLACES),
    *_over("any", BOOLS, PLACES),
    *(
        Row(
            f"{name} dtypes",
            lambda t, x, y, z, n=name: [getattr(v, n)() for v in (x, y, z)],
            INTEGERS,
            BOOLS,
            BYTES,
        )
        for name in ("sum", "prod", "all", "any")
    ),
    Row("sum dtype", lambda t, x: (x.sum(dtype=t.float64), x.sum(0, dtype=t.int32)), X, grad=False),
    Row("mean dtype", lambda t, x: x.mean(dtype=t.float64), INTEGERS),
    Row("sum positional", lambda t, x: x.sum((0, 1), True), X),
    Row("sum ()", lambda t, x: x.sum(()), X),
    Row("prod zeros", lambda t, x: x.prod(1), ZEROS),
    Row(
        "var correction",
        lambda t, x: (x.var(correction=0), x.var(1, unbiased=False), x.std(False)),
        X,
    ),
    Row("std constant", lambda t, x: x.std(1), A(values=[[2.0, 2.0], [1.0, 3.0]])),
    Row(
        "logsumexp",
        lambda t, x: (t.logsumexp(x, 1), x.logsumexp((0, 1), keepdim=True)),
        X,
        gradcheck=True,
    ),
    Row(
        "logsumexp infinite",
        lambda t, x: t.logsumexp(x, 0),
        A(values=[[-INF, 1.0], [-INF, 2.0]]),
        grad=False,
    ),
    Row("count_nonzero", lambda t, x: (t.count_nonzero(x), t.count_nonzero(x, dim=0)), INTEGERS),
    Row("trace", lambda t, x, y: (t.trace(x), t.trace(y)), A(3, 3), A(3, 3, dtype="int32")),
    Row("dist", lambda t, x, y: (t.dist(x, y), t.dist(x, y, 1)), X, X),
]

_NORMS = [
    *(
        Row(f"norm {p}", lambda t, x, p=p: t.norm(x, p), X, gradcheck=True)
        for p in (1, 2, 3, INF, -INF)
    ),
    Row("norm 0", lambda t, x: t.norm(x, 0), ZEROS, grad=False),
    Row("norm fro", lambda t, x: (x.norm(), x.norm(dim=1), x.norm(2, 0, True)), X),
    Row("norm zero", lambda t, x: x.norm(dim=1), A(values=[[0.0, 0.0], [3.0, 4.0]])),
    Row("norm nuc", lambda t, x: t.norm(x, "nuc"), X, grad=False),
]

_EXTREMES = [
    *_over("max", DISTINCT, PLACES, gradcheck=True),
    *_over("min", DISTINCT, PLACES, gradcheck=True),
    *_over("amax", TIES, PLACES),
    *_over("amin", TIES, PLACES),
    *_over("argmax", DISTINCT, PLACES, grad=False),
    *_over("argmin", DISTINCT, PLACES, grad=False),
    *_over("aminmax", DISTINCT, PLACES),
    Row("max ties", lambda t, x: (x.max(), x.max(1).values), TIES),
    Row("max NaN", lambda t, x: (x.max(), *x.max(1), *x.min(0)), WITH_NAN, grad=False),
    Row("max other", lambda t, x, y: (t.max(x, y), t.min(x, other=y)), X, A(4)),
    Row("max integers", lambda t, x: (x.max(), *x.max(0)), INTEGERS),
    Row("max bools", lambda t, x: (x.max(), x.max(0).values), BOOLS),
    Row("max scalar", lambda t, x: (*x.sum().max(0), x.sum().argmax(0)), X, grad=False),
    Row("amax dims", lambda t, x: (x.amax((0, 2)), x.amin((0, 1), True)), DISTINCT),
    Row("argmax ties", lambda t, x: (x.argmax(1), x.argmin(1), x.argmax()), TIES, grad=False),
]

_RUNNING = [
    Row("cumsum", lambda t, x: (t.cumsum(x, 0), x.cumsum(-1)), X, dtypes=FLOATS, gradcheck=True),
    Row("cumsum integers", lambda t, x, y: (x.cumsum(0), y.cumsum(1)), INTEGERS, BOOLS),
    Row("cumprod", lambda t, x: t.cumprod(x, 1), ZEROS),
    Row("cumprod int", lambda t, x: x.cumprod(1), INTEGERS),
    Row("cummax", lambda t, x: t.cummax(x, 1), TIES),
    Row("cummin", lambda t, x: t.cummin(x, 0), TIES),
    Row("cummax NaN", lambda t, x: (*x.cummax(1), *x.cummin(1)), WITH_NAN, grad=False),
    Row("logcumsumexp", lambda t, x: t.logcumsumexp(x, 1), X, gradcheck=True),
]

_ORDER = [
    *_over("median", DISTINCT, PLACES),
    Row("median ties", lambda t, x: (x.median(), x.nanmedian(), t.median(x[0])), TIES),
    Row("median of NaN", lambda t, x: (x.median(), x.nanmedian()), WITH_NAN),
    *_over("nanmedian", A(values=[[1.0, NAN, 3.0], [2.0, 5.0, 1.0]]), PLACES),
    Row("median NaN", lambda t, x: (x.median(), x.median(1).values), WITH_NAN, grad=False),
    Row("kthvalue", lambda t, x: (*t.kthvalue(x, 2), *x.kthvalue(1, 0, keepdim=True)), DISTINCT),
    Row("mode", lambda t, x: t.mode(x, 1).values, INTEGERS),
    *(
        Row(
            f"quantile {how}",
            lambda t, x, h=how: t.quantile(x, 0.3, dim=1, interpolation=h),
            DISTINCT,
        )
        for how in ("linear", "lower", "higher", "midpoint", "nearest")
    ),
    Row(
        "quantile several",
        lambda t, x, q: t.quantile(x, q),
        X,
        A(values=[0.1, 0.5, 1.0]),
        grad=False,
    ),
    Row("nanquantile", lambda t, x: t.nanquantile(x, 0.5, 1), WITH_NAN, grad=False),
]

ROWS = [*_SUMS, *_NORMS, *_EXTREMES, *_RUNNING, *_ORDER]
