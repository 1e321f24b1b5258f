"""The registry row: one line that says how an operation, layer or loss is called.

`tests/rows/<family>.py` lists the rows, `tests/test_rows.py` makes the tests from them: the same
call with the same numbers on torch, the oracle, and on Kuai.
"""

import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

#: (rtol, atol) where a row does not say its own.
TOLERANCES = {
    "float64": (1e-9, 1e-10),
    "complex128": (1e-9, 1e-10),
    "float32": (1e-5, 1e-6),
    "complex64": (1e-5, 1e-6),
    "float16": (2e-3, 2e-3),
    "bfloat16": (2e-2, 2e-2),
}


@dataclass(frozen=True, init=False)
class A:
    """An input array: a shape, and how its numbers are drawn.

    Args:
        dtype: a fixed dtype; without it the array takes the row's dtype.
        low, high: uniform in [low, high); without them standard normal, or integers in [-9, 10).
        positive: absolute values, at least 0.1.
        values: these numbers instead of random ones.
    """

    shape: tuple[int, ...]
    dtype: str | None = None
    low: float | None = None
    high: float | None = None
    positive: bool = False
    values: Any = None

    def __init__(self, *shape, dtype=None, low=None, high=None, positive=False, values=None):
        set_field = object.__setattr__
        set_field(self, "shape", shape if values is None else np.shape(values))
        set_field(self, "dtype", dtype)
        set_field(self, "low", low)
        set_field(self, "high", high)
        set_field(self, "positive", positive)
        set_field(self, "values", values)

    def draw(self, rng: np.random.Generator, row_dtype: str) -> tuple[np.ndarray, str]:
        """The numbers, in a dtype NumPy has, and the name of the dtype they shall get."""
        dtype = self.dtype or row_dtype
        numbers = self.values if self.values is not None else self._random(rng, dtype)
        array = np.asarray(numbers)
        if self.positive:
            array = np.abs(array) + (0.1 if is_inexact(dtype) else 1)
        return array.astype("float32" if dtype == "bfloat16" else dtype), dtype

    def _random(self, rng: np.random.Generator, dtype: str) -> np.ndarray:
        if dtype == "bool":
            return rng.random(self.shape) < 0.5
        if not is_inexact(dtype):
            smallest = 0 if dtype.startswith("u") else -9
            return rng.integers(
                smallest if self.low is None else int(self.low),
                10 if self.high is None else int(self.high),
                self.shape,
            )
        if dtype.startswith("complex"):
            return rng.standard_normal(self.shape) + 1j * rng.standard_normal(self.shape)
        if self.low is None and self.high is None:
            return rng.standard_normal(self.shape)
        low = 0.0 if self.low is None else self.low
        return rng.uniform(low, 1.0 if self.high is None else self.high, self.shape)


