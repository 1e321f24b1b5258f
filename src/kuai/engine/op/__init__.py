"""Operations: the decorators that make them of pure functions, autocast, fused updates."""

from kuai.engine.op.decorators import (
    REGISTRY,
    Array,
    Number,
    Sequence,
    composite,
    inplace,
    op,
    view_op,
)

__all__ = ["REGISTRY", "Array", "Number", "Sequence", "composite", "inplace", "op", "view_op"]
