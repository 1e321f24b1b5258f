"""Operations: the decorators that make them of pure functions, autocast, fused updates."""

from kuai.engine.op import subclasses as subclasses  # gives Tensor its `__torch_function__`
from kuai.engine.op.autocast import Refused
from kuai.engine.op.decorators import Array, Number, Sequence, composite, op, view_op
from kuai.engine.op.in_place import inplace
from kuai.engine.op.out import write_out
from kuai.engine.op.registry import REGISTRY

__all__ = [
    "REGISTRY",
    "Array",
    "Number",
    "Refused",
    "Sequence",
    "composite",
    "inplace",
    "op",
    "view_op",
    "write_out",
]
