"""How one batch is fetched, as PyTorch has it: loaders of one's own are made of these parts."""

import itertools


class _BaseDatasetFetcher:
    def __init__(self, dataset, auto_collation, collate_fn, drop_last):
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last

    def fetch(self, possibly_batched_index):
        raise NotImplementedError


class _MapDatasetFetcher(_BaseDatasetFetcher):
    """Items by their indices, as a batch with `auto_collation`."""

    def fetch(self, possibly_batched_index):
        return self.collate_fn(self._items(possibly_batched_index))

    def _items(self, wanted):
        if not self.auto_collation:
            return self.dataset[wanted]
        at_once = getattr(self.dataset, "__getitems__", None)
        return at_once(wanted) if at_once else [self.dataset[index] for index in wanted]


class _IterableDatasetFetcher(_BaseDatasetFetcher):
    """The next items, as many as there are indices."""

    def __init__(self, dataset, auto_collation, collate_fn, drop_last):
        super().__init__(dataset, auto_collation, collate_fn, drop_last)
        self.dataset_iter = iter(dataset)
        self.ended = False

    def fetch(self, possibly_batched_index):
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.dataset_iter))
        wanted = len(possibly_batched_index)
        items = list(itertools.islice(self.dataset_iter, wanted))
        self.ended = len(items) < wanted
        if not items or (self.ended and self.drop_last):
            raise StopIteration
        return self.collate_fn(items)
