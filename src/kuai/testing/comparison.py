"""assert_close: whether two results are the same up to rounding, and a text that says where not.

Results may be tensors, numbers, booleans, None, and sequences and mappings of these, nested. Each
pair of leaves is compared by the first kind of comparison that takes both. Values are compared by
NumPy in their own dtype, so nothing is compiled for a test.
"""

import cmath
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kuai.engine.tensor import Tensor, dtypes
from kuai.engine.tensor.concrete import concrete
from kuai.engine.tensor.promotion import promote_types
from kuai.ops.array.creation import tensor
from kuai.ops.array.existing_data import as_tensor

__all__ = ["assert_allclose", "assert_close"]

#: (rtol, atol) where none are given; integers and booleans have to be equal.
_TOLERANCES = {
    dtypes.float16: (1e-3, 1e-5),
    dtypes.bfloat16: (1.6e-2, 1e-5),
    dtypes.float32: (1.3e-6, 1e-5),
    dtypes.float64: (1e-7, 1e-7),
    dtypes.complex64: (1.3e-6, 1e-5),
    dtypes.complex128: (1e-7, 1e-7),
}
_LOOSER = {
    dtypes.float16: (1e-3, 1e-3),
    dtypes.float32: (1e-4, 1e-5),
    dtypes.float64: (1e-5, 1e-8),
}
_DTYPES = {int: dtypes.int64, float: dtypes.float64, complex: dtypes.complex128}


class _Mismatch(Exception):
    """What is wrong, where in the nested results, and as which error it is to be raised."""

    def __init__(self, kind: type[Exception], text: str, place: tuple = ()):
        super().__init__(text)
        self.kind, self.text, self.place = kind, text, place

    def error(self, message: str | Callable[[str], str] | None) -> Exception:
        """The error for the user, with the text that the user wants."""
        if isinstance(message, str):
            return self.kind(message)
        text = self.text
        if self.place:
            steps = "".join(f"[{step!r}]" for step in self.place)
            text = f"{text}\n\nThe failure occurred for item {steps}"
        return self.kind(message(text) if message is not None else text)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise an error unless |actual - expected| ≤ atol + rtol · |expected| everywhere.

    Args:
        actual, expected: tensors, what can be made a tensor, numbers, None, and sequences and
            mappings of these.
        allow_subclasses: whether a subclass may stand where its base is expected.
        rtol, atol: both or none; without them the dtype decides: 1.3e-6 and 1e-5 for float32.
        equal_nan: nan is equal to nan.
        check_device, check_dtype, check_layout, check_stride: what else has to be the same.
        msg: another text, or a function that makes one of the text.

    Example:
        >>> kuai.testing.assert_close(kuai.tensor([1.0, 2.0]), kuai.tensor([1.0, 2.5]))
        Traceback (most recent call last):
        ...
        AssertionError: Tensor-likes are not close!
        <BLANKLINE>
        Mismatched elements: 1 / 2 (50.0%)
        Greatest absolute difference: 0.5 at index (1,) (up to 1e-05 allowed)
        Greatest relative difference: 0.20000000298023224 at index (1,) (up to 1.3e-06 allowed)
    """
    options = _Options(
        allow_subclasses, rtol, atol, equal_nan, check_device, check_dtype, check_stride
    )
    try:
        for compare in list(_comparisons(actual, expected, options, ())):
            compare()
    except _Mismatch as found:
        raise found.error(msg) from None


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """`assert_close`, as it once was: looser, and whatever the dtypes."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a "
        "future release. Please use `torch.testing.assert_close()` instead. You can find detailed "
        "upgrade instructions in https://github.com/pytorch/pytorch/issues/61844.",
        FutureWarning,
        stacklevel=2,
    )
    actual = actual if isinstance(actual, Tensor) else tensor(actual)
    if not isinstance(expected, Tensor):
        expected = tensor(expected, dtype=actual.dtype)
    if rtol is None and atol is None:
        pairs = [_LOOSER.get(each.dtype, (0.0, 0.0)) for each in (actual, expected)]
        rtol, atol = map(max, zip(*pairs, strict=True))
    options = {"rtol": rtol, "atol": atol, "equal_nan": equal_nan, "check_dtype": False}
    assert_close(actual, expected, msg=msg or None, **options)


