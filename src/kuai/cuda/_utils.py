"""PyTorch's file of helpers for GPUs."""

from kuai._utils import _get_device_index as _get_device_index
