"""`kuai.cuda.amp`: the older names of `kuai.amp`, for GPUs."""

import functools
import warnings

from kuai.amp import custom_bwd as _custom_bwd, custom_fwd as _custom_fwd
from kuai.amp.grad_scaler import GradScaler as _GradScaler
from kuai.cuda.amp import common as common
from kuai.engine.op.autocast import autocast as _autocast
from kuai.engine.tensor.dtypes import float16

__all__ = ["GradScaler", "autocast", "common", "custom_bwd", "custom_fwd"]

custom_fwd = functools.partial(_custom_fwd, device_type="cuda")
custom_bwd = functools.partial(_custom_bwd, device_type="cuda")


_OUTDATED = (
    "`torch.cuda.amp.{0}(args...)` is deprecated. Please use `torch.amp.{0}('cuda', args...)` "
    "instead."
)


class autocast(_autocast):
    """`kuai.autocast("cuda")`, with PyTorch's older arguments."""

    def __init__(self, enabled: bool = True, dtype=float16, cache_enabled: bool = True):
        warnings.warn(_OUTDATED.format("autocast"), FutureWarning, stacklevel=2)
        super().__init__("cuda", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(_GradScaler):
    """`kuai.amp.GradScaler("cuda")`, with PyTorch's older arguments."""

    def __init__(
        self, init_scale=65536.0, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000,
        enabled=True,
    ):  # fmt: skip
        warnings.warn(_OUTDATED.format("GradScaler"), FutureWarning, stacklevel=2)
        super().__init__(
            "cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )
