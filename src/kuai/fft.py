"""`torch.fft`: Fourier transforms; a stub file beside this one lists them.

The operations themselves are in `kuai.ops`, one family a file.
"""

from kuai.ops.table import MODULES as _MODULES

__all__ = sorted(_MODULES["fft"])

globals().update(_MODULES["fft"])
