"""Programs around loaders, as their authors write them; `t` is PyTorch or Kuai.

PyTorch runs them in a process of its own (`python -m tests.data.programs`), because it forks, and
no process in which JAX runs should be forked. What they return is written as JSON.
"""

import collections
import functools
import json
import sys
import time
import warnings

import numpy as np

PROGRAMS = {}
Pair = collections.namedtuple("Pair", "a b")


class Odd(Exception):
    """One that cannot be made of a text."""

    def __init__(self, first, second):
        super().__init__(first, second)


def program(function):
    """One that gives the same with and without workers, and in both libraries."""
    PROGRAMS[function.__name__] = function
    return function


def shown(value):
    """Anything a loader gives, as what JSON knows."""
    if hasattr(value, "tolist"):
        return [type(value).__name__, str(value.dtype), value.tolist()]
    if isinstance(value, collections.abc.Mapping):
        return [type(value).__name__, {key: shown(part) for key, part in value.items()}]
    if isinstance(value, (tuple, list)):
        return [type(value).__name__, *map(shown, value)]
    return repr(value)


@functools.cache
def classes(t):
    """Data sets of one's own."""
    data = t.utils.data

    class Records(data.Dataset[dict]):
        def __len__(self):
            return 7

        def __getitem__(self, i):
            return {
                "array": np.full((2, 1), i, np.float32),
                "whole": i,
                "broken": i / 2,
                "flag": i % 2 == 0,
                "text": f"text {i}",
                "bytes": bytes([i]),
                "tensor": t.arange(2) + i,
                "half": t.tensor([i / 2], dtype=t.bfloat16),
                "scalar": np.float32(i),
                "tuple": (i, Pair(i, [np.int16(i), f"{i}"])),
            }

    class Numbers(data.Dataset):
        def __init__(self, count=10, bad=None):
            self.count, self.bad, self.asked = count, bad, 0

        def __len__(self):
            return self.count

        def __getitem__(self, i):
            self.asked += 1
            if i == 4 and self.bad is not None:
                raise self.bad
            return i

    class Many(Numbers):
        def __getitems__(self, indices):
            return [("many", i) for i in indices]

    class Stream(data.IterableDataset):
        def __init__(self, count=11, split=True, length=None):
            self.count, self.split, self.length = count, split, length

        def __iter__(self):
            info = data.get_worker_info()
            if info is None or not self.split:
                return iter(range(self.count))
            return iter(range(info.id, self.count, info.num_workers))

    class Measured(Stream):
        def __len__(self):
            return self.length

    names = locals()
    return type("Classes", (), {key: names[key] for key in names if key not in ("t", "data")})


def batches(t, dataset, *args, **options):
    return [shown(batch) for batch in t.utils.data.DataLoader(dataset, *args, **options)]


@program
def records(t, workers):
    found = batches(t, classes(t).Records(), 3, num_workers=workers)
    return found + batches(t, classes(t).Records(), 3, num_workers=workers, drop_last=True)


@program
def single_samples(t, workers):
    order = [3, 1, 2]
    return batches(t, classes(t).Records(), None, sampler=order, num_workers=workers)


@program
def lists_of_indices(t, workers):
    lists = [[1, 2, 3], [0], [9, 9]]
    return batches(t, classes(t).Numbers(), batch_sampler=lists, num_workers=workers)


@program
def many_at_once(t, workers):
    return batches(t, classes(t).Many(), 4, num_workers=workers)


@program
def rows_of_tensors(t, workers):
    rows = t.utils.data.TensorDataset(t.arange(10).reshape(5, 2), t.linspace(0, 1, 5))
    return batches(t, rows, 2, num_workers=workers)


@program
def parts_of_rows_of_tensors(t, workers):
    data = t.utils.data
    rows = data.TensorDataset(t.arange(10).reshape(5, 2), t.linspace(0, 1, 5))
    part = data.Subset(data.Subset(rows, [4, -4, 0, 2]), t.tensor([3, 1, 0]))
    found = [data.Subset(rows, range(3)), data.Subset(rows, np.array([1, 0])), part]
    return [batches(t, subset, 2, num_workers=workers) for subset in found]


@program
def indices_that_are_tensors(t, workers):
    rows = t.utils.data.TensorDataset(t.arange(10))
    pairs = [t.tensor([1, 2]), np.array([3]), (4, 5)]
    return [
        batches(t, rows, 2, num_workers=workers, sampler=t.tensor([3, 1, 4])),
        batches(t, classes(t).Numbers(), 2, num_workers=workers, sampler=np.array([3, 1, 5])),
        batches(t, rows, num_workers=workers, batch_sampler=pairs),
    ]


@program
def an_index_behind_the_end(t, workers):
    rows = t.utils.data.TensorDataset(t.arange(10))
    found = []
    for dataset in (rows, t.utils.data.Subset(rows, [1, 2])):
        try:
            batches(t, dataset, 2, num_workers=workers, sampler=[0, 12])
        except IndexError:
            found.append("IndexError")
    return found


@program
def combinations(t, workers):
    data, numbers = t.utils.data, classes(t).Numbers
    joined = numbers(3) + numbers(2)
    stacked = data.StackDataset(x=joined, y=data.Subset(numbers(), [9, 8, 7, 6, 5]))
    return batches(t, stacked, 2, num_workers=workers)


