"""Rows of `kuai.ops.math.sorting`."""

import numpy as np

from tests.rowkit import A, Row

DISTINCT = A(values=np.random.default_rng(5).permutation(24).reshape(2, 3, 4) / 7)
WITH_NAN = A(values=[[3.0, float("nan"), 1.0], [2.0, 5.0, 4.0]])
INTEGERS = A(3, 5, dtype="int64", low=0, high=4)
SIGNED = A(values=[[3, -2, 127], [-128, 0, 5]], dtype="int8")
EDGES = A(values=[-1.0, 0.0, 0.5, 2.0])
VALUES = A(values=[[-2.0, -1.0, 0.2], [0.5, 2.0, 9.0]])

ROWS = [
    Row("sort", lambda t, x: (*t.sort(x), *x.sort(0, descending=True)), DISTINCT),
    Row("sort stable", lambda t, x: t.sort(x, stable=True), INTEGERS),
    Row("sort stable down", lambda t, x: t.sort(x, dim=0, descending=True, stable=True), INTEGERS),
    Row("sort NaN", lambda t, x: (*x.sort(), *x.sort(descending=True)), WITH_NAN, grad=False),
    Row("sort scalar", lambda t, x: t.sort(x.sum()), DISTINCT),
    Row("msort", lambda t, x: t.msort(x), DISTINCT),
    Row(
        "argsort", lambda t, x: (t.argsort(x), x.argsort(1, descending=True)), DISTINCT, grad=False
    ),
    Row(
        "topk", lambda t, x: (*t.topk(x, 2), *x.topk(1, dim=0), *x.topk(3, largest=False)), DISTINCT
    ),
    Row("topk integers", lambda t, x: (x.topk(2), x.topk(2, largest=False)), SIGNED),
    Row(
        "searchsorted",
        lambda t, e, x: (t.searchsorted(e, x), t.searchsorted(e, x, right=True)),
        EDGES,
        VALUES,
        grad=False,
    ),
    Row(
        "searchsorted number",
        lambda t, e: (t.searchsorted(e, 1), t.searchsorted(e, 0.5, side="right")),
        EDGES,
        grad=False,
    ),
    Row(
        "searchsorted rows",
        lambda t, e, x: t.searchsorted(e.sort().values, x, out_int32=True),
        A(2, 5),
        A(2, 3),
        grad=False,
    ),
    Row(
        "bucketize",
        lambda t, x, e: (t.bucketize(x, e), t.bucketize(x, e, right=True)),
        VALUES,
        EDGES,
        grad=False,
    ),
    Row(
        "unique",
        lambda t, x: (t.unique(x), *x.unique(return_inverse=True, return_counts=True)),
        INTEGERS,
        compiled=False,
    ),
    Row(
        "unique bfloat16",
        lambda t, x: t.unique(x.to(t.bfloat16), return_counts=True),
        A(values=[1.0, float("nan"), -2.0, 1.0, -0.5], dtype="float32"),
        compiled=False,
        grad=False,
    ),
    Row(
        "unique dim",
        lambda t, x: t.unique(x, dim=0, return_inverse=True, return_counts=True),
        A(values=[[1, 2], [0, 3], [1, 2]], dtype="int64"),
        compiled=False,
    ),
    Row(
        "unique_consecutive",
        lambda t, x: (
            t.unique_consecutive(x),
            *x.unique_consecutive(return_inverse=True, return_counts=True),
        ),
        A(values=[1, 1, 2, 2, 2, 1, 3], dtype="int64"),
        compiled=False,
    ),
    Row(
        "bincount",
        lambda t, x: (t.bincount(x), x.bincount(minlength=9)),
        A(7, dtype="int64", low=0, high=5),
        compiled=False,
    ),
    Row(
        "bincount weights",
        lambda t, x, w: t.bincount(x, w),
        A(7, dtype="int64", low=0, high=5),
        A(7),
        grad=False,
        compiled=False,
    ),
    Row(
        "histc", lambda t, x: (t.histc(x, 4), t.histc(x, bins=5, min=-1, max=1)), A(20), grad=False
    ),
]
