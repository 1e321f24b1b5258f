"""`torch.masked`: reductions and normalisations that look only at what a mask lets through.

A mask is True where an element counts; it broadcasts to the input. Where a reduction has nothing
that counts it gives its identity: 0 for `sum`, -inf for `amax`, nan for `mean`.

Masked tensors (`masked_tensor`), a prototype in PyTorch, do not exist: see docs/differences.md.
"""

from kuai.masked import _ops as _ops
from kuai.masked.normalizations import (
    cumprod,
    cumsum,
    log_softmax,
    logaddexp,
    normalize,
    softmax,
    softmin,
)
from kuai.masked.reductions import (
    amax,
    amin,
    argmax,
    argmin,
    logsumexp,
    mean,
    median,
    norm,
    prod,
    std,
    sum,
    var,
)

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "mean",
    "median",
    "norm",
    "normalize",
    "prod",
    "softmax",
    "softmin",
    "std",
    "sum",
    "var",
]
