"""PyTorch's file of the sampler for several processes."""

from kuai.data import (
    Dataset as Dataset,
    DistributedSampler as DistributedSampler,
    Sampler as Sampler,
)
