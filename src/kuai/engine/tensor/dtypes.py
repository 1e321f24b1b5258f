"""Element types: PyTorch's names for them, and their NumPy/JAX counterparts."""

import math
import weakref

import ml_dtypes
import numpy as np

__all__ = [
    "DTYPES",
    "NAMES",
    "default_float_jax",
    "dtype",
    "finfo",
    "from_jax",
    "get_default_dtype",
    "iinfo",
    "on_default_change",
    "set_default_dtype",
    "to_jax",
]


class dtype:
    """An element type such as `kuai.float32`.

    Example:
        >>> kuai.float32.is_floating_point, kuai.int64.itemsize
        (True, 8)
    """

    __slots__ = (
        "__weakref__",
        "is_complex",
        "is_floating_point",
        "is_signed",
        "itemsize",
        "jax",
        "name",
    )

    def __init__(self, name: str, jax_type):
        self.name = name
        self.jax = np.dtype(jax_type)
        self.itemsize = self.jax.itemsize
        self.is_complex = name.startswith("complex")
        self.is_floating_point = name.startswith(("float", "bfloat"))
        self.is_signed = not (name.startswith("uint") or name == "bool")

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self):
        return (_by_name, (self.name,))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def to_real(self) -> "dtype":
        """The real type of the same precision."""
        return _BY_NAME[_REAL.get(self.name, self.name)]

    def to_complex(self) -> "dtype":
        """The complex type of the same precision."""
        return _BY_NAME[_COMPLEX.get(self.name, self.name)]


class _OnlyAName(dtype):
    """A type of PyTorch's that XLA does not have: it can be named and compared."""

    __slots__ = ()

    def __init__(self, name: str, stored: np.dtype):
        self.name, self.itemsize = name, stored.itemsize
        self.is_complex, self.is_floating_point = name.startswith("complex"), False
        self.is_signed = not name.startswith(("uint", "bits", "quint"))

    @property
    def jax(self):
        raise TypeError(
            f"Kuai has no tensors of {self!r}, because XLA has not: use complex64, int8 or uint8"
        )


