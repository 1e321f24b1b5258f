"""Tensors: box and storage, views, dtypes, devices, modes, randomness, printing."""

from kuai.engine.tensor.tensor import Tensor, from_array, is_tensor, method, wrap

__all__ = ["Tensor", "from_array", "is_tensor", "method", "wrap"]
