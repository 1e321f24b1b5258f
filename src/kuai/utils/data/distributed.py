"""PyTorch's file of the sampler for several processes."""

from kuai.data import (
    DistributedSampler as DistributedSampler,
)
