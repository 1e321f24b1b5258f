"""Rules of primitives that work element by element."""

import math

import numpy as np

from kuai.engine.tiers.rules import NotInterpretable, in_float32, rule

__all__ = []

_PLAIN = {
    "neg": np.negative, "floor": np.floor, "ceil": np.ceil, "is_finite": np.isfinite,
    "exp": np.exp, "exp2": np.exp2, "log": np.log, "log1p": np.log1p, "expm1": np.expm1,
    "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin,
    "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "sqrt": np.sqrt, "cbrt": np.cbrt, "abs": np.abs,
    "square": np.square, "add": np.add, "add_any": np.add, "sub": np.subtract, "mul": np.multiply,
    "atan2": np.arctan2, "eq": np.equal, "ne": np.not_equal,
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip
_COMPARISONS = {"eq", "ne", "lt", "le", "gt", "ge", "is_finite"}
_LOGIC = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert}


@rule(*_PLAIN)
def _plain(equation):
    function = _PLAIN[equation.name]
    if equation.name in _COMPARISONS:
        return function
    return in_float32(function, equation)


@rule("max", "min")
def _extreme(equation):
    """Of 0.0 and -0.0, which NumPy takes for the same, the one is larger."""
    largest = equation.name == "max"
    function = np.maximum if largest else np.minimum
    if equation.inputs[0].dtype.kind in "biu":
        return function

    def extreme(x, y):
        found = function(x, y)
        zeros = (x == 0) & (y == 0)
        if not zeros.any():
            return found
        return np.where(zeros, x + y if largest else -(-x - y), found)

    return in_float32(extreme, equation)


@rule(*_LOGIC)
def _logic(equation):
    return _LOGIC[equation.name]


@rule("rsqrt")
def _rsqrt(equation):
    return in_float32(lambda x: np.reciprocal(np.sqrt(x)), equation)


@rule("logistic")
def _logistic(equation):
    return in_float32(lambda x: np.reciprocal(np.exp(np.negative(x)) + x.dtype.type(1)), equation)


@rule("sign")
def _sign(equation):
    if equation.inputs[0].dtype.kind in "iu":
        return np.sign
    return in_float32(lambda x: np.where(x == 0, x, np.sign(x)), equation)


@rule("round")
def _round(equation):
    if int(equation.params["rounding_method"]) == 1:  # to even
        return in_float32(np.rint, equation)

    def away_from_zero(x):
        whole = np.trunc(x)
        further = np.abs(x - whole) >= x.dtype.type(0.5)
        return np.copysign(np.where(further, whole + np.copysign(x.dtype.type(1), x), whole), x)

    return in_float32(away_from_zero, equation)


@rule("copy", "copy_p", "stop_gradient", "optimization_barrier", "sharding_constraint", "mesh_cast")
def _same(equation):
    return (lambda x: x) if len(equation.outputs) == 1 else (lambda *arrays: arrays)


# Special functions --------------------------------------------------------------------------------


def _one_by_one(function):
    def apply(x):
        return np.array([function(v) for v in x.ravel().tolist()], x.dtype).reshape(x.shape)

    return apply


@rule("erf", "erfc")
def _erf(equation):
    return in_float32(_one_by_one(getattr(math, equation.name)), equation)


# Powers, quotients, remainders --------------------------------------------------------------------


@rule("integer_pow")
def _integer_pow(equation):
    exponent = equation.params["y"]
    if exponent < 0 and equation.inputs[0].dtype.kind in "iu":
        raise NotInterpretable

    def power(x):
        found, left = None, abs(exponent)
        while left:
            if left & 1:
                found = x if found is None else found * x
            left >>= 1
            if left:
                x = x * x
        found = np.ones_like(x) if found is None else found
        return np.reciprocal(found) if exponent < 0 else found

    return in_float32(power, equation)


@rule("pow")
def _pow(equation):
    base, exponent = equation.inputs
    if base.dtype.kind in "iu":
        raise NotInterpretable
    if exponent.dtype == base.dtype:
        return in_float32(np.power, equation)
    return in_float32(lambda x, y: np.power(x, y.astype(x.dtype)), equation)


