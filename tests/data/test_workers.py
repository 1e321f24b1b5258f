"""What is Kuai's own about workers: seeds, memory, classes of a program, forks."""

import multiprocessing
import random
import signal

import numpy as np
import pytest
import torch.utils.data._utils.worker

import kuai
from kuai import data
from kuai.data import parcels
from tests.data.samples import Drawn, Heavy, Point, Wide


def loader(dataset, size=None, **options):
    return data.DataLoader(dataset, size, num_workers=2, **options)


def test_random_numbers_of_workers():
    """Those of PyTorch for `random` and NumPy, from a seed that `generator` gives."""

    def drawn(seed):
        generator = kuai.Generator().manual_seed(seed)
        return list(loader(Drawn(), generator=generator, collate_fn=lambda sample: sample))

    first = drawn(0)
    assert drawn(0) == first != drawn(1)
    for seed, number, (own, numpys, kuais) in first[:2]:
        state = torch.utils.data._utils.worker._generate_state(seed - number, number)
        np.random.seed(state)
        kuai.manual_seed(seed)
        assert own == random.Random(seed).random()
        assert (numpys, kuais) == (np.random.random(), kuai.rand(1).item())
    assert first[1][0] - first[0][0] == 1
    assert [first[0][2] != first[2][2], first[0][2] != first[1][2]] == [True, True]


def test_a_fork_is_refused():
    for context in ("fork", multiprocessing.get_context("fork")):
        with pytest.raises(ValueError, match="JAX's threads do not survive a fork"):
            loader("ab", multiprocessing_context=context)
    assert loader("ab", multiprocessing_context="spawn").multiprocessing_context is (
        multiprocessing.get_context("spawn")
    )


def test_spawned_workers():
    class Local(Drawn):
        def __getitem__(self, i):
            return i * 2

    options = dict(num_workers=1, multiprocessing_context="spawn")
    batches = data.DataLoader(Local(), 2, collate_fn=lambda samples: samples, **options)
    assert list(batches) == [[0, 2], [4, 6]]


def test_arrays_and_tensors_come_back_as_they_are():
    dataset = Heavy()
    for i, sample in enumerate(loader(dataset, collate_fn=lambda sample: sample)):
        table = np.arange(i * 15_000, (i + 1) * 15_000, dtype=np.float32).reshape(50, 300)
        table[0, 0] = i * 15_000
        assert sample["columns"].flags.f_contiguous and not sample["columns"].flags.c_contiguous
        assert (sample["turned"].T[1:] == table[1:]).all()
        assert (sample["every second"][1:] == table[1:, ::2]).all()
        assert (sample["none"].shape, sample["none"].dtype) == ((0, 300), np.float32)
        assert sample["number"].shape == () and int(sample["number"]) == i
        assert sample["days"][0] == np.datetime64("2026-01-01")
        assert sample["objects"].tolist() == [i, "a"]
        assert sample["half"].dtype is kuai.bfloat16
        assert sample["half"][1:].equal(kuai.tensor(table[1:]).bfloat16())
        assert sample["leaf"].requires_grad and sample["leaf"].is_leaf
        assert type(sample["parameter"]) is kuai.nn.Parameter
        sample["columns"][0, 0] = 5  # one's own, to be written into
    assert dataset.numbers[0, 0] == 0


def test_a_tensor_with_a_history_is_refused():
    def collate(sample):
        return kuai.ones(2, requires_grad=True) * 2

    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        next(iter(loader([1], collate_fn=collate)))


