"""What interpreting an equation costs, roughly: enough to tell microseconds from milliseconds."""

import numpy as np

__all__ = ["cost_of"]

_CALL = 3e-6  # seconds for each equation
_ELEMENT = 1e-9  # for each element of the result
_SLOW = {
    "exp": 4, "exp2": 8, "log": 4, "log1p": 8, "expm1": 8, "tanh": 8, "logistic": 8, "sin": 8,
    "cos": 8, "tan": 16, "asin": 16, "acos": 16, "atan": 16, "sinh": 16, "cosh": 16, "asinh": 16,
    "acosh": 16, "atanh": 16, "pow": 16, "cbrt": 16, "atan2": 16, "erf": 120, "erfc": 120,
    "rem": 8, "div": 2, "threefry2x32": 80, "random_bits": 80, "random_split": 80,
    "gather": 12, "scatter": 16, "scatter-add": 40, "scatter_add": 40, "scatter-mul": 40,
    "scatter_mul": 40, "scatter-min": 40, "scatter_min": 40, "scatter-max": 40, "scatter_max": 40,
    "sort": 100, "top_k": 100, "argmax": 3, "argmin": 3, "cumsum": 4, "cumprod": 4, "cummax": 4,
    "cummin": 4, "cumlogsumexp": 30, "round": 4, "reduce_precision": 0,
}  # fmt: skip
_FREE = {"reshape", "transpose", "squeeze", "expand_dims", "broadcast_in_dim", "slice", "rev"}
_PRODUCT = 1e-10  # seconds for each multiplication and addition of a product
_WIDENED = 4


def cost_of(equation) -> float:
    """Seconds that interpreting an equation takes."""
    if equation.name in _FREE:
        return _CALL
    if equation.name == "dot_general":
        return _CALL + _product(equation)
    size = max((each.size for each in (*equation.inputs, *equation.outputs)), default=1)
    factor = _SLOW.get(equation.name, 1)
    if any(each.dtype.itemsize == 2 for each in equation.inputs):
        factor *= _WIDENED
    return _CALL + _ELEMENT * size * factor


def _product(equation):
    (summed, _), _ = equation.params["dimension_numbers"]
    left, right = equation.inputs
    inner = int(np.prod([left.shape[i] for i in summed], dtype=np.int64))
    slow = 20 if left.dtype.kind in "iu" else 1
    moved = (left.size + right.size) * _ELEMENT
    return moved + equation.outputs[0].size * inner * _PRODUCT * slow
