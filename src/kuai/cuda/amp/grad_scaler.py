"""PyTorch's file of the older `GradScaler` for GPUs."""

from kuai.cuda.amp import GradScaler as GradScaler
