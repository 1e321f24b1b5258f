"""`torch.nn.functional`: the operations of layers; a stub file beside this one lists them.

The operations themselves are in `kuai.ops`, one family a file; they are here under their names if
they were declared `functional=True`.
"""

from kuai.ops.table import FUNCTIONAL as _FUNCTIONAL

__all__ = sorted(_FUNCTIONAL)

globals().update(_FUNCTIONAL)