DTYPES = (
    bool_ := dtype("bool", np.bool_),
    uint8 := dtype("uint8", np.uint8),
    uint16 := dtype("uint16", np.uint16),
    uint32 := dtype("uint32", np.uint32),
    uint64 := dtype("uint64", np.uint64),
    int8 := dtype("int8", np.int8),
    int16 := dtype("int16", np.int16),
    int32 := dtype("int32", np.int32),
    int64 := dtype("int64", np.int64),
    float16 := dtype("float16", np.float16),
    bfloat16 := dtype("bfloat16", ml_dtypes.bfloat16),
    float32 := dtype("float32", np.float32),
    float64 := dtype("float64", np.float64),
    float8_e4m3fn := dtype("float8_e4m3fn", ml_dtypes.float8_e4m3fn),
    float8_e5m2 := dtype("float8_e5m2", ml_dtypes.float8_e5m2),
    float8_e4m3fnuz := dtype("float8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz),
    float8_e5m2fnuz := dtype("float8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz),
    float8_e8m0fnu := dtype("float8_e8m0fnu", ml_dtypes.float8_e8m0fnu),
    complex64 := dtype("complex64", np.complex64),
    complex128 := dtype("complex128", np.complex128),
)
_BYTE, _PAIR = np.dtype(np.uint8), np.dtype([("real", np.float16), ("imag", np.float16)])
#: Types that no array of JAX's has: names to compare with, and to name in tables.
NAMES = (
    float4_e2m1fn_x2 := dtype("float4_e2m1fn_x2", ml_dtypes.float4_e2m1fn),
    complex32 := _OnlyAName("complex32", _PAIR),
    *(_OnlyAName(f"{kind}{bits}", _BYTE) for kind in ("int", "uint") for bits in range(1, 8)),
    *(_OnlyAName(name, _BYTE) for name in ("bits1x8", "bits2x4", "bits4x2", "bits8")),
    *(_OnlyAName(name, _BYTE) for name in ("qint8", "quint8", "quint2x4", "quint4x2")),
    _OnlyAName("bits16", np.dtype(np.uint16)),
    _OnlyAName("qint32", np.dtype(np.int32)),
)
_BY_NAME = {d.name: d for d in (*DTYPES, *NAMES)}
_BY_JAX = {d.jax: d for d in DTYPES}
_BY_PYTHON = {float: float64, int: int64, bool: bool_, complex: complex128}
_REAL = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}
_COMPLEX = {"float32": "complex64", "float64": "complex128", "float16": "complex64"}

_default = [float32]
_listeners = weakref.WeakKeyDictionary()  # objects, and the method of each


def _by_name(name: str) -> dtype:
    return _BY_NAME[name]


def from_jax(jax_type) -> dtype:
    """Kuai's dtype for a NumPy or JAX one.

    Raises:
        TypeError: PyTorch has no such element type.
    """
    try:
        return _BY_JAX[jax_type]
    except KeyError:
        if type(jax_type).__module__ == "torch":
            raise TypeError(
                f"{jax_type} of PyTorch's own is no dtype here; write kuai.{str(jax_type)[6:]}"
            ) from None
        found = _BY_JAX.get(np.dtype(jax_type))
        if found is None:
            names = ", ".join(d.name for d in DTYPES)
            raise TypeError(
                f"can't convert values of type {jax_type} to a tensor. The only supported types "
                f"are: {names}."
            ) from None
        return found


def to_jax(kind) -> np.dtype:
    """The NumPy type for a Kuai dtype, a Python type (`float`) or a NumPy type."""
    if isinstance(kind, dtype):
        return kind.jax
    if kind in _BY_PYTHON:
        return _BY_PYTHON[kind].jax
    return from_jax(kind).jax


def get_default_dtype() -> dtype:
    """The dtype of floating tensors made from Python numbers; `float32` unless changed."""
    return _default[0]


def default_float_jax() -> np.dtype:
    """The NumPy type of `get_default_dtype()`."""
    return _default[0].jax


def on_default_change(listener) -> None:
    """Have a bound method called whenever the default dtype changes, as long as its object lives.

    Example:
        >>> class Table:
        ...     def clear(self):
        ...         print("cleared")
        >>> table = Table()
        >>> on_default_change(table.clear)
        >>> set_default_dtype(kuai.float64)
        cleared
        >>> del table
        >>> set_default_dtype(kuai.float32)
    """
    _listeners[listener.__self__] = listener.__func__


def set_default_dtype(d: dtype) -> None:
    """Set the dtype of floating tensors made from Python numbers.

    Raises:
        TypeError: `d` is not a floating dtype.
    """
    if not isinstance(d, dtype):
        raise TypeError(
            "invalid dtype object: only floating-point types are supported as the default type"
        )
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    if d is not _default[0]:
        _default[0] = d
        for owner, method in list(_listeners.items()):
            method(owner)


class finfo:
    """Numerical limits of a floating dtype: `bits, eps, max, min, tiny, smallest_normal,
    resolution`.

    Example:
        >>> kuai.finfo(kuai.float32).eps
        1.1920928955078125e-07
    """

    eps: float
    max: float
    min: float
    tiny: float
    smallest_normal: float

    def __init__(self, type: dtype | None = None):
        kind = get_default_dtype() if type is None else _as_dtype("finfo", type)
        if not (kind.is_floating_point or kind.is_complex):
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle "
                "'torch.finfo'"
            )
        limits = ml_dtypes.finfo(kind.to_real().jax)
        self.bits = limits.bits
        self.dtype = kind.to_real().name
        for name in ("eps", "max", "min", "tiny", "smallest_normal"):
            setattr(self, name, float(getattr(limits, name)))
        self.resolution = 10.0 ** -int(limits.nmant * math.log10(2))  # of the decimal digits

    def __eq__(self, other):
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self):
        return hash(("finfo", self.dtype))

    def __repr__(self):
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Numerical limits of an integer dtype: `bits, max, min`.

    Example:
        >>> kuai.iinfo(kuai.int8).max
        127
    """

    def __init__(self, type: dtype):
        if _as_dtype("iinfo", type) is bool_:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        if type.is_floating_point or type.is_complex:
            raise TypeError(
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle "
                "'torch.iinfo'"
            )
        limits = np.iinfo(type.jax)
        self.bits, self.max, self.min = limits.bits, int(limits.max), int(limits.min)
        self.dtype = type.name

    def __eq__(self, other):
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self):
        return hash(("iinfo", self.dtype))

    def __repr__(self):
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


def _as_dtype(name, given):
    if not isinstance(given, dtype):
        kind = type(given).__name__
        raise TypeError(f"{name}(): argument 'type' (position 1) must be torch.dtype, not {kind}")
    return given
