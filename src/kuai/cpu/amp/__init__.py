"""`kuai.cpu.amp`: the older names of `kuai.amp`, for the processor."""

from kuai.amp.outdated import OutdatedGradScaler, warn_outdated
from kuai.engine.op.autocast import autocast as _autocast
from kuai.engine.tensor.dtypes import bfloat16

__all__ = ["GradScaler", "autocast"]


class autocast(_autocast):
    """`kuai.autocast("cpu")`, with PyTorch's older arguments."""

    def __init__(self, enabled: bool = True, dtype=bfloat16, cache_enabled: bool = True):
        warn_outdated("cpu", "autocast")
        super().__init__("cpu", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(OutdatedGradScaler):
    """`kuai.amp.GradScaler("cpu")`, with PyTorch's older arguments."""

    _named = "cpu"
