"""`kuai.functional`: PyTorch's file of functions made of others; all operations are here."""

from kuai.engine.tensor import Tensor as Tensor  # where editors find it, too
from kuai.ops.table import FUNCTIONS

__all__ = sorted(FUNCTIONS)

globals().update(FUNCTIONS)
