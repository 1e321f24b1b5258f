"""`torch.special`: special functions of mathematics; a stub file beside this one lists them.

The operations themselves are in `kuai.ops`, one family a file.
"""

from kuai.ops.table import MODULES as _MODULES

__all__ = sorted(_MODULES["special"])

globals().update(_MODULES["special"])