class _Options:
    """How leaves are compared."""

    def __init__(
        self, allow_subclasses, rtol, atol, equal_nan, check_device, check_dtype, check_stride
    ):
        self.allow_subclasses = allow_subclasses
        self.rtol, self.atol, self.equal_nan = rtol, atol, equal_nan
        self.check_device, self.check_dtype = check_device, check_dtype
        self.check_stride = check_stride

    def tolerances(self, place, *kinds):
        """(rtol, atol): those that were given, or the larger ones of two dtypes."""
        if (self.rtol is None) != (self.atol is None):
            missing = "rtol" if self.rtol is None else "atol"
            text = (
                f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}."
            )
            raise _Mismatch(ValueError, text, place)
        if self.rtol is not None:
            return self.rtol, self.atol
        found = [_TOLERANCES.get(kind, (0.0, 0.0)) for kind in kinds]
        return max(rtol for rtol, _ in found), max(atol for _, atol in found)


# Nested results -----------------------------------------------------------------------------------


def _comparisons(actual, expected, options, place):
    """A function for each pair of leaves, that raises if they differ."""
    if _are(Sequence, actual, expected) and not _is_any(str, actual, expected):
        yield from _in_sequences(actual, expected, options, place)
    elif _are(Mapping, actual, expected):
        yield from _in_mappings(actual, expected, options, place)
    else:
        yield _leaf(actual, expected, options, place)


def _are(kind, *values):
    return all(isinstance(value, kind) for value in values)


def _is_any(kind, *values):
    return any(isinstance(value, kind) for value in values)


def _in_sequences(actual, expected, options, place):
    if len(actual) != len(expected):
        text = f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
        raise _Mismatch(AssertionError, text, place)
    for i in range(len(actual)):
        yield from _comparisons(actual[i], expected[i], options, (*place, i))


def _in_mappings(actual, expected, options, place):
    ours, theirs = set(actual), set(expected)
    if ours != theirs:
        text = (
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {sorted(theirs - ours)}\n"
            f"Additional keys in the actual mapping: {sorted(ours - theirs)}"
        )
        raise _Mismatch(AssertionError, text, place)
    try:
        keys = sorted(ours)
    except TypeError:
        keys = list(actual)
    for key in keys:
        yield from _comparisons(actual[key], expected[key], options, (*place, key))


def _leaf(actual, expected, options, place):
    if actual is None or expected is None:
        return lambda: _compare_none(actual, expected, place)
    if _are((bool, np.bool_), actual, expected):
        return lambda: _compare_booleans(bool(actual), bool(expected), place)
    if _are((int, float, complex, np.number), actual, expected):
        numbers = [v.item() if isinstance(v, np.number) else v for v in (actual, expected)]
        kinds = [_DTYPES[next(k for k in _DTYPES if isinstance(v, k))] for v in numbers]
        tolerances = options.tolerances(place, *kinds)
        ours, theirs = numbers
        return lambda: _compare_numbers(ours, theirs, tolerances, options, place)
    pair = _as_tensors(actual, expected, options)
    if pair is None:
        text = (
            "No comparison pair was able to handle inputs of type "
            f"{type(actual)} and {type(expected)}."
        )
        raise _Mismatch(TypeError, text, place)
    first, second = pair
    tolerances = options.tolerances(place, first.dtype, second.dtype)
    return lambda: _compare_tensors(first, second, tolerances, options, place)


def _as_tensors(actual, expected, options):
    """Both as tensors, or None if they cannot be compared so."""
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    if not related or (not options.allow_subclasses and type(actual) is not type(expected)):
        return None
    try:
        return as_tensor(_dense(actual)), as_tensor(_dense(expected))
    except (TypeError, ValueError, RuntimeError):
        return None


def _dense(value):
    """A sparse tensor with all its elements; anything else as it is."""
    is_sparse = isinstance(value, Tensor) and value._specified is not None
    return value.to_dense() if is_sparse else value


# Leaves -------------------------------------------------------------------------------------------


def _compare_none(actual, expected, place):
    if not (actual is None and expected is None):
        raise _Mismatch(AssertionError, f"None mismatch: {actual} is not {expected}", place)


def _compare_booleans(actual, expected, place):
    if actual is not expected:
        raise _Mismatch(AssertionError, f"Booleans mismatch: {actual} is not {expected}", place)


