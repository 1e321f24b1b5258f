"""`torch.nn.functional`: the operations of layers; a stub file beside this one lists them.

The operations themselves are in `kuai.ops`, one family a file; they are here under their names if
they were declared `functional=True`.
"""

from kuai.nn.copied_attention import (
    _canonical_mask as _canonical_mask,
    _in_projection as _in_projection,
    _in_projection_packed as _in_projection_packed,
    _none_or_dtype as _none_or_dtype,
    _Reduction as _Reduction,
)
from kuai.ops.table import FUNCTIONAL as _FUNCTIONAL

__all__ = sorted(_FUNCTIONAL)

globals().update(_FUNCTIONAL)