@program
def collating_of_ones_own(t, workers):
    scale = 3
    found = batches(
        t,
        classes(t).Numbers(),
        4,
        num_workers=workers,
        collate_fn=lambda samples: (t.tensor(samples) * scale, np.array(samples), len(samples)),
    )
    return found + batches(t, range(3), None, num_workers=workers, collate_fn=lambda i: [i])


@program
def streams(t, workers):
    stream = classes(t).Stream
    found = [sorted(map(str, batches(t, stream(), None, num_workers=workers)))]
    if not workers:
        return found
    return found + [
        batches(t, stream(), 2, num_workers=workers),
        batches(t, stream(), 2, num_workers=workers, drop_last=True),
        batches(t, stream(4, split=False), 3, num_workers=workers),
        batches(t, stream(1), 3, num_workers=workers),
        batches(t, stream(3) + stream(2), 2, num_workers=workers),
    ]


@program
def rows_that_are_no_numbers(t, workers):
    rows = t.utils.data.TensorDataset(t.arange(5))
    found = []
    for batch in ([slice(0, 2), slice(2, 4)], [[0, 1], [2, 3]], [-1, 0], [True, False], []):
        try:
            loader = t.utils.data.DataLoader(rows, batch_sampler=[batch], num_workers=workers)
            found.append([shown(each) for each in loader])
        except Exception as error:  # noqa: BLE001 - compared
            found.append(type(error).__name__)
    return found


@program
def longer_than_promised(t, workers):
    loader = t.utils.data.DataLoader(
        classes(t).Measured(6, False, 2), batch_size=2, num_workers=workers
    )
    length = len(loader)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        count = len(list(loader))
    texts = [str(warning.message).partition(" was reported")[2] for warning in caught]
    return [length, count, texts]


@program
def failures(t, workers):
    found = []
    for bad in (ValueError("bad"), KeyError("key"), Odd(1, 2), StopIteration("early")):
        loader = t.utils.data.DataLoader(classes(t).Numbers(bad=bad), 2, num_workers=workers)
        seen = []
        try:
            for batch in loader:
                seen.append(batch.tolist())
        except Exception as error:  # noqa: BLE001 - which one it is, is compared
            lines = str(error).strip().splitlines()
            found.append([type(error).__name__, lines[0], lines[-1].rpartition(".")[2]])
        found.append(seen)
    return found


@program
def going_on_after_a_failure(t, workers):
    iterator = iter(
        t.utils.data.DataLoader(classes(t).Numbers(bad=ValueError("bad")), 2, num_workers=workers)
    )
    found = []
    for _ in range(5):
        try:
            found.append(next(iterator).tolist())
        except ValueError:
            found.append("failed")
    return found


@program
def informed_workers(t, workers):
    if not workers:
        return t.utils.data.get_worker_info()

    class Informed(classes(t).Numbers):
        def __getitem__(self, i):
            info = t.utils.data.get_worker_info()
            at_home = info.dataset is self
            return info.id, info.num_workers, at_home, t.initial_seed() == info.seed, self.told

    def tell(number):
        t.utils.data.get_worker_info().dataset.told = number * 10

    return batches(t, Informed(), 2, num_workers=workers, worker_init_fn=tell)


@program
def broken_start(t, workers):
    if not workers:
        return []

    def fail(number):
        raise OSError(f"no {number}")

    loader = t.utils.data.DataLoader(range(4), 2, num_workers=workers, worker_init_fn=fail)
    try:
        next(iter(loader))
    except OSError as error:
        return [str(error).splitlines()[0], str(error).strip().splitlines()[-1]]


@program
def persistent(t, workers):
    class Counted(classes(t).Numbers):
        def __getitem__(self, i):
            self.asked += 1
            return self.asked

    options = dict(persistent_workers=True) if workers else {}
    loader = t.utils.data.DataLoader(Counted(), 5, num_workers=workers, **options)
    found = [[batch.tolist() for batch in loader] for _ in range(3)]
    next(iter(loader))  # left in its middle
    return [*found, len(list(loader))]


@program
def streams_with_persistent_workers(t, workers):
    options = dict(persistent_workers=True) if workers else {}
    loader = t.utils.data.DataLoader(classes(t).Stream(), 2, num_workers=workers, **options)
    return [sorted(map(str, (shown(b) for b in loader))) for _ in range(2)] if workers else []


@program
def out_of_order(t, workers):
    class Uneven(classes(t).Numbers):
        def __getitem__(self, i):
            time.sleep(0.1 * (i == 0))
            return i

    found = batches(t, Uneven(), 1, num_workers=workers, in_order=False)
    return sorted(map(str, found))


@program
def too_slow(t, workers):
    class Slow(classes(t).Numbers):
        def __getitem__(self, i):
            time.sleep(1)
            return i

    if not workers:
        return []
    try:
        next(iter(t.utils.data.DataLoader(Slow(), num_workers=workers, timeout=0.2)))
    except RuntimeError as error:
        return str(error)


def results(t, workers):
    """What every program gives, by name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        return {name: function(t, workers) for name, function in PROGRAMS.items()}


if __name__ == "__main__":
    import torch.utils.data._utils

    torch.set_num_threads(1)  # forks of a process with threads hang at their end now and then;
    torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL = 0.5  # then do not wait for them long
    json.dump([results(torch, 0), results(torch, 2)], sys.stdout)
