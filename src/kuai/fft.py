"""`torch.fft`: Fourier transforms; a stub file beside this one lists them.

The operations themselves are in `kuai.ops`, one family a file.
"""

from kuai.ops.table import MODULES

__all__ = sorted(MODULES["fft"])

globals().update(MODULES["fft"])
