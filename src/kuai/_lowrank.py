"""`kuai._lowrank`: PyTorch's file of factorizations of low rank."""

from kuai.ops.analysis.low_rank import pca_lowrank as pca_lowrank, svd_lowrank as svd_lowrank