def test_batches_outlive_their_workers():
    """And there may be more of them than a process may have open files."""
    kept = list(loader(range(40), 1, collate_fn=lambda i: kuai.full((5000,), i[0])))
    again = list(loader(range(40), 1, collate_fn=lambda i: np.full(5000, i[0])))
    assert [int(each.sum()) // 5000 for each in kept] == list(range(40))
    assert [int(each.sum()) // 5000 for each in again] == list(range(40))


def test_memory_is_copied_where_many_batches_are_kept(monkeypatch):
    monkeypatch.setattr(parcels, "_MANY", 3)
    parcels._mapped.clear()
    kept = list(loader(range(12), 1, collate_fn=lambda i: np.full(5000, i[0])))
    assert [int(each.mean()) for each in kept] == list(range(12))
    assert len(parcels._mapped) == 3


def test_classes_of_the_program_keep_their_identity():
    class Local(Point):
        pass

    (found,) = loader([3], collate_fn=Local)
    assert type(found) is Local and found.x == 3


def test_compiled_functions_are_sent():
    scale = kuai.compile(lambda rows: kuai.tensor(rows) * 2.0)

    class Local:
        """A data set with a compiled method, of which a copy is sent."""

        def __init__(self):
            self.factor = 3.0
            self.read = kuai.compile(self._read)

        def __len__(self):
            return 2

        def __getitem__(self, i):
            return self.read(kuai.tensor(float(i))).item()

        def _read(self, x):
            return (x + 1) * self.factor

    (found,) = kuai.utils.data.DataLoader(Local(), 2, num_workers=1, collate_fn=scale)
    assert found.tolist() == [6.0, 12.0]


def test_a_type_of_ones_own_is_collated_by_the_table(monkeypatch):
    table = kuai.utils.data._utils.collate.default_collate_fn_map

    class Local(Point):
        pass

    def collate_points(batch, *, collate_fn_map):
        return Local(
            kuai.utils.data._utils.collate.collate(
                [p.x for p in batch], collate_fn_map=collate_fn_map
            )
        )

    monkeypatch.setitem(table, Local, collate_points)
    (found,) = loader([Local(3), Local(4)], 2)
    assert found.x.tolist() == [3, 4]


def test_the_environment_is_the_programs(monkeypatch, tmp_path):
    monkeypatch.setenv("KUAI_TEST_OF_WORKERS", "set later")
    monkeypatch.chdir(tmp_path)

    def look(_):
        import os

        return os.environ["KUAI_TEST_OF_WORKERS"], os.getcwd()

    assert list(loader([0], collate_fn=look)) == [("set later", str(tmp_path))]


def test_the_default_dtype_is_the_programs():
    kuai.set_default_dtype(kuai.float64)
    try:
        (found,) = loader([0], collate_fn=lambda _: kuai.ones(1))
    finally:
        kuai.set_default_dtype(kuai.float32)
    assert found.dtype is kuai.float64


def test_more_workers_than_processors():
    with pytest.warns(UserWarning, match="This DataLoader will create 1000 worker processes"):
        data.DataLoader("ab", num_workers=1000)


def test_memory_that_cannot_be_pinned():
    for options in ({}, {"num_workers": 1}):
        with pytest.warns(UserWarning, match="'pin_memory' argument is set as true but no acc"):
            assert len(list(data.DataLoader([1, 2], pin_memory=True, **options))) == 2


def test_names_that_packages_look_for():
    module = kuai.utils.data.dataloader
    iterator = iter(loader("ab"))
    assert isinstance(iterator, module._MultiProcessingDataLoaderIter)
    assert isinstance(iter(data.DataLoader("ab")), module._SingleProcessDataLoaderIter)
    workers = iterator._workers
    iterator._shutdown_workers()
    assert [worker.exitcode for worker in workers] == [0, 0]


def test_what_a_data_set_makes_in_a_worker_are_tensors():
    """Only the batch itself is left to be made by the process that asked for it."""

    class Inner(data.Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            (batch,) = data.DataLoader(range(3), 3)
            return data.default_collate([i, i]) + batch[:2] + data.default_convert(np.ones(2))

    expected = list(data.DataLoader(Inner(), 2))
    assert [batch.tolist() for batch in loader(Inner(), 2)] == [b.tolist() for b in expected]


def test_workers_have_no_workers():
    class Inner(data.Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, i):
            return next(iter(data.DataLoader("ab", num_workers=1)))

    with pytest.raises(AssertionError, match="daemonic processes are not allowed to have children"):
        next(iter(loader(Inner())))


def test_after_an_interrupt_there_are_new_workers(monkeypatch):
    """As in a notebook, where the loader lives on."""
    persistent = loader(range(6), 2, persistent_workers=True)
    iterator = iter(persistent)
    next(iterator)
    first = iterator._workers
    monkeypatch.setattr(
        iterator._pool, "_next_of", lambda ready: signal.raise_signal(signal.SIGINT)
    )
    with pytest.raises(KeyboardInterrupt):
        list(iterator)
    assert not any(worker.is_alive() for worker in first)
    assert [batch.tolist() for batch in persistent] == [[0, 1], [2, 3], [4, 5]]
    assert not set(iterator._workers) & set(first)


def test_late_answers_belong_to_no_other_pass():
    """A pass that is left in its middle leaves batches on their way."""
    persistent = loader(range(40), 1, persistent_workers=True, prefetch_factor=4)
    for _ in range(3):
        assert next(iter(persistent)).tolist() == [0]
    assert [int(batch) for batch in persistent] == list(range(40))


def test_memory_of_batches_is_used_again_when_nobody_reads_it():
    loader = kuai.data.DataLoader(Wide(), 4, num_workers=1, persistent_workers=True)
    for _ in range(3):  # passes; more batches than a worker has segments
        for number, batch in enumerate(loader):
            assert batch.shape == (4, 6000)
            assert (
                batch[:, 0].tolist() == batch[:, -1].tolist() == [4 * number + i for i in range(4)]
            )


def test_batches_that_are_collected_keep_their_values():
    loader = kuai.data.DataLoader(Wide(), 4, num_workers=2, persistent_workers=True)
    for _ in range(2):
        batches = list(loader)
        views = [batch[1:3, 10:20].numpy() for batch in batches]
        del batches
        for _ in loader:
            pass
        for number, view in enumerate(views):
            assert (view == np.array([[4 * number + 1], [4 * number + 2]])).all()


def test_what_a_program_writes_into_a_batch_stays_its_own():
    loader = kuai.data.DataLoader(Wide(), 4, num_workers=1, persistent_workers=True)
    for batch in loader:
        batch.zero_()
    assert [batch[0, 0].item() for batch in loader] == list(range(0, 160, 4))
