"""PyTorch's file of what pins the memory of a batch."""

from kuai.data.pinning import pin_memory as pin_memory
