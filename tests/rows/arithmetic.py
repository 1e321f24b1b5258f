"""Rows of `kuai.ops.math.arithmetic`, `division`, `powers`, `whole_numbers` and the operators."""

from tests.rowkit import A, Row

X, Y, ROW_VECTOR = A(3, 4), A(3, 4), A(4)
NONZERO = A(3, 4, low=0.5, high=2.0)
I64, I32 = A(3, 4, dtype="int64"), A(3, 4, dtype="int32")
COUNTING = A(3, 4, dtype="int64", low=1, high=5)
FLOATS = ("float32", "float64", "float16", "bfloat16")
ZEROS = A(values=[[-2.0, 0.0, 3.0], [0.0, -0.0, 1.0]])
PARTS = A(values=[[-7.5, 7.5, 2.0], [-2.0, 5.25, -0.5]])
DIVISORS = A(values=[[2.0, -2.0, 3.0], [3.0, 1.5, -4.0]])

_BINARY = [
    Row("add", lambda t, x, y: t.add(x, y), X, ROW_VECTOR, dtypes=FLOATS, gradcheck=True),
    Row("add alpha", lambda t, x, y: t.add(x, y, alpha=2.5), X, ROW_VECTOR, gradcheck=True),
    Row("add method", lambda t, x: x.add(3), X),
    Row("add alpha integers", lambda t, x, y: x.add(y, alpha=3), I32, I32),
    Row("add bools", lambda t, x, y: x.add(y), A(4, dtype="bool"), A(4, dtype="bool")),
    Row("add int and float", lambda t, x, y: x + y, I64, X),
    Row("add int and number", lambda t, x: x + 1.5, I64),
    Row("sub", lambda t, x, y: t.sub(x, y), X, ROW_VECTOR, dtypes=FLOATS, gradcheck=True),
    Row("sub alpha", lambda t, x, y: t.subtract(x, y, alpha=0.5), X, Y),
    Row("mul", lambda t, x, y: t.mul(x, y), X, ROW_VECTOR, dtypes=FLOATS, gradcheck=True),
    Row("multiply number", lambda t, x: t.multiply(x, 3), X),
    Row("mul bools", lambda t, x, y: x * y, A(4, dtype="bool"), A(4, dtype="bool")),
    Row("div", lambda t, x, y: t.div(x, y), X, NONZERO, dtypes=FLOATS, gradcheck=True),
    Row("divide integers", lambda t, x, y: t.divide(x, y), I64, COUNTING),
    Row("true_divide", lambda t, x, y: t.true_divide(x, y), X, NONZERO),
    Row("div trunc", lambda t, x, y: t.div(x, y, rounding_mode="trunc"), PARTS, DIVISORS),
    Row("div floor", lambda t, x, y: t.div(x, y, rounding_mode="floor"), PARTS, DIVISORS),
    Row("div trunc int", lambda t, x, y: t.div(x, y, rounding_mode="trunc"), I64, COUNTING),
    Row("div floor int", lambda t, x, y: t.div(x, y, rounding_mode="floor"), I64, COUNTING),
    Row("floor_divide", lambda t, x, y: t.floor_divide(x, y), PARTS, DIVISORS, grad=False),
    Row("floor_divide zero", lambda t, x: x // 0, ZEROS, grad=False),
    Row("remainder", lambda t, x, y: t.remainder(x, y), PARTS, DIVISORS),
    Row("remainder int", lambda t, x, y: t.remainder(x, y), I64, COUNTING),
    Row("fmod", lambda t, x, y: t.fmod(x, y), PARTS, DIVISORS),
    Row("fmod int", lambda t, x, y: t.fmod(x, y), I64, COUNTING),
    Row("addcmul", lambda t, x, y, z: t.addcmul(x, y, z, value=0.5), X, Y, ROW_VECTOR),
    Row(
        "numbers first, as of old",
        lambda t, x, y: (x.add(2, y), t.sub(x, 3, y), x.addcmul(2, y, y), t.addcdiv(x, 2, y, y)),
        X,
        Y,
    ),
    Row("addcdiv", lambda t, x, y, z: t.addcdiv(x, y, z, value=0.5), X, Y, NONZERO),
    Row("lerp", lambda t, x, y: t.lerp(x, y, 0.3), X, Y, gradcheck=True),
    Row("lerp tensor", lambda t, x, y, w: t.lerp(x, y, w), X, Y, A(3, 4, low=0, high=1)),
]

_UNARY = [
    Row("neg", lambda t, x: t.neg(x), X, dtypes=FLOATS),
    Row("negative", lambda t, x: t.negative(x), I64),
    Row("positive", lambda t, x: t.positive(x), X),
    Row("abs", lambda t, x: t.abs(x), ZEROS, dtypes=FLOATS),
    Row("absolute int", lambda t, x: t.absolute(x), I64),
    Row("abs complex", lambda t, x: t.abs(x), X, dtypes=("complex64",)),
    Row("reciprocal", lambda t, x: t.reciprocal(x), NONZERO, gradcheck=True),
    Row("sign", lambda t, x: t.sign(x), ZEROS),
    Row("sgn complex", lambda t, x: t.sgn(x), X, dtypes=("complex64",)),
    Row("square", lambda t, x: t.square(x), X, dtypes=FLOATS, gradcheck=True),
    Row("sqrt", lambda t, x: t.sqrt(x), A(3, 4, positive=True), dtypes=FLOATS, gradcheck=True),
    Row("sqrt int", lambda t, x: t.sqrt(x), COUNTING),
    Row("rsqrt", lambda t, x: t.rsqrt(x), A(3, 4, positive=True), gradcheck=True),
]

_POWERS = [
    *(
        Row(f"pow {exponent}", lambda t, x, e=exponent: t.pow(x, e), NONZERO)
        for exponent in (-2, -1, -0.5, 0, 0.5, 1, 2, 3, 4, 1.7, 5)
    ),
    Row("pow 2 at zero", lambda t, x: x**2, ZEROS),
    Row("pow tensor", lambda t, x, y: t.pow(x, y), NONZERO, Y, gradcheck=True),
    Row("pow of number", lambda t, x: t.pow(2, x), X),
    Row("pow int", lambda t, x: x**3, I64),
    Row("pow int 0.5", lambda t, x: x**0.5, COUNTING),
    Row("pow bool", lambda t, x: x**2, A(4, dtype="bool")),
    Row("rpow", lambda t, x: 2**x, X),
    Row("rpow int", lambda t, x: 2**x, COUNTING),
    Row("float_power", lambda t, x: t.float_power(x, 2.5), COUNTING),
]

_OPERATORS = [
    Row(
        "operators",
        lambda t, x, y: (x + y, x - y, x * y, x / y, x @ y.T, -x, abs(x), +x),
        X,
        NONZERO,
    ),
    Row("operators with numbers", lambda t, x: (x + 1, 1 - x, 2 * x, x / 2, x**2, 3 - x), X),
    Row("reflected division", lambda t, x: (1 / x, 5 % x, 5 // x), NONZERO, grad=False),
    Row("operators on bits", lambda t, x, y: (x & y, x | y, x ^ y, ~x, x << 2, x >> 1), I64, I64),
    Row("comparisons", lambda t, x, y: (x == y, x != y, x < y, x <= y, x > y, x >= y), I64, I64),
]


def _in_place(name, change, *inputs):
    def call(t, x, *others):
        x = x * 1
        change(x, *others)
        return x

    return Row(f"{name}_", call, *inputs)


_IN_PLACE = [
    _in_place("add", lambda x, y: x.add_(y, alpha=2), X, Y),
    _in_place("sub", lambda x, y: x.sub_(y), X, Y),
    _in_place("mul", lambda x, y: x.mul_(y), X, Y),
    _in_place("div", lambda x, y: x.div_(y), X, NONZERO),
    _in_place("pow", lambda x: x.pow_(2), X),
    _in_place("neg", lambda x: x.neg_(), X),
    _in_place("abs", lambda x: x.abs_(), X),
    _in_place("sqrt", lambda x: x.sqrt_(), NONZERO),
    _in_place("lerp", lambda x, y: x.lerp_(y, 0.25), X, Y),
    _in_place("addcmul", lambda x, y: x.addcmul_(y, y, value=2), X, Y),
    _in_place("addcdiv", lambda x, y: x.addcdiv_(y, y), X, NONZERO),
    _in_place("iadd", lambda x, y: x.__iadd__(y), X, Y),
    _in_place("imul", lambda x: x.__imul__(2), X),
]

_WHOLE = [
    Row("gcd", lambda t, x, y: t.gcd(x, y), I64, COUNTING),
    Row("lcm", lambda t, x, y: t.lcm(x, y), I64, COUNTING),
    Row("nextafter", lambda t, x, y: t.nextafter(x, y), X, Y, grad=False),
    Row("ldexp", lambda t, x, y: t.ldexp(x, y), X, COUNTING),
    Row("rsub", lambda t, x, y: (t.rsub(x, y, alpha=2), t.rsub(x, 1)), X, Y),
]

ROWS = [*_WHOLE, *_BINARY, *_UNARY, *_POWERS, *_OPERATORS, *_IN_PLACE]
