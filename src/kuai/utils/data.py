"""PyTorch's import path for `kuai.data`."""

from kuai.data import (
    BatchSampler as BatchSampler,
    DataLoader as DataLoader,
    Dataset as Dataset,
    RandomSampler as RandomSampler,
    Sampler as Sampler,
    SequentialSampler as SequentialSampler,
    TensorDataset as TensorDataset,
    default_collate as default_collate,
)
