"""PyTorch's file of the older `autocast` for GPUs."""

from kuai.cuda.amp import (
    autocast as autocast,
    custom_bwd as custom_bwd,
    custom_fwd as custom_fwd,
)
