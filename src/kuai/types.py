"""`kuai.types`: the types that PyTorch's signatures name."""

import builtins
from collections.abc import Sequence
from typing import Any

from kuai.engine.tensor.devices import device as _device
from kuai.engine.tensor.dtypes import dtype as _dtype
from kuai.engine.tensor.formats import layout, qscheme
from kuai.engine.tensor.size import Size
from kuai.symbolic import SymBool, SymFloat, SymInt

__all__ = ["Device", "_dtype", "FileLike", "IntLikeType", "Number", "Storage"]

Number = builtins.int | builtins.float | builtins.bool
IntLikeType = builtins.int | SymInt
FloatLikeType = builtins.float | SymFloat
BoolLikeType = builtins.bool | SymBool
Device = _device | str | builtins.int | None
FileLike = Any
Storage = Any

_int, _float, _bool = builtins.int, builtins.float, builtins.bool
_size = Size | list[builtins.int] | tuple[builtins.int, ...]
_dispatchkey = str
_TensorOrTensors = Any
_symsize = Size | Sequence[builtins.int]
_Number = (builtins.int, builtins.float, builtins.bool)
_layout, _qscheme = layout, qscheme
