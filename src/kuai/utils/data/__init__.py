"""PyTorch's import path for `kuai.data`, and below it its files for the parts."""

from kuai.data import (
    BatchSampler as BatchSampler,
    ChainDataset as ChainDataset,
    ConcatDataset as ConcatDataset,
    DataLoader as DataLoader,
    Dataset as Dataset,
    DistributedSampler as DistributedSampler,
    IterableDataset as IterableDataset,
    RandomSampler as RandomSampler,
    Sampler as Sampler,
    SequentialSampler as SequentialSampler,
    StackDataset as StackDataset,
    Subset as Subset,
    SubsetRandomSampler as SubsetRandomSampler,
    TensorDataset as TensorDataset,
    WeightedRandomSampler as WeightedRandomSampler,
    default_collate as default_collate,
    default_convert as default_convert,
    get_worker_info as get_worker_info,
    random_split as random_split,
)
from kuai.utils.data import (
    _utils as _utils,
    dataloader as dataloader,
    dataset as dataset,
    distributed as distributed,
    sampler as sampler,
)


class IterDataPipe(IterableDataset):
    """PyTorch's older name for a stream of examples; its library of pipes is not here."""


class MapDataPipe(Dataset):
    """PyTorch's older name for examples that are asked for by key."""
