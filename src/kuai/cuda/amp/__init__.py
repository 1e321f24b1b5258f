"""`kuai.cuda.amp`: the older names of `kuai.amp`, for GPUs."""

import functools

from kuai.amp import custom_bwd as _custom_bwd, custom_fwd as _custom_fwd
from kuai.amp.outdated import OutdatedGradScaler, warn_outdated
from kuai.cuda.amp import common as common
from kuai.engine.late import late
from kuai.engine.op.autocast import autocast as _autocast
from kuai.engine.tensor.dtypes import float16

__all__ = ["GradScaler", "autocast", "common", "custom_bwd", "custom_fwd"]

__getattr__, __dir__ = late(
    "kuai.cuda.amp",
    (
        "autocast_mode",
        "grad_scaler",
    ),
    {},
)

custom_fwd = functools.partial(_custom_fwd, device_type="cuda")
custom_bwd = functools.partial(_custom_bwd, device_type="cuda")


class autocast(_autocast):
    """`kuai.autocast("cuda")`, with PyTorch's older arguments."""

    def __init__(self, enabled: bool = True, dtype=float16, cache_enabled: bool = True):
        warn_outdated("cuda", "autocast")
        super().__init__("cuda", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(OutdatedGradScaler):
    """`kuai.amp.GradScaler("cuda")`, with PyTorch's older arguments."""

    _named = "cuda"
