"""`kuai._functorch`: where PyTorch's function transforms keep what packages look for."""

from kuai.engine.late import late

__all__ = []

__getattr__, __dir__ = late("kuai._functorch", ("vmap",), {})
