"""Type promotion: the dtype of a result, by PyTorch's rules instead of NumPy's or JAX's.

A dtype belongs to a category: bool < integer < floating < complex. Operands fall into three groups
of falling priority: tensors with dimensions, 0-d tensors, Python numbers. A lower group changes the
result only when its category is higher than that of every group above it, so `float16_tensor + 1.5`
stays float16 and `int8_tensor + 1.5` becomes the default dtype.

Inside a traced function a Python number arrives as a weakly typed JAX value; that is how it is told
from a 0-d tensor. Why not JAX's own promotion: it knows no 0-d rule, and its tables differ (int64
with float16 stays float16 here, uint8 with int8 is int16).
"""

import functools
import numbers
from typing import Any, overload

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax.extend.core.primitives import convert_element_type_p

from kuai.engine.tensor.dtypes import default_float_jax, dtype, from_jax

__all__ = [
    "can_cast",
    "cast",
    "category",
    "promote",
    "promote_types",
    "result_dtype",
    "result_type",
    "c_name",
    "in_eight_bits",
    "scalar_name",
    "strong",
    "weak_uint64",
]

_BOOL, _INTEGER, _FLOATING, _COMPLEX = range(4)
_CATEGORY = {"b": _BOOL, "i": _INTEGER, "u": _INTEGER, "f": _FLOATING, "c": _COMPLEX}
_SIGNED = tuple(np.dtype(name) for name in ("int8", "int16", "int32", "int64"))
_UINT8, _UINT64 = np.dtype(np.uint8), np.dtype(np.uint64)
_BARE_UNSIGNED = tuple(np.dtype(name) for name in ("uint16", "uint32", "uint64"))
_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
_REALS = (np.dtype(np.float16), _BFLOAT16, np.dtype(np.float32), np.dtype(np.float64))
_COMPLEX64, _COMPLEX128 = np.dtype(np.complex64), np.dtype(np.complex128)
_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_SCALAR_NAMES = {
    "bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int",
    "int64": "Long", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64",
    "float16": "Half", "bfloat16": "BFloat16", "float32": "Float", "float64": "Double",
    "complex64": "ComplexFloat", "complex128": "ComplexDouble",
}  # fmt: skip


