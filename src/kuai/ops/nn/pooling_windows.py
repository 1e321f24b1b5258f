"""Where pooling windows lie: sizes, PyTorch's checks, and one `Span` for each pooled dimension."""

from typing import NamedTuple

from kuai.ops.dimensions import each, each_expanded, normalize_dim

__all__ = ["Span", "adaptive_spans", "pool_spans"]

_WORDS = {2: "two", 3: "three"}


class Span(NamedTuple):
    """The windows along one dimension; `starts` may be negative, where there is padding.

    `lengths` says how many of a window's `kernel` elements count; only adaptive windows differ.
    """

    starts: tuple[int, ...]
    kernel: int
    stride: int  # 0: the starts are irregular
    dilation: int
    lengths: tuple[int, ...] | None = None

    @property
    def is_partition(self):
        """Whether the windows lie side by side from 0 on."""
        return self.stride == self.kernel and self.dilation == 1 and self.starts[:1] == (0,)


def pool_spans(name, shape, kernel, stride, padding, dilation, ceil_mode):
    """The spans of a pooling operation, after PyTorch's checks of its arguments.

    With indices, a signal is a picture of one row to PyTorch, and so it is checked.
    """
    is_row = name == "max_pool1d_with_indices"
    name = name.removesuffix("_with_indices")
    dims = int(name[-2])
    _check_lengths(name, dims, kernel, stride, padding, dilation)
    kernel, padding = each_expanded(kernel, dims), each_expanded(padding, dims)
    dilation = each_expanded(dilation, dims)
    stride = each_expanded(stride, dims) if stride not in (None, (), []) else kernel
    if name == "max_pool1d" and not is_row:
        _check_max_pool1d(shape, kernel[0], stride[0], padding[0], dilation[0])
    else:
        _check_values(dims, kernel, stride, padding, dilation)
        _check_positive(dims, kernel, stride)
        _check_input(name, dims, shape)
    numbers = list(zip(shape[-dims:], kernel, stride, padding, dilation, strict=True))
    counts = [_count(*one, ceil_mode) for one in numbers]
    _check_output(name, shape, dims, kernel, counts)
    return tuple(
        Span(tuple(i * s - p for i in range(count)), k, s, d)
        for count, (_, k, s, p, d) in zip(counts, numbers, strict=True)
    )


def _count(size, kernel, stride, pad, dilation, ceil_mode):
    """How many windows fit; with `ceil_mode` also one that starts inside and ends outside."""
    room = size + 2 * pad - dilation * (kernel - 1) - 1
    count = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= size + pad:
        count -= 1
    return count


# Checks -------------------------------------------------------------------------------------------


def _check_lengths(name, dims, kernel, stride, padding, dilation):
    given = dict(kernel_size=kernel, stride=stride, padding=padding, dilation=dilation)
    for what, value in given.items():
        length = len(value) if isinstance(value, (tuple, list)) else 1
        if length in (1, dims) or (what == "stride" and length == 0):
            continue
        raise RuntimeError(_length_message(name, dims, what, length))


def _length_message(name, dims, what, length):
    if name == "max_pool1d":
        either = "None, an int" if what == "stride" else "an int"
        comma = "," if what in ("stride", "padding") else ""
        kinds = f"{either}, list of ints{comma} or tuple of ints of size 1"
        return f"max_pool1d() {what} must be {kinds} but got size {length}"
    if dims == 1:
        return f"{name}() argument '{what}' should contain one int (got {length})"
    must = "must be" if name == "avg_pool3d" else "must either be"
    if what == "dilation":
        must = "must be either"
    omitted = "omitted, " if what == "stride" else ""
    return f"{name}: {what} {must} {omitted}a single int, or a tuple of {_WORDS[dims]} ints"


