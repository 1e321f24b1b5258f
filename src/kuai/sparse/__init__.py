"""Sparse tensors: PyTorch's `torch.sparse`, and all that is done with tensors of such layouts.

Nothing here is loaded before somebody asks for it. What a sparse tensor is stands in `tensor`.
"""

from kuai.sparse import (
    conversion as conversion,
    elementwise as elementwise,
    printing as printing,
    shaping as shaping,
)
from kuai.sparse.compressed import sparse_csc_tensor, sparse_csr_tensor
from kuai.sparse.coo import sparse_coo_tensor
from kuai.sparse.diagonals import spdiags
from kuai.sparse.products import (
    hspmm,
    sampled_addmm,
    smm,
    sparse_addmm as addmm,
    sparse_mm as mm,
    spmm,
    sspaddmm,
)
from kuai.sparse.reductions import log_softmax, softmax, sparse_sum as sum
from kuai.sparse.settings import check_sparse_tensor_invariants
from kuai.sparse.tensor import answer as answer
from kuai.sparse.typed import (
    BFloat16Tensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
)

__all__ = [
    "BFloat16Tensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "addmm",
    "check_sparse_tensor_invariants",
    "hspmm",
    "log_softmax",
    "mm",
    "sampled_addmm",
    "smm",
    "softmax",
    "sparse_coo_tensor",
    "sparse_csc_tensor",
    "sparse_csr_tensor",
    "spdiags",
    "spmm",
    "sspaddmm",
    "sum",
]