@dataclass(init=False)
class Row:
    """One call, made on torch and on Kuai.

    Args:
        name: what the call shows; with the family's file name it names the tests.
        call: `call(t, *inputs)`, where `t` is the module torch or kuai.
        inputs: an `A` for each input.
        layer: `call` returns a Module; its parameters are copied from torch's, and
            `module(*inputs)` is compared.
        grad: compare the gradients of all floating inputs and parameters.
        dtypes: the row is run once for each.
        rtol, atol: where `TOLERANCES` is too strict, or not strict enough.
        compiled: compare with `kuai.compile`, called twice.
        gradcheck: compare with finite differences, in float64.
        random: the numbers cannot agree with torch; shapes, dtypes and seeds are compared.
    """

    name: str
    call: Callable[..., Any]
    inputs: tuple[A, ...]
    layer: bool = False
    grad: bool = True
    dtypes: tuple[str, ...] = ("float32",)
    rtol: float | None = None
    atol: float | None = None
    compiled: bool = True
    gradcheck: bool = False
    random: bool = False
    family: str = field(default="", compare=False)

    def __init__(self, name: str, call: Callable[..., Any], *inputs: A, **options: Any):
        known = set(self.__dataclass_fields__) - {"name", "call", "inputs", "family"}
        if unknown := set(options) - known:
            raise TypeError(f"Row {name!r} has unknown options {sorted(unknown)}")
        self.name, self.call, self.inputs = name, call, inputs
        for option, value in options.items():
            setattr(self, option, value)

    def draw(self, dtype: str) -> list[tuple[np.ndarray, str]]:
        """The same numbers every time, and other numbers in every row."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        return [described.draw(rng, dtype) for described in self.inputs]

    def tolerance(self, dtype: str) -> tuple[float, float]:
        rtol, atol = TOLERANCES.get(dtype, (0.0, 0.0))
        return (
            rtol if self.rtol is None else self.rtol,
            atol if self.atol is None else self.atol,
        )


def quiet(call):
    """A row's call without PyTorch's warnings that a function is new or has a successor."""

    def quiet(t, *inputs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call(t, *inputs)

    return quiet


def is_inexact(dtype: object) -> bool:
    """Whether a dtype (or its name) can have a gradient."""
    name = str(dtype).removeprefix("torch.")
    return name.startswith(("float", "bfloat", "complex"))


def to_tensors(t: Any, row: Row, dtype: str, requires_grad: bool = False) -> list[Any]:
    """The row's inputs as tensors of the module `t`."""
    tensors = [t.tensor(array, dtype=getattr(t, name)) for array, name in row.draw(dtype)]
    for tensor in tensors:
        if requires_grad and is_inexact(tensor.dtype):
            tensor.requires_grad_(True)
    return tensors


def is_tensor(value: object) -> bool:
    """Whether this is a tensor of torch or of Kuai."""
    return hasattr(value, "requires_grad") and hasattr(value, "detach")


def leaves(output: Any) -> Iterator[Any]:
    """The tensors and plain values in whatever an operation returned."""
    if isinstance(output, dict):
        for key, value in output.items():
            yield key
            yield from leaves(value)
    elif isinstance(output, (list, tuple)):
        for value in output:
            yield from leaves(value)
    else:
        yield output


def to_numpy(tensor: Any) -> np.ndarray:
    """A tensor's numbers, in a dtype NumPy can compare."""
    array = tensor.detach()
    if isinstance(array, torch.Tensor) and array.dtype == torch.bfloat16:
        return array.double().numpy()
    array = np.asarray(array.resolve_conj().numpy() if torch.is_tensor(array) else array.numpy())
    return array.astype(np.float64) if array.dtype.name == "bfloat16" else array


def cotangents(outputs: list[Any]) -> list[np.ndarray]:
    """Fixed weights for the outputs, so that no two elements' gradients cancel out."""
    rng = np.random.default_rng(7)
    return [rng.uniform(0.5, 1.5, tuple(output.shape)) for output in outputs]


def weighted_sum(t: Any, outputs: list[Any]) -> Any:
    """A scalar that depends on every element of every output in its own way."""
    total = 0
    for output, weights in zip(outputs, cotangents(outputs), strict=True):
        weighted = (output * t.tensor(weights, dtype=output.dtype)).sum()
        is_complex = str(output.dtype).startswith("torch.complex")
        total = total + (weighted.real if is_complex else weighted)
    return total


def assert_same(ours: Any, theirs: Any, tolerance: Callable[[str], tuple], what: str = "") -> None:
    """Shape and dtype first, then every element."""
    if not is_tensor(theirs):
        assert not is_tensor(ours), f"{what}: a tensor where torch gives {theirs!r}"
        assert str(ours) == str(theirs), what
        return
    assert is_tensor(ours), f"{what}: {ours!r} where torch gives a tensor"
    assert tuple(ours.shape) == tuple(theirs.shape), f"{what}: shape"
    assert str(ours.dtype) == str(theirs.dtype), f"{what}: dtype"
    rtol, atol = tolerance(str(theirs.dtype).removeprefix("torch."))
    np.testing.assert_allclose(
        to_numpy(ours), to_numpy(theirs), rtol=rtol, atol=atol, equal_nan=True, err_msg=what
    )
