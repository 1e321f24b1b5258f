"""Data sets, and loaders that cut them into batches."""

from kuai.data.dataset import Dataset, TensorDataset
from kuai.data.loader import DataLoader, default_collate
from kuai.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = [
    "BatchSampler",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "TensorDataset",
    "default_collate",
]
