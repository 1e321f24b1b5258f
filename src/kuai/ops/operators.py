"""Python's operators on tensors: which operation each special method is.

An operand that is no tensor, number or NumPy array gives `NotImplemented`, so that Python asks the
other operand and then raises its own `TypeError`.
"""

import numbers

import numpy as np

from kuai.engine.op import inplace
from kuai.engine.tensor import Tensor, dtypes, from_array
from kuai.engine.tensor.frames import fold, folding
from kuai.engine.tensor.overriding import UNANSWERED, is_of_the_real_torch, named, overrides
from kuai.ops.math import arithmetic, comparison, division, logic, powers
from kuai.ops.math.products import matmul

__all__ = ["OPERATORS"]


def _operand(other):
    """The other side of an operator as a tensor or number, or None if it is neither."""
    if isinstance(other, (Tensor, bool, int, float, complex)):
        return other
    if isinstance(other, np.generic):
        if isinstance(other, np.bool_):
            return float(other)  # as PyTorch takes it
        return other.item() if isinstance(other, numbers.Number) else None
    if isinstance(other, np.ndarray):
        return from_array(other)
    if is_of_the_real_torch(type(other)):
        raise TypeError(f"a kuai.Tensor does not mix with {named(type(other))}")
    return None


def _as_numpy_computes(tensor, array, name):
    """A tensor and an array in the dtype that NumPy computes in: PyTorch leaves these to it."""
    if array.dtype.kind not in "biufc" or tensor.dtype.name == "bfloat16":
        return tensor, from_array(array)
    kind = np.result_type(tensor.dtype.jax, array.dtype)
    if "truediv" in name and kind.kind in "biu":
        kind = np.dtype(np.float64)
    return tensor.to(dtypes.from_jax(kind)), from_array(array.astype(kind))


def _operator(name, operation, swapped=False):
    leaves_to_numpy = not name.startswith("__i")

    def method(self, other):
        try:
            if not isinstance(other, (Tensor, float, int)):
                if isinstance(other, np.ndarray) and leaves_to_numpy:
                    self, other = _as_numpy_computes(self, other, name)
                operand = _operand(other)
                if operand is None and not overrides(type(other)):
                    return NotImplemented
                other = other if operand is None else operand
            return operation(other, self) if swapped else operation(self, other)
        except Exception as error:
            if type(error) is TypeError and str(error).startswith(UNANSWERED):
                return NotImplemented  # Python asks the other side, and says what it says
            fold(error)
            raise

    return _named(method, name, f"`{operation.__name__}` as an operator.")


def _named(method, name, text):
    method.__name__ = method.__qualname__ = name
    method.__doc__ = text
    return method


def _only_tensors(name, operation, swapped=False):
    @folding
    def method(self, other):
        operand = _operand(other)
        if not isinstance(other, (Tensor, np.ndarray)) and not overrides(type(other)):
            return NotImplemented
        other = other if operand is None else operand
        return operation(other, self) if swapped else operation(self, other)

    return _named(method, name, f"`{operation.__name__}` as an operator.")


def _unary(name, operation):
    @folding
    def method(self):
        return operation(self)

    return _named(method, name, f"`{operation.__name__}` as an operator.")


_BINARY = {
    "add": arithmetic.add_plain,
    "sub": arithmetic.subtract_plain,
    "mul": arithmetic.multiply_plain,
    "truediv": division.divide_plain,
    "floordiv": division.floor_divide,
    "mod": division.remainder,
    "pow": powers.pow,
    "and": logic.bitwise_and,
    "or": logic.bitwise_or,
    "xor": logic.bitwise_xor,
    "lshift": logic.bitwise_left_shift,
    "rshift": logic.bitwise_right_shift,
}
_RELATIONS = {name: getattr(comparison, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}
_UNARY = {
    "neg": arithmetic.neg,
    "pos": arithmetic.positive,
    "abs": arithmetic.abs,
    "invert": logic.invert,
}


def _all_operators() -> dict:
    table = {}
    for name, operation in _BINARY.items():
        table[f"__{name}__"] = _operator(f"__{name}__", operation)
        table[f"__r{name}__"] = _operator(f"__r{name}__", operation, swapped=True)
        table[f"__i{name}__"] = _operator(f"__i{name}__", inplace(operation, f"__i{name}__"))
    table["__rsub__"] = _operator("__rsub__", arithmetic.subtract_from)
    for name, operation in _RELATIONS.items():
        table[f"__{name}__"] = _operator(f"__{name}__", operation)
    for name, operation in _UNARY.items():
        table[f"__{name}__"] = _unary(f"__{name}__", operation)
    table["__matmul__"] = _only_tensors("__matmul__", matmul)
    table["__rmatmul__"] = _only_tensors("__rmatmul__", matmul, swapped=True)
    return table


#: What a `__torch_function__` is told instead of the plain operation.
_TOLD = {
    arithmetic.add_plain: arithmetic.add,
    arithmetic.subtract_plain: arithmetic.sub,
    arithmetic.subtract_from: arithmetic.rsub,
    arithmetic.multiply_plain: arithmetic.mul,
    division.divide_plain: division.div,
}
for _plain, _public in _TOLD.items():
    _plain.operation.public = _public

OPERATORS = _all_operators()
