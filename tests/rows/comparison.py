"""Rows of `kuai.ops.math.comparison` and `kuai.ops.math.logic`."""

from tests.rowkit import A, Row

NAN, INF = float("nan"), float("inf")
SMALL = A(3, 4, dtype="int64", low=-2, high=3)
BOOLS, OTHER_BOOLS = A(3, 4, dtype="bool"), A(4, dtype="bool")
SPECIAL = A(values=[NAN, INF, -INF, 0.0, -0.0, 1.5])
X, Y = A(3, 4), A(3, 4)
NAMES = ("eq ne lt le gt ge not_equal less less_equal greater greater_equal").split()


def _call(name):
    return lambda t, *inputs: getattr(t, name)(*inputs)


_RELATIONS = [
    *(Row(name, _call(name), SMALL, SMALL) for name in NAMES),
    *(
        Row(f"{name} number", lambda t, x, n=name: getattr(x, n)(0.5), X, grad=False)
        for name in NAMES
    ),
    *(
        Row(
            f"{name} NaN",
            _call(name),
            SPECIAL,
            A(values=[NAN, INF, 1.0, -0.0, 0.0, 2.0]),
            grad=False,
        )
        for name in NAMES[:6]
    ),
]

_TESTS = [
    *(
        Row(name, _call(name), SPECIAL, grad=False)
        for name in ("isnan", "isinf", "isfinite", "isposinf", "isneginf", "isreal", "signbit")
    ),
    Row("isnan integers", lambda t, x: (x.isnan(), x.isinf(), x.isfinite()), SMALL),
    Row("isclose", lambda t, x, y: t.isclose(x, y, atol=1e-2), SPECIAL, SPECIAL, grad=False),
    Row(
        "isclose NaN", lambda t, x, y: t.isclose(x, y, equal_nan=True), SPECIAL, SPECIAL, grad=False
    ),
    Row("isclose integers", lambda t, x, y: t.isclose(x, y, rtol=0.5), SMALL, SMALL),
    Row(
        "allclose",
        lambda t, x, y: (t.allclose(x, y), t.allclose(x, x + 1e-9)),
        X,
        Y,
        grad=False,
        compiled=False,
    ),
    Row("equal", lambda t, x, y: (t.equal(x, y), x.equal(x)), X, Y, grad=False, compiled=False),
    Row("is_nonzero", lambda t, x: x[0, 0].is_nonzero(), X, grad=False, compiled=False),
    Row(
        "isin",
        lambda t, x, y: (t.isin(x, y), t.isin(x, y, invert=True)),
        SMALL,
        A(2, dtype="int64"),
    ),
]

_LOGIC = [
    *(
        Row(name, _call(name), SMALL, BOOLS)
        for name in ("logical_and", "logical_or", "logical_xor")
    ),
    Row("logical_not", lambda t, x: t.logical_not(x), SMALL),
    *(
        Row(name, _call(name), SMALL, SMALL)
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ),
    *(
        Row(f"{name} bools", _call(name), BOOLS, OTHER_BOOLS)
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ),
    Row("bitwise_not", lambda t, x, y: (t.bitwise_not(x), ~y), SMALL, BOOLS),
    Row("bitwise_left_shift", lambda t, x: t.bitwise_left_shift(x, 3), SMALL),
    Row("bitwise_right_shift", lambda t, x: t.bitwise_right_shift(x * 100, 2), SMALL),
]

_CHOOSING = [
    Row("where", lambda t, c, x, y: t.where(c, x, y), BOOLS, X, A(4), gradcheck=True),
    Row("where number", lambda t, x: t.where(x > 0, x, 0.0), X),
    Row("where numbers", lambda t, c: t.where(c, 1, 2.5), BOOLS),
    Row("where mixed", lambda t, c, x: t.where(c, x, 2.5), BOOLS, SMALL),
    Row("Tensor.where", lambda t, x, c: x.where(c, 3.0), X, BOOLS),
    Row("where condition", lambda t, c: t.where(c), BOOLS, compiled=False),
]

ROWS = [*_RELATIONS, *_TESTS, *_LOGIC, *_CHOOSING]