_C_NAMES = {
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


def c_name(kind: np.dtype | dtype) -> str:
    """What C++ calls a dtype: some of PyTorch's errors say so."""
    return _C_NAMES.get(kind.name, kind.name)


def scalar_name(kind) -> str:
    """What PyTorch's error messages call a dtype: float32 is `Float`, int64 is `Long`."""
    name = np.dtype(kind).name
    return _SCALAR_NAMES.get(name, name.capitalize())


def category(kind: np.dtype) -> int:
    """0 for bool, 1 for integers, 2 for floating and 3 for complex NumPy types."""
    return _CATEGORY.get(kind.kind, _FLOATING)


@functools.cache
def promote_pair(first: np.dtype, second: np.dtype) -> np.dtype:
    """The smallest NumPy type that holds both, by PyTorch's table."""
    if first == second:
        return first
    _refuse_unsupported(first, second)
    low, high = sorted((first, second), key=category)
    if category(high) == _COMPLEX:
        return _COMPLEX128 if _FLOAT64 in (low, high) or _COMPLEX128 in (low, high) else _COMPLEX64
    if category(low) < category(high):
        return high
    return _wider_float(low, high) if category(high) == _FLOATING else _wider_integer(low, high)


def _wider_float(first: np.dtype, second: np.dtype) -> np.dtype:
    if first.itemsize == second.itemsize:
        return _FLOAT32  # float16 and bfloat16: neither holds the other
    return max(first, second, key=lambda kind: kind.itemsize)


def _wider_integer(first: np.dtype, second: np.dtype) -> np.dtype:
    signed = max((k for k in (first, second) if k in _SIGNED), key=_SIGNED.index)
    return np.dtype(np.int16) if _UINT8 in (first, second) and signed.itemsize == 1 else signed


def _refuse_unsupported(first: np.dtype, second: np.dtype) -> None:
    families = (("Float8 Types", _is_float8), ("uint16, uint32, uint64 types", _is_bare_unsigned))
    for name, belongs in families:
        refused = belongs(first) or belongs(second)
        if refused and not (belongs is _is_bare_unsigned and _has_real_float(first, second)):
            raise RuntimeError(
                f"Promotion for {name} is not supported, attempted to promote "
                f"{scalar_name(first)} and {scalar_name(second)}"
            )


def _is_float8(kind: np.dtype) -> bool:
    return kind.name.startswith("float8")


def _is_bare_unsigned(kind: np.dtype) -> bool:
    return kind in _BARE_UNSIGNED


def _has_real_float(*kinds: np.dtype) -> bool:
    return any(kind in _REALS for kind in kinds)


def _default_of(kind_category: int) -> np.dtype:
    """What a Python number of a category counts as when it decides the result."""
    real = default_float_jax()
    if kind_category == _COMPLEX:
        return _to_complex(real)
    return (np.dtype(np.bool_), np.dtype(np.int64), real)[kind_category]


def _to_complex(kind: np.dtype) -> np.dtype:
    return _COMPLEX128 if kind == _FLOAT64 else _COMPLEX64


def _combine(higher: np.dtype | None, lower: np.dtype | None) -> Any:
    """The result of two groups of operands, of which the higher has priority."""
    if higher is None or lower is None:
        return lower if higher is None else higher
    if category(higher) == _FLOATING and category(lower) == _COMPLEX:
        return _to_complex(higher)
    if category(lower) > category(higher):
        return promote_pair(higher, lower)
    return higher


def result_dtype(*values) -> np.dtype:
    """The NumPy type in which an operation on jax values, tensors and Python numbers is done."""
    groups: list[np.dtype | None] = [None, None, None]
    for value in values:
        group, kind = _group_and_kind(value)
        groups[group] = kind if groups[group] is None else promote_pair(groups[group], kind)
    dimensioned, zero_dimensional, number = groups
    return _combine(dimensioned, _combine(zero_dimensional, number))


def _group_and_kind(value) -> tuple[int, np.dtype]:
    if isinstance(value, (numbers.Number, np.generic)):
        return 2, _default_of(category(np.dtype(type(value))))
    kind = value.dtype.jax if isinstance(value.dtype, dtype) else np.dtype(value.dtype)
    if getattr(value, "weak_type", False):
        return 2, kind if kind == _UINT64 else _default_of(category(kind))
    return (0 if value.ndim else 1), kind


@overload
def promote(value, /, *, to_float: bool = False) -> jax.Array: ...
@overload
def promote(*values, to_float: bool = False) -> Any: ...


def promote(*values, to_float: bool = False) -> Any:
    """The values as strongly typed JAX arrays of their common dtype; one value comes back alone.

    Args:
        values: jax values (weakly typed ones are Python numbers) or Python numbers.
        to_float: Integers and bools become the default floating dtype.
    """
    kind = result_dtype(*values)
    if to_float and category(kind) < _FLOATING:
        kind = default_float_jax()
    arrays = tuple(cast(value, kind) for value in values)
    return arrays[0] if len(arrays) == 1 else arrays


def weak_uint64(number: int) -> jax.Array:
    """A whole number of more than 63 bits, as a Python number arrives inside a traced function."""
    return convert_element_type_p.bind(
        np.uint64(number), new_dtype=_UINT64, weak_type=True, sharding=None
    )


def strong(array) -> jax.Array:
    """The array, or the number as one, with a dtype that other operands do not change."""
    array = jnp.asarray(array)
    return jax.lax.convert_element_type(array, array.dtype) if array.weak_type else array


def cast(value, kind: np.dtype) -> jax.Array:
    """The value as a strongly typed array of a NumPy type; complex to real drops the imaginary
    part, but refuses a complex number of Python's."""
    array = value if isinstance(value, jax.Array) else jnp.asarray(value)
    if array.dtype.kind == "c" and kind.kind == "b":
        return array != 0
    if array.dtype.kind == "c" and kind.kind != "c":
        if getattr(array, "weak_type", False):
            raise RuntimeError(
                f"value cannot be converted to type {_NUMBERS.get(kind.name, kind.name)} "
                "without overflow"
            )
        array = array.real
    if array.dtype == bool and kind.kind in "fcV":
        # XLA turns x * float(mask) into a choice, which gives 0 for inf, nan and -0
        array = jax.lax.convert_element_type(array, np.int8)
    if array.dtype.kind in "fV" and kind.kind in "iu":
        array = _truncated(array, kind)
    return jax.lax.convert_element_type(in_eight_bits(array, kind, jnp), kind)


def in_eight_bits(array, kind: np.dtype, library):
    """The values that PyTorch makes of those that an 8-bit type has not; other types are left.

    float8_e4m3fn stops at its largest number, 448, also for infinities. float8_e8m0fnu has powers
    of two only: a sign is dropped, and 0 is the smallest of them.

    Args:
        library: `numpy` or `jax.numpy`, whose array it is.
    """
    if kind.itemsize > 1 or kind.name not in ("float8_e4m3fn", "float8_e8m0fnu"):
        return array
    wide = array if array.dtype == np.float64 else array.astype(np.float32)
    if kind.name == "float8_e4m3fn":
        return library.clip(wide, -448, 448)
    smallest = np.asarray(2.0**-127, wide.dtype)
    return library.where(wide == 0, smallest, library.abs(wide))


#: What PyTorch's errors of conversions call dtypes.
_NUMBERS = {
    "float64": "double", "float32": "float", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
    "int64": "int64_t", "int32": "int",
}  # fmt: skip


def _truncated(array, kind: np.dtype) -> jax.Array:
    """Floating point numbers as whole ones that wrap around, where XLA's stop at the limits.

    As PyTorch's on a CPU: what is beyond 32 (or 64) bits, nan and infinities are the smallest
    number of that size, whose last bits are 0.
    """
    signed = np.dtype(np.int64 if kind.itemsize == 8 or kind == np.uint32 else np.int32)
    smallest = int(np.iinfo(signed).min)
    array = array if array.dtype.itemsize >= 4 else jax.lax.convert_element_type(array, np.float32)
    low = np.asarray(smallest, array.dtype)
    fits = (array >= low) & (array < -low)
    whole = jax.lax.convert_element_type(jnp.where(fits, array, 0), signed)
    return jnp.where(fits, whole, np.asarray(smallest, signed))


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest dtype that is at least as wide and of at least the category of both.

    Example:
        >>> kuai.promote_types(kuai.int32, kuai.float16)
        torch.float16
        >>> kuai.promote_types(kuai.uint8, kuai.int8)
        torch.int16
    """
    return from_jax(promote_pair(type1.jax, type2.jax))


def result_type(tensor1, tensor2) -> dtype:
    """The dtype of an arithmetic operation on two tensors or numbers.

    Example:
        >>> kuai.result_type(kuai.tensor([1, 2], dtype=kuai.int8), 1.5)
        torch.float32
    """
    return from_jax(result_dtype(tensor1, tensor2))


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether PyTorch casts `from_` to `to` silently: the category must not fall.

    Example:
        >>> kuai.can_cast(kuai.float64, kuai.float32), kuai.can_cast(kuai.float32, kuai.int64)
        (True, False)
    """
    return category(from_.jax) <= category(to.jax)
