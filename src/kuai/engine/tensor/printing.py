"""What ``repr(tensor)`` says: a pure function from a NumPy array to PyTorch's text.

The text is decided in three steps. `_shown` cuts the array down to the corner elements that will
be printed. `_style_for` looks at exactly those and picks one style (integer, fixed, scientific)
and one column width for the whole array, so that columns line up. `_block` lays the elements out
in brackets, and `with_suffixes` adds what the numbers do not say (`device`, `size`, `dtype`,
`grad_fn`, `requires_grad`), on a new line where the current one is full.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class PrintOptions:
    """How tensors are printed; see `set_printoptions`."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf),
}
_options = _PROFILES["default"]


def get_printoptions() -> PrintOptions:
    """The options in force."""
    return _options


def put_printoptions(options: PrintOptions) -> None:
    """Print as some options say."""
    global _options
    _options = options


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Sets how tensors are printed, from now on and everywhere.

    Args:
        precision: digits after the point (4).
        threshold: arrays with more elements than this are summarised with ``...`` (1000).
        edgeitems: elements shown at each end of a summarised dimension (3).
        linewidth: columns before a line is broken (80).
        profile: ``"default"``, ``"short"`` or ``"full"``: the starting point for the others.
        sci_mode: True or False forces scientific form on or off; None lets the values decide.

    Example:
        >>> import numpy as np
        >>> set_printoptions(precision=2)
        >>> print(format_tensor(np.array([1.2345, 2.5], dtype="float32")))
        tensor([1.23, 2.50])
        >>> set_printoptions(profile="default")
    """
    global _options
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    start = _options if profile is None else _PROFILES.get(profile, _options)
    changes = {name: value for name, value in given.items() if value is not None}
    _options = replace(start, **changes, sci_mode=sci_mode)


def format_tensor(
    array: np.ndarray,
    *,
    dtype_name: str | None = None,
    default_dtype: str = "float32",
    device_text: str | None = None,
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    class_name: str = "tensor",
    tangent: str | None = None,
) -> str:
    """The text of ``repr(tensor)``.

    Args:
        array: the values, also in ml_dtypes' types (bfloat16, float8_*).
        dtype_name: the name printed as ``torch.<name>``; the array's own name if None.
        default_dtype: the default floating dtype, which is not printed.
        device_text: e.g. ``"cuda:0"``; None for the default device, which is not printed.
        requires_grad: whether a leaf asks for a gradient.
        grad_fn_name: e.g. ``"AddmmBackward0"``; it is printed instead of `requires_grad`.
        class_name: the word before the bracket, for subclasses of Tensor.
        tangent: the text of its tangent in forward mode.

    Example:
        >>> import numpy as np
        >>> print(format_tensor(np.eye(2, dtype="float32"), requires_grad=True))
        tensor([[1., 0.],
                [0., 1.]], requires_grad=True)
    """
    dtype_name = dtype_name or array.dtype.name
    indent = len(class_name) + 1
    text = f"{class_name}({contents(array, dtype_name, indent)}"
    suffixes = _suffixes(array, dtype_name, default_dtype, device_text)
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    if tangent is not None:
        suffixes.append(f"tangent={tangent}")
    return with_suffixes(text, suffixes, indent)


def _suffixes(
    array: np.ndarray, dtype_name: str, default_dtype: str, device_text: str | None
) -> list[str]:
    suffixes = [] if device_text is None else [f"device='{device_text}'"]
    unprinted = {default_dtype}
    if array.size:
        # Elements show by themselves that they are integers, truth values or complex.
        complex_default = "complex128" if default_dtype == "float64" else "complex64"
        unprinted |= {complex_default, "int64", "bool"}
    size_is_hidden = not _options.edgeitems if array.size else array.ndim != 1
    if size_is_hidden:
        suffixes.append(f"size={array.shape}")
    if dtype_name not in unprinted:
        suffixes.append(f"dtype=torch.{dtype_name}")
    return suffixes


def with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    """The text with what is said after the elements, on new lines where one is full."""
    # PyTorch counts two columns too many for the last line of the array; we have to agree.
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            used = indent + len(suffix)
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text + ")"


def contents(array: np.ndarray, dtype_name: str, indent: int) -> str:
    """The elements in their brackets; `indent` is that of the lines after the first."""
    if not array.size:
        return "[]"
    summarize = array.size > _options.threshold
    shown = _shown(array) if summarize else array
    style = _style_for(_plain(shown, dtype_name))
    return _block(_plain(shown, dtype_name), array.shape, indent, summarize, style)


def _plain(array: np.ndarray, dtype_name: str) -> np.ndarray:
    """Types NumPy cannot compare or print on its own are widened; the values stay the same."""
    if dtype_name.startswith(("bfloat", "float")):
        return array.astype(np.float64)
    if dtype_name.startswith("complex"):
        return array.astype(np.complex128)
    return array


def _shown(array: np.ndarray) -> np.ndarray:
    """The elements a summary prints: both ends of every dimension that is too long."""
    edge = _options.edgeitems
    for axis, length in enumerate(array.shape):
        if length > 2 * edge:
            ends = [*range(edge), *range(length - edge, length)]
            array = np.take(array, ends, axis=axis)
    return array


@dataclass(frozen=True)
class _Style:
    """How one element is written, and how many columns an element takes."""

    write: Callable[[Any], str]
    width: int


def _style_for(array: np.ndarray) -> _Style:
    if array.dtype.kind == "f":
        return _float_style(array)
    if array.dtype.kind == "c":
        return _complex_style(array)
    width = max((len(str(value)) for value in array.ravel().tolist()), default=1)
    return _Style(lambda value: str(value).rjust(width), width)


def _float_style(array: np.ndarray) -> _Style:
    """One style for all: integers as ``1.``, far apart values as ``1.0000e+05``, else fixed."""
    values = array[np.isfinite(array) & (array != 0)]
    integral = bool(np.all(values == np.ceil(values)))
    write = _float_writer(integral, _is_scientific(np.abs(values), integral))
    width = max((len(write(value)) for value in values.tolist()), default=1)
    return _Style(lambda value: write(value).rjust(width), width)


def _is_scientific(magnitudes: np.ndarray, integral: bool) -> bool:
    if not magnitudes.size:
        return False
    if _options.sci_mode is not None:
        return _options.sci_mode
    smallest, largest = float(magnitudes.min()), float(magnitudes.max())
    too_small = smallest < 1e-4 and not integral
    return largest > smallest * 1000 or largest > 1e8 or too_small


def _float_writer(integral: bool, scientific: bool) -> Callable[[float], str]:
    digits = _options.precision
    if scientific:
        return lambda value: f"{value:.{digits}e}"
    if integral:
        return lambda value: f"{value:.0f}" + ("." if math.isfinite(value) else "")
    return lambda value: f"{value:.{digits}f}"


def _complex_style(array: Any) -> _Style:
    real, imaginary = _float_style(array.real), _float_style(array.imag)

    def write(value: complex) -> str:
        second = imaginary.write(value.imag).lstrip()
        sign = "" if second.startswith("-") else "+"
        return f"{real.write(value.real)}{sign}{second}j"

    return _Style(write, real.width + imaginary.width + 1)


def _block(
    array: np.ndarray, shape: tuple[int, ...], indent: int, summarize: bool, style: _Style
) -> str:
    """The bracketed text of `array`, which holds the shown elements of an array of `shape`."""
    if not shape:
        return style.write(array.item())
    if len(shape) == 1:
        return _row(array, shape[0], indent, summarize, style)
    parts = [_block(part, shape[1:], indent + 1, summarize, style) for part in array]
    if _is_cut(shape[0], summarize):
        parts.insert(_options.edgeitems, "...")
    separator = "," + "\n" * (len(shape) - 1) + " " * (indent + 1)
    return "[" + separator.join(parts) + "]"


def _row(array: np.ndarray, length: int, indent: int, summarize: bool, style: _Style) -> str:
    if summarize and not _options.edgeitems:
        return "[...]"
    words = [style.write(value) for value in array.tolist()]
    if _is_cut(length, summarize):
        words.insert(_options.edgeitems, " ...")
    per_line = max(1, (_options.linewidth - indent) // (style.width + 2))
    lines = [", ".join(words[at : at + per_line]) for at in range(0, len(words), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _is_cut(length: int, summarize: bool) -> bool:
    return summarize and length > 2 * _options.edgeitems
