"""PyTorch's file of how one batch is fetched."""

from kuai.data.dataset_fetchers import (
    _BaseDatasetFetcher as _BaseDatasetFetcher,
    _IterableDatasetFetcher as _IterableDatasetFetcher,
    _MapDatasetFetcher as _MapDatasetFetcher,
)
