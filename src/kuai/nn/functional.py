"""`torch.nn.functional`: the operations of layers; a stub file beside this one lists them.

The operations themselves are in `kuai.ops`, one family a file; they are here under their names if
they were declared `functional=True`.
"""

from kuai.engine.late import elsewhere as _elsewhere
from kuai.ops.table import FUNCTIONAL as _FUNCTIONAL

__all__ = sorted(_FUNCTIONAL)

globals().update(_FUNCTIONAL)

# what code copied from PyTorch's calls
__getattr__ = _elsewhere(
    __name__,
    "kuai.nn.copied_code",
    ("_Reduction", "_canonical_mask", "_in_projection", "_in_projection_packed", "_none_or_dtype"),
)
