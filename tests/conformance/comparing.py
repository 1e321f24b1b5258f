"""Whether two results agree: structure first, then shapes and dtypes, then every number."""

from typing import Any

import numpy as np
import torch

from tests.conformance import translating

#: (relative, absolute) tolerance; the absolute one counts in units of the largest number.
TOLERANCES = {
    "float64": (1e-7, 1e-8),
    "complex128": (1e-7, 1e-8),
    "float32": (1e-4, 1e-5),
    "complex64": (1e-4, 1e-5),
    "float16": (4e-3, 4e-3),
    "bfloat16": (3e-2, 3e-2),
}


def difference(ours: Any, theirs: Any, only_kinds: bool = False, looser: float = 1) -> str | None:
    """What differs, in words; None if nothing does.

    Args:
        only_kinds: the numbers are random, so only shapes and dtypes count.
        looser: a factor of the tolerances.
    """
    if isinstance(theirs, torch.Tensor):
        return _of_tensors(ours, theirs, only_kinds, looser)
    if isinstance(theirs, torch.Size):
        return None if tuple(ours) == tuple(theirs) else f"{ours} instead of {theirs}"
    if isinstance(theirs, (list, tuple)):
        if not isinstance(ours, (list, tuple)) or len(ours) != len(theirs):
            return f"{type(ours).__name__} instead of {type(theirs).__name__} of {len(theirs)}"
        found = (difference(o, t, only_kinds, looser) for o, t in zip(ours, theirs, strict=True))
        return next((each for each in found if each), None)
    if only_kinds:
        return None if type(ours) is type(theirs) else f"{type(ours).__name__}"
    same = (
        ours == theirs or str(ours) == str(theirs) or _both_nan(ours, theirs) or _near(ours, theirs)
    )
    return None if same else f"{ours!r} instead of {theirs!r}"


def _both_nan(ours, theirs) -> bool:
    return ours != ours and theirs != theirs


def _near(ours, theirs) -> bool:
    inexact = (float, complex)
    both = isinstance(ours, inexact) and isinstance(theirs, inexact)
    return both and bool(np.isclose(ours, theirs, rtol=1e-4, atol=1e-5))


def _of_tensors(ours, theirs, only_kinds, looser) -> str | None:
    if not hasattr(ours, "requires_grad"):
        return f"{type(ours).__name__} instead of a tensor"
    if tuple(ours.shape) != tuple(theirs.shape):
        return f"shape {tuple(ours.shape)} instead of {tuple(theirs.shape)}"
    if str(ours.dtype) != str(theirs.dtype):
        return f"{ours.dtype} instead of {theirs.dtype}"
    return None if only_kinds else _of_numbers(wide(ours.detach().numpy()), theirs, looser)


def _of_numbers(mine, theirs, looser) -> str | None:
    yours = wide(translating.numbers(theirs))
    relative, absolute = TOLERANCES.get(str(theirs.dtype).removeprefix("torch."), (0, 0))
    finite = np.abs(yours[np.isfinite(yours)])
    relative, absolute = relative * looser, absolute * looser
    absolute *= max(1.0, float(finite.max(initial=0.0)))
    with np.errstate(all="ignore"):
        close = np.isclose(mine, yours, rtol=relative, atol=absolute, equal_nan=True)
    if close.all():
        return None
    place = tuple(int(i) for i in np.argwhere(~close)[0])
    return f"{mine[place]} instead of {yours[place]} at {place}"


def wide(array):
    array = np.asarray(array)
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    is_exact = array.dtype.kind in "biu"
    return (
        array.astype(np.int64)
        if is_exact and array.dtype != np.uint64
        else (array if is_exact else array.astype(np.float64))
    )
