"""PyTorch's import path for LazyModuleMixin."""

from kuai.nn.lazy import LazyModuleMixin

__all__ = ["LazyModuleMixin"]
