"""`kuai.amp.autocast_mode`: PyTorch's file of `autocast`."""

from kuai.amp import custom_bwd, custom_fwd, is_autocast_available
from kuai.engine.op.autocast import autocast

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
