"""`kuai.cpu.amp`: the older names of `kuai.amp`, for the processor."""

import warnings

from kuai.amp.grad_scaler import GradScaler as _GradScaler
from kuai.engine.op.autocast import autocast as _autocast
from kuai.engine.tensor.dtypes import bfloat16

__all__ = ["GradScaler", "autocast"]

_OUTDATED = (
    "`torch.cpu.amp.{0}(args...)` is deprecated. Please use `torch.amp.{0}('cpu', args...)` "
    "instead."
)


class autocast(_autocast):
    """`kuai.autocast("cpu")`, with PyTorch's older arguments."""

    def __init__(self, enabled: bool = True, dtype=bfloat16, cache_enabled: bool = True):
        warnings.warn(_OUTDATED.format("autocast"), FutureWarning, stacklevel=2)
        super().__init__("cpu", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(_GradScaler):
    """`kuai.amp.GradScaler("cpu")`, with PyTorch's older arguments."""

    def __init__(
        self, init_scale=65536.0, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000,
        enabled=True,
    ):  # fmt: skip
        warnings.warn(_OUTDATED.format("GradScaler"), FutureWarning, stacklevel=2)
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