def _check_max_pool1d(shape, kernel, stride, padding, dilation):
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got:{list(shape)}"
        )
    for what, value in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
        if value <= 0:
            raise RuntimeError(f"max_pool1d() {what} must be greater than zero, but got {value}")
    if padding < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {padding}")
    if padding > kernel // 2:
        raise RuntimeError(
            "max_pool1d() padding should be at most half of kernel size, but got "
            f"padding={padding} and kernel_size={kernel}"
        )


def _check_values(dims, kernel, stride, padding, dilation):
    if 0 in stride:
        raise RuntimeError("stride should not be zero")
    if min(dilation) <= 0:
        sizes = zip("THW"[3 - dims :], dilation, strict=True)
        listed = " ".join(f"dilation{letter}: {value}" for letter, value in sizes)
        raise RuntimeError(f"dilation should be greater than zero, but got {listed}")
    for k, pad, d in zip(kernel, padding, dilation, strict=True):
        if pad < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {pad}")
        if pad > int((d * (k - 1) + 1) / 2):
            raise RuntimeError(
                "pad should be at most half of effective kernel size, but got "
                f"pad={pad}, kernel_size={k} and dilation={d}"
            )


def _check_positive(dims, kernel, stride):
    ones = (1,) if dims == 1 else ()
    for what, letter, values in (("kernel size", "k", kernel), ("stride", "d", stride)):
        if min(values) <= 0:
            sizes = zip("THW"[3 - max(dims, 2) :], (*ones, *values), strict=True)
            listed = " ".join(f"{letter}{name}: {value}" for name, value in sizes)
            raise RuntimeError(f"{what} should be greater than zero, but got {listed}")


def _check_input(name, dims, shape):
    if name == "avg_pool2d" and len(shape) < 3:
        normalize_dim(-3, len(shape))
    if len(shape) not in (dims + 1, dims + 2):
        raise RuntimeError(_dimensions_message(name, dims, shape))
    if dims == 3 and 0 in shape[-4:]:
        where = f"{name}()" if "avg" in name else f"{name}_with_indices_out_cpu_template()"
        raise RuntimeError(
            f"{where}: Expected input's non-batch dimensions to have positive length, but input "
            f"has a shape of {list(shape)} and non-batch dimension 0 has length zero!"
        )
    if dims == 1 and "avg" in name:
        dims, shape = 2, (*shape[:-1], 1, shape[-1])
    if 0 in shape[-dims - 1 :]:
        raise RuntimeError(
            f"Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with optional 0 dim batch "
            f"size for input, but got:{list(shape)}"
        )


def _dimensions_message(name, dims, shape):
    if dims == 1:
        return (
            f"Expected 2 to 3 dimensions, but got {len(shape)}-dimensional tensor for argument #1 "
            f"'self' (while checking arguments for {name})"
        )
    if name == "avg_pool2d" and len(shape) > 4:
        return (
            "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got:{list(shape)}"
        )
    return f"non-empty {dims + 1}D or {dims + 2}D (batch mode) tensor expected for input"


def _check_output(name, shape, dims, kernel, counts):
    if min(counts) >= 1:
        return
    if name == "max_pool1d":
        raise RuntimeError(f"max_pool1d() Invalid computed output size: {counts[0]}")
    sizes = shape[-dims:]
    if name == "avg_pool3d":
        given = " ".join(f"{c}: {n}" for c, n in zip("THW", sizes, strict=True))
        wanted = " ".join(f"k{c}: {n}" for c, n in zip("THW", kernel, strict=True))
        raise RuntimeError(f"input image ({given}) smaller than kernel size ({wanted})")
    one = (1,) if dims == 1 else ()
    before = "x".join(map(str, (shape[-dims - 1], *one, *sizes)))
    after = "x".join(map(str, (shape[-dims - 1], *one, *counts)))
    raise RuntimeError(
        f"Given input size: ({before}). Calculated output size: ({after}). Output size is too small"
    )


# Adaptive windows ---------------------------------------------------------------------------------


