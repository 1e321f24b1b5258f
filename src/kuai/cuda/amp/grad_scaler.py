"""PyTorch's file of the older `GradScaler` for GPUs."""

from kuai.amp.grad_scaler import OptState as OptState
from kuai.cuda.amp import GradScaler as GradScaler