def _compare_numbers(actual, expected, tolerances, options, place):
    if options.check_dtype and type(actual) is not type(expected):
        text = f"The (d)types do not match: {type(actual)} != {type(expected)}."
        raise _Mismatch(AssertionError, text, place)
    if actual == expected:
        return
    if options.equal_nan and cmath.isnan(actual) and cmath.isnan(expected):
        return
    rtol, atol = tolerances
    difference = abs(actual - expected)
    if not (cmath.isfinite(difference) and difference <= atol + rtol * abs(expected)):
        raise _Mismatch(AssertionError, _of_numbers(actual, expected, tolerances), place)


def _compare_tensors(actual, expected, tolerances, options, place):
    wanted = {"shape": True, "device": options.check_device, "dtype": options.check_dtype}
    if options.check_stride:
        wanted = {"shape": True, "stride()": True, **wanted}
    for name, is_wanted in wanted.items():
        ours, theirs = (_attribute(each, name) for each in (actual, expected))
        if is_wanted and ours != theirs:
            text = f"The values for attribute '{name}' do not match: {ours} != {theirs}."
            raise _Mismatch(AssertionError, text, place)
    if actual.dtype is not expected.dtype:
        common = promote_types(actual.dtype, expected.dtype)
        actual, expected = actual.to(common), expected.to(common)
    _compare_values(actual, expected, tolerances, options, place)


def _attribute(each, name):
    return each.stride() if name == "stride()" else getattr(each, name)


def _compare_values(actual, expected, tolerances, options, place):
    ours, theirs = (concrete(each, "assert_close") for each in (actual, expected))
    with np.errstate(all="ignore"):
        matches = _matches(ours, theirs, tolerances, options.equal_nan)
        if matches.all():
            return
        if ours.shape == ():
            text = _of_numbers(ours.item(), theirs.item(), tolerances)
        else:
            text = _of_arrays(ours, theirs, matches, tolerances)
    raise _Mismatch(AssertionError, text, place)


def _matches(actual, expected, tolerances, equal_nan):
    rtol, atol = tolerances
    same = actual == expected
    if equal_nan:
        same = same | (_is_nan(actual) & _is_nan(expected))
    if rtol == 0 and atol == 0:
        return same
    difference = _absolute(_difference(actual, expected))
    allowed = atol + rtol * _absolute(expected).astype(np.float64)
    return same | (np.isfinite(difference) & (difference <= allowed))


def _is_nan(array):
    return array != array


def _difference(actual, expected):
    """In the dtype itself, where it is inexact; integers in int64."""
    if actual.dtype.kind in "biu":
        actual, expected = actual.astype(np.int64), expected.astype(np.int64)
    return actual - expected


def _absolute(array):
    return np.abs(array.astype(np.int64) if array.dtype.kind == "b" else array)


# Texts --------------------------------------------------------------------------------------------


def _of_numbers(actual, expected, tolerances):
    difference = abs(actual - expected)
    relative = float("inf") if expected == 0 else difference / abs(expected)
    lines = [f"Expected {expected} but got {actual}."]
    for kind, found, tolerance in _kinds(difference, relative, tolerances):
        lines.append(f"{kind.title()} difference: {found}{tolerance}")
    return _text("Scalars", lines, tolerances)


def _of_arrays(actual, expected, matches, tolerances):
    difference = _absolute(_difference(actual, expected))
    size = _absolute(expected)
    if size.dtype.kind in "iu":
        relative = difference.astype(np.float32) / size.astype(np.float32)
    else:
        relative = difference / size
    difference, relative = (np.where(matches, 0, each) for each in (difference, relative))
    wrong = matches.size - int(matches.sum())
    lines = [f"Mismatched elements: {wrong} / {matches.size} ({wrong / matches.size:.1%})"]
    for kind, found, tolerance in _kinds(difference, relative, tolerances):
        place = tuple(int(i) for i in np.unravel_index(_largest(found), found.shape))
        greatest = found[place].item()
        lines.append(f"Greatest {kind} difference: {greatest} at index {place}{tolerance}")
    return _text("Tensor-likes", lines, tolerances)


def _largest(array):
    """The flat place of the largest element, or of the first nan."""
    return int(np.argmax(array.astype(np.float64)))


def _kinds(difference, relative, tolerances):
    rtol, atol = tolerances
    is_exact = rtol == 0 and atol == 0
    for kind, found, allowed in (("absolute", difference, atol), ("relative", relative, rtol)):
        yield kind, found, "" if is_exact else f" (up to {allowed} allowed)"


def _text(subject, lines, tolerances):
    verb = "equal" if tolerances == (0, 0) else "close"
    return "\n".join([f"{subject} are not {verb}!\n", *lines])
