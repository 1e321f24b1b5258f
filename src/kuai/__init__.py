"""Kuai: PyTorch's building blocks and programming model, standing on their own on JAX/XLA."""

from kuai.engine import settings

settings.apply()
