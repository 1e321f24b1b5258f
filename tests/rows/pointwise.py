"""Rows of `kuai.ops.math.pointwise`, `trigonometry`, `limits` and `special`."""

import numpy as np

from tests.rowkit import A, Row

NAN, INF = float("nan"), float("inf")
X, Y = A(3, 4), A(3, 4)
UNIT, ABOVE_ONE = A(3, 4, low=-0.9, high=0.9), A(3, 4, low=1.1, high=3.0)
FRACTIONS, POSITIVE = A(3, 4, low=0.1, high=0.9), A(3, 4, positive=True)
HALVES = A(values=[-2.5, -1.5, -0.5, -0.2, 0.0, 0.5, 1.5, 2.5, 2.6])
STRANGE = A(values=[NAN, INF, -INF, 1.0])
TIES = A(values=[[-1.0, 0.0, 1.0], [2.0, 0.5, -3.0]])
INTEGERS = A(3, 4, dtype="int64")
FLOATS = ("float32", "float64", "float16", "bfloat16")

_ANYWHERE = (
    "exp exp2 expm1 sigmoid sin cos tan atan sinh cosh tanh asinh erf erfc sinc deg2rad rad2deg"
)
_FUNCTIONS = {
    **dict.fromkeys(_ANYWHERE.split(), X),
    **dict.fromkeys(("log", "log2", "log10", "log1p", "lgamma", "digamma"), POSITIVE),
    **dict.fromkeys(("asin", "acos", "atanh", "erfinv"), UNIT),
    "acosh": ABOVE_ONE,
    "logit": FRACTIONS,
}
_ALIASES = {
    "arcsin": UNIT,
    "arccos": UNIT,
    "arctan": X,
    "arcsinh": X,
    "arccosh": ABOVE_ONE,
    "arctanh": UNIT,
}


def _call(name):
    return lambda t, *inputs: getattr(t, name)(*inputs)


def _method(name):
    return lambda t, x, *others: getattr(x, name)(*others)


_UNARY = [
    *(Row(name, _call(name), x, gradcheck=True) for name, x in {**_FUNCTIONS, **_ALIASES}.items()),
    *(Row(f"Tensor.{name}", _method(name), x) for name, x in _FUNCTIONS.items()),
    *(
        Row(f"{name} of integers", _call(name), INTEGERS)
        for name in ("exp", "sin", "sigmoid", "tanh")
    ),
    *(
        Row(f"{name} half", _call(name), POSITIVE, dtypes=("float16", "bfloat16"))
        for name in ("exp", "log", "tanh", "sigmoid", "sin")
    ),
    *(
        Row(f"{name} complex", _call(name), X, dtypes=("complex64",), rtol=1e-4)
        for name in ("exp", "log", "sin", "cos", "tanh")
    ),
]

_ROUNDING = [
    *(
        Row(name, _call(name), HALVES)
        for name in ("ceil", "floor", "trunc", "fix", "frac", "round")
    ),
    *(
        Row(f"{name} of integers", _call(name), INTEGERS)
        for name in ("ceil", "floor", "trunc", "round")
    ),
    Row("round decimals", lambda t, x: t.round(x, decimals=2), X, grad=False),
    Row("round tens", lambda t, x: t.round(x * 100, decimals=-1), X, grad=False),
    Row("logit eps", lambda t, x: t.logit(x, eps=0.2), FRACTIONS),
    Row("nan_to_num", lambda t, x: t.nan_to_num(x), STRANGE),
    Row(
        "nan_to_num given", lambda t, x: t.nan_to_num(x, nan=2.0, posinf=5.0, neginf=-5.0), STRANGE
    ),
]

_LIMITS = [
    Row("clamp", lambda t, x: t.clamp(x, -1, 1), TIES, dtypes=FLOATS),
    Row("clamp min", lambda t, x: t.clamp(x, min=0), TIES),
    Row("clip max", lambda t, x: t.clip(x, max=0.5), TIES),
    Row("clamp crossed", lambda t, x: t.clamp(x, 1, -1), TIES, grad=False),
    Row(
        "clamp tensors",
        lambda t, x, a, b: t.clamp(x, a, b),
        X,
        A(values=[-0.5] * 4),
        A(values=[0.5] * 4),
    ),
    Row("clamp int by float", lambda t, x: t.clamp(x, 0.5, 2.5), INTEGERS),
    Row("clamp_min", lambda t, x: t.clamp_min(x, 0.1), X),
    Row("clamp_max", lambda t, x: t.clamp_max(x, 0.1), X),
    Row("clamp NaN", lambda t, x: t.clamp(x, -1, 2), STRANGE, grad=False),
    *(Row(name, _call(name), X, Y) for name in ("maximum", "minimum", "fmax", "fmin", "copysign")),
    *(Row(f"{name} ties", _call(name), TIES, TIES) for name in ("maximum", "minimum")),
    *(
        Row(f"{name} NaN", _call(name), STRANGE, A(values=[1.0, NAN, 2.0, NAN]), grad=False)
        for name in ("maximum", "minimum", "fmax", "fmin")
    ),
    Row("copysign number", lambda t, x: t.copysign(x, -1.0), X),
    Row("copysign integers", lambda t, x: t.copysign(x, -1), INTEGERS),
    Row(
        "heaviside",
        lambda t, x, v: t.heaviside(x, v),
        TIES,
        A(values=[0.5, 0.25, 0.75]),
        grad=False,
    ),
]

_SPECIAL = [
    Row("atan2", lambda t, x, y: t.atan2(x, y), X, Y, gradcheck=True),
    Row("arctan2 integers", lambda t, x, y: t.arctan2(x, y), INTEGERS, INTEGERS),
    Row("hypot", lambda t, x, y: t.hypot(x, y), X, Y, gradcheck=True),
    Row("logaddexp", lambda t, x, y: t.logaddexp(x, y), X, Y, gradcheck=True),
    Row("logaddexp2", lambda t, x, y: t.logaddexp2(x, y), X, Y, gradcheck=True),
    Row("xlogy", lambda t, x, y: t.xlogy(x, y), X, POSITIVE, gradcheck=True),
    Row(
        "xlogy zero",
        lambda t, x, y: t.xlogy(x, y),
        A(values=[0.0, 2.0]),
        A(values=[0.0, 3.0]),
        grad=False,
    ),
    Row("polygamma", lambda t, x: t.polygamma(1, x), POSITIVE, rtol=1e-4),
    Row("i0", lambda t, x: t.i0(x), X, grad=False),
    *(
        Row(f"special.{name}", lambda t, x, n=name: getattr(t.special, n)(x), FRACTIONS, rtol=1e-4)
        for name in ("entr", "ndtr", "ndtri", "log_ndtr", "expit", "gammaln", "psi", "erfinv")
    ),
    Row("special.xlog1py", lambda t, x, y: t.special.xlog1py(x, y), X, POSITIVE),
]


def _in_place(name, x, *arguments):
    def call(t, x):
        x = x * 1
        getattr(x, name)(*arguments)
        return x

    return Row(name, call, x)


_IN_PLACE = [
    *(
        _in_place(f"{name}_", POSITIVE)
        for name in ("exp", "log", "sin", "cos", "tanh", "sigmoid", "floor")
    ),
    _in_place("clamp_", X, -0.5, 0.5),
    _in_place("round_", A(values=np.linspace(-2, 2, 9))),
]

ROWS = [*_UNARY, *_ROUNDING, *_LIMITS, *_SPECIAL, *_IN_PLACE]
