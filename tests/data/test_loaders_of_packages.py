"""Loaders that packages make on PyTorch's parts, as torchdata's stateful one: a class of their own
for each pass, worker loops of their own."""

import os
import signal
import subprocess
from typing import Any

import pytest
import torch.utils.data.dataloader as theirs
from torch.utils.data import DataLoader as TorchLoader

import kuai
import kuai.utils.data.dataloader as ours
from kuai.data import DataLoader, get_worker_info
from kuai.utils.data import _utils


def loader_class(loader, base, parts):
    class Pass(base):
        def __init__(self, loader):
            super().__init__(loader)
            self.taken = 0
            self.fetcher = parts._DatasetKind.create_fetcher(
                self._dataset_kind,
                self._dataset,
                self._auto_collation,
                self._collate_fn,
                self._drop_last,
            )

        def _next_data(self):
            return self.fetcher.fetch(self._next_index())

        def _next_index(self):
            index = super()._next_index()
            self.taken += 1
            return index

    class Loader(loader):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self._dataset_kind = parts._DatasetKind.Map

        def _get_iterator(self):
            return Pass(self)

    return Loader


@pytest.mark.parametrize("options", [{}, {"batch_size": 3}, {"batch_size": 3, "drop_last": True}])
def test_a_pass_of_ones_own(options):
    found = []
    pairs: Any = ((DataLoader, ours), (TorchLoader, theirs))
    for loader, parts in pairs:
        made = iter(loader_class(loader, parts._BaseDataLoaderIter, parts)([*range(8)], **options))
        batches = [batch.tolist() for batch in made]
        found.append((batches, made.taken, made._num_yielded, len(made), made._profile_name))
        assert isinstance(made, parts._BaseDataLoaderIter)
        made._reset(loader([*range(8)]))
        assert (made._num_yielded, made._next_index()) == (
            0,
            [*range(options.get("batch_size", 1))],
        )
    assert found[0] == found[1]
    assert isinstance(iter(DataLoader([1, 2])), ours._BaseDataLoaderIter)


def test_a_worker_loop_says_who_it_is():
    worker: Any = _utils.worker
    info = worker.WorkerInfo(id=1, num_workers=2, seed=3, dataset=[4])
    worker._worker_info = info
    try:
        assert get_worker_info() is info
    finally:
        worker._worker_info = None
    assert get_worker_info() is None
    assert worker.ManagerWatchdog().is_alive()


def test_a_named_process_that_dies_is_reported_once():
    process = subprocess.Popen(["sleep", "100"])
    child = process.pid
    _utils.signal_handling._set_worker_pids(7, (child,))
    _utils.signal_handling._error_if_any_worker_fails()
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    with pytest.raises(RuntimeError, match=rf"\(pid {child}\) is killed by signal: Killed"):
        _utils.signal_handling._error_if_any_worker_fails()
    _utils.signal_handling._error_if_any_worker_fails()
    _utils.signal_handling._remove_worker_pids(7)
    process.wait()


def test_names_that_such_loaders_import():
    with pytest.warns(UserWarning, match="set_vital"):
        assert kuai.set_vital("Dataloader", "enabled", "True") is None
    with pytest.raises(NotImplementedError, match="IterableDataset"):
        ours._sharding_worker_init_fn(None, 1, 0, 0)