@rule("div")
def _div(equation):
    if equation.inputs[0].dtype.kind not in "iu":
        return in_float32(np.true_divide, equation)
    minus_one = _minus_one(equation.inputs[0].dtype)

    def truncated(x, y):
        safe = np.where(y == 0, y.dtype.type(1), y)
        quotient = np.floor_divide(x, safe)
        rest = x - quotient * safe
        quotient = quotient + ((rest != 0) & ((rest < 0) != (x < 0))).astype(x.dtype)
        return np.where(y == 0, minus_one, quotient)

    return truncated


def _minus_one(dtype):
    return np.array(-1, np.int64).astype(dtype)


@rule("rem")
def _rem(equation):
    if equation.inputs[0].dtype.kind not in "iu":
        return in_float32(np.fmod, equation)
    return lambda x, y: np.where(y == 0, x, np.fmod(x, np.where(y == 0, y.dtype.type(1), y)))


@rule("nextafter")
def _nextafter(equation):
    if equation.inputs[0].dtype not in (np.float32, np.float64):
        raise NotInterpretable
    return np.nextafter


# Bits ---------------------------------------------------------------------------------------------


@rule("shift_left")
def _shift_left(equation):
    return np.left_shift


@rule("shift_right_arithmetic")
def _shift_right_arithmetic(equation):
    if equation.inputs[0].dtype.kind == "u":
        raise NotInterpretable
    return np.right_shift


@rule("shift_right_logical")
def _shift_right_logical(equation):
    kind = equation.inputs[0].dtype
    bare = np.dtype(f"u{kind.itemsize}")

    def shifted(x, y):
        x, y = np.asarray(x), np.asarray(y)
        return np.asarray(np.right_shift(x.view(bare), y.view(bare))).view(kind)

    return shifted


@rule("population_count")
def _population_count(equation):
    if equation.inputs[0].dtype.kind != "u" or not hasattr(np, "bitwise_count"):
        raise NotInterpretable
    return lambda x: np.bitwise_count(x).astype(x.dtype)


# Choosing -----------------------------------------------------------------------------------------


@rule("select_n")
def _select_n(equation):
    if len(equation.inputs) == 2:
        return lambda which, only: only
    if len(equation.inputs) > 3:
        raise NotInterpretable
    if equation.inputs[0].dtype != np.bool_:
        return lambda which, zero, one: np.where(which != 0, one, zero)
    return lambda which, no, yes: np.where(which, yes, no)


@rule("clamp")
def _clamp(equation):
    return in_float32(lambda low, x, high: np.minimum(np.maximum(x, low), high), equation)


# Dtypes -------------------------------------------------------------------------------------------


@rule("convert_element_type")
def _convert_element_type(equation):
    source, target = equation.inputs[0].dtype, equation.outputs[0].dtype
    if source == target:
        return lambda x: x
    if target.kind not in "iu" or source.kind in "iub":
        return lambda x: np.asarray(x).astype(target)
    return _saturating(target)


def _saturating(target):
    """Floats to integers: what does not fit becomes the nearest that does, NaN becomes 0."""
    limits = np.iinfo(target)

    def convert(x):
        x = np.asarray(x)
        x = x.astype(np.float32) if x.dtype.itemsize == 2 else x
        low, high = x.dtype.type(limits.min), x.dtype.type(limits.max)
        fits = (x > low) & (x < high)
        made = np.where(fits, x, x.dtype.type(0)).astype(target)
        made = np.where(x >= high, target.type(limits.max), made)
        return np.where(x <= low, target.type(limits.min), made)

    return convert


@rule("bitcast_convert_type")
def _bitcast_convert_type(equation):
    source, (shape, kind) = equation.inputs[0], equation.outputs[0]
    if source.dtype.kind == "b" or kind.kind == "b":
        raise NotInterpretable
    # parts of one element, the lowest first, are along a last dimension
    parts = (*source.shape, 1) if source.dtype.itemsize > kind.itemsize else source.shape
    parts = parts or (1,)
    return lambda x: np.ascontiguousarray(x).reshape(parts).view(kind).reshape(shape)


@rule("reduce_precision")
def _reduce_precision(equation):
    bits = equation.params["exponent_bits"], equation.params["mantissa_bits"]
    own = {"float64": (11, 52), "float32": (8, 23), "float16": (5, 10), "bfloat16": (8, 7)}
    if own.get(equation.inputs[0].dtype.name) != bits:
        raise NotInterpretable
    return lambda x: x
