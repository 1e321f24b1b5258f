"""`torch.nn.functional`: the operations of layers; a stub file beside this one lists them.

The operations themselves are in `kuai.ops`, one family a file; they are here under their names if
they were declared `functional=True`.
"""

from kuai.ops.table import FUNCTIONAL

__all__ = sorted(FUNCTIONAL)

globals().update(FUNCTIONAL)