def adaptive_spans(name, shape, output_size):
    """The spans that give `output_size`.

    Window i of m over n elements reaches from floor(i n / m) to ceil((i + 1) n / m).
    """
    dims = int(name[-2])
    _check_target_kind(name, dims, output_size)
    if isinstance(output_size, int) and (not shape or name == "adaptive_avg_pool3d"):
        _check_adaptive_input(name, dims, shape)
    targets = _adaptive_targets(name, dims, shape, output_size)
    _check_adaptive_input(name, dims, shape)
    return tuple(_adaptive_span(n, m) for n, m in zip(shape[-dims:], targets, strict=True))


def _adaptive_span(size, count):
    if count and size % count == 0:
        kernel = size // count
        return Span(tuple(range(0, size, kernel)), kernel, kernel, 1)
    starts = tuple(i * size // count for i in range(count))
    ends = tuple(-(-(i + 1) * size // count) for i in range(count))
    lengths = tuple(end - start for start, end in zip(starts, ends, strict=True))
    return Span(starts, max(lengths, default=1), 0, 1, lengths)


def _check_target_kind(name, dims, output_size):
    if isinstance(output_size, (int, tuple, list)) and not (dims == 1 and output_size == (None,)):
        return
    if dims > 1:
        raise TypeError(f"object of type '{type(output_size).__name__}' has no len()")
    what = "but found element of type NoneType at pos 0"
    if not isinstance(output_size, tuple):
        what = f"not {type(output_size).__name__}"
    raise TypeError(f"{name}(): argument 'output_size' (position 2) must be tuple of ints, {what}")


def _adaptive_targets(name, dims, shape, output_size):
    given = each(output_size, dims)
    if dims == 1 and len(given) != 1:
        raise RuntimeError(
            f"{name}() argument 'output_size' should contain one int (got {len(given)})"
        )
    if dims > 1 and isinstance(output_size, (tuple, list)) and len(shape) <= len(given):
        raise ValueError(f"Input dimension should be at least {len(given) + 1}")
    if len(given) != dims:
        raise RuntimeError(
            f"{name}: output_size must be {dims}"
            if "avg" in name
            else f"{name}(): internal error: output_size.size() must be {dims}"
        )
    sizes = shape[-dims:]
    targets = tuple(n if m is None else m for m, n in zip(given, sizes, strict=False))
    if min(targets) < 0:
        raise RuntimeError(_negative_message(name, dims, shape, targets))
    return targets


def _negative_message(name, dims, shape, targets):
    ones = (1,) if dims == 1 else ()
    if "avg" in name:
        shown = ", ".join(map(str, (*ones, *targets)))
        return (
            f"adaptive_avg_pool{max(dims, 2)}d: elements of output_size must be greater than or "
            f"equal to 0 but received {{{shown}}}"
        )
    shown = [*shape[:-dims], *ones, *targets]
    return f"Trying to create tensor with negative dimension {min(targets)}: {shown}"


def _check_adaptive_input(name, dims, shape):
    if len(shape) not in (dims + 1, dims + 2):
        if dims == 1:
            raise RuntimeError(_dimensions_message(name, 1, shape))
        colon = "" if "avg" in name else ":"
        raise RuntimeError(
            f"{name}(): Expected {dims + 1}D or {dims + 2}D tensor, but got{colon} {list(shape)}"
        )
    is_row = dims == 1 and "avg" in name
    shown = [*shape[:-1], 1, shape[-1]] if is_row else list(shape)
    checked = dims + 1 if "max" in name or dims == 3 else 2
    for dim in range(max(1, len(shown) - checked), len(shown)):
        if shown[dim] == 0:
            raise RuntimeError(
                f"{'adaptive_avg_pool2d' if is_row else name}(): Expected input to have non-zero "
                f"size for non-batch dimensions, but input has sizes {shown} with dimension {dim} "
                "being empty"
            )
