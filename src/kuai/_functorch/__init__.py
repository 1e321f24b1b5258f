"""`kuai._functorch`: where PyTorch's function transforms keep what packages look for."""

__all__ = []
