"""A loader's state: a restored loader goes on with the next batch, in the same order."""

import itertools
import random

import numpy as np
import pytest

import kuai
from kuai import data


def make(shuffle=True, own=True, count=10, **options):
    generator = kuai.Generator().manual_seed(3) if own else None
    dataset = data.TensorDataset(kuai.arange(count))
    options = {"batch_size": 3, **options}
    if "batch_sampler" in options:
        options.pop("batch_size")
        shuffle = None
    return data.DataLoader(dataset, shuffle=shuffle, generator=generator, **options)


def take(loader, epochs=2):
    """All batches up to the end of an epoch."""
    found = []
    while loader.epoch < epochs:
        found += [(loader.epoch, batch[0].reshape(-1).tolist()) for batch in loader]
    return found


@pytest.mark.parametrize("stop", range(9))
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("batch_size", [3, None])
def test_going_on_with_the_next_batch(stop, shuffle, own, batch_size):
    kuai.manual_seed(0)
    options = dict(shuffle=shuffle, own=own, batch_size=batch_size)
    whole = take(make(**options))
    kuai.manual_seed(0)
    first, done = make(**options), []
    while len(done) < stop:
        for batch in first:
            done.append((first.epoch, batch[0].reshape(-1).tolist()))
            if len(done) == stop:
                break
    state, random_state = first.state_dict(), kuai.get_rng_state()
    kuai.manual_seed(99)
    second = make(**options)
    second.load_state_dict(state)
    assert second.state_dict()["batches"] == state["batches"]
    kuai.set_rng_state(random_state)
    assert done + take(second) == whole


def test_other_draws_are_not_disturbed():
    """Whoever shares the default generator draws what it would have drawn."""

    def run(interrupted):
        kuai.manual_seed(0)
        loader, found = make(own=False), []
        for _ in range(2):
            for (batch,) in loader:
                found.append((batch.tolist(), kuai.rand(1).item()))
                if interrupted and len(found) == 2:
                    break
            if interrupted and len(found) == 2:
                state, random_state = loader.state_dict(), kuai.get_rng_state()
                loader = make(own=False)
                loader.load_state_dict(state)
                kuai.set_rng_state(random_state)
                found += [(batch.tolist(), kuai.rand(1).item()) for (batch,) in loader]
        return found

    assert run(True) == run(False)


def test_batches_left_out_are_not_fetched():
    class Counted(data.Dataset):
        fetched = []

        def __len__(self):
            return 6

        def __getitem__(self, index):
            self.fetched.append(index)
            return index

    first = data.DataLoader(Counted(), batch_size=2)
    next(iter(first))
    second = data.DataLoader(Counted(), batch_size=2)
    second.load_state_dict(first.state_dict())
    Counted.fetched.clear()
    assert [batch.tolist() for batch in second] == [[2, 3], [4, 5]]
    assert Counted.fetched == [2, 3, 4, 5]


@pytest.mark.parametrize("kind", ["shuffle", "in order", "with state", "stream"])
def test_going_on_with_workers(kind):
    """What has been fetched ahead and not been handed out comes again, and in the same order."""

    def loader(**options):
        if kind == "with state":
            options["sampler"] = Counting()
        generator = kuai.Generator().manual_seed(3)
        dataset = Countdown() if kind == "stream" else data.TensorDataset(kuai.arange(7))
        shuffle = True if kind == "shuffle" else None
        return data.DataLoader(dataset, 2, shuffle, num_workers=2, generator=generator, **options)

    def taken(batches, count=None):
        return [shown(batch) for batch in itertools.islice(batches, count)]

    whole = loader()
    expected = taken(whole) + taken(whole)
    first = loader()
    batches = iter(first)
    done = taken(batches, 2)
    state = first.state_dict()
    assert state["batches"] == first.in_epoch == 2
    second = loader(prefetch_factor=3)
    second.load_state_dict(state)
    done += taken(second)
    assert (second.epoch, second.in_epoch) == (1, 0)
    assert done + taken(second) == expected
    del batches


class Countdown(data.IterableDataset):
    def __iter__(self):
        info = data.get_worker_info()
        return iter(range(9 - info.id, 0, -info.num_workers))


def shown(batch):
    return (batch[0] if isinstance(batch, list) else batch).tolist()


def test_the_numbers_drawn_after_a_pass_do_not_depend_on_workers():
    def drawn(workers):
        kuai.manual_seed(5)
        loader = data.DataLoader(range(6), 2, shuffle=True, num_workers=workers)
        return [batch.tolist() for batch in loader], kuai.rand(1).item()

    assert drawn(0) == drawn(2)


def test_at_the_last_batch_the_epoch_has_still_to_end():
    first = make()
    for _ in first:
        state = first.state_dict()
    second = make()
    second.load_state_dict(state)
    assert (second.epoch, second.in_epoch) == (0, 4)
    assert list(second) == []
    assert (second.epoch, second.in_epoch) == (1, 0)
    third = make()
    third.load_state_dict(first.state_dict())
    assert [b[0].tolist() for b in third] == [b[0].tolist() for b in first]


class Counting:
    """A sampler that knows its own state, and draws from nothing Kuai knows of."""

    def __init__(self):
        self.given = 0

    def __iter__(self):
        while self.given < 7:
            self.given += 1
            yield (self.given * 3) % 7

    def __len__(self):
        return 7

    def state_dict(self):
        return {"given": self.given}

    def load_state_dict(self, state):
        self.given = state["given"]


@pytest.mark.parametrize("kind", ["sampler", "batch_sampler", "batch_size=None"])
def test_a_sampler_with_state_is_asked(kind):
    def loader():
        dataset = data.TensorDataset(kuai.arange(7))
        if kind == "batch_sampler":
            batches = data.BatchSampler(Counting(), 2, False)
            return data.DataLoader(dataset, batch_sampler=batches)
        size = None if kind == "batch_size=None" else 2
        return data.DataLoader(dataset, batch_size=size, sampler=Counting())

    whole = [batch.tolist() for (batch,) in loader()]
    first = loader()
    batches = iter(first)
    done = [next(batches)[0].tolist() for _ in range(2)]
    second = loader()
    second.load_state_dict(first.state_dict())
    assert done + [batch.tolist() for (batch,) in second] == whole


def test_what_does_not_fit_is_explained():
    loader = make()
    next(iter(loader))
    state = loader.state_dict()
    with pytest.raises(ValueError, match="after 1 of 4 batches of an epoch, and this loader has 5"):
        make(count=13).load_state_dict(state)
    with pytest.raises(ValueError, match=r"had \['loader'\] generators, this one has none"):
        make(own=False).load_state_dict(state)
    for _ in loader:
        pass
    make(count=13).load_state_dict(loader.state_dict())  # between epochs it may change


class Drawing(data.Sampler):
    """Draws its order from everything that samplers of programs draw from."""

    def __init__(self, batch=None):
        self.batch, self.own = batch, kuai.Generator().manual_seed(1)
        self.sources = random.Random(2)
        self.numpy, self.old = np.random.default_rng(3), np.random.RandomState(4)

    def __iter__(self):
        order = self.numpy.permutation(10).tolist()
        for shuffle in (self.sources.shuffle, self.old.shuffle, random.shuffle, np.random.shuffle):
            shuffle(order)
        for generator in (self.own, None):
            order = [order[i] for i in kuai.randperm(10, generator=generator).tolist()]
        if self.batch is None:
            yield from order
        else:
            yield from (order[i : i + self.batch] for i in range(0, 10, self.batch))

    def __len__(self):
        return 10 if self.batch is None else -(-10 // self.batch)


class Stream(data.IterableDataset):
    """Is shuffled when it begins."""

    def __iter__(self):
        order = kuai.randperm(10).tolist()
        random.shuffle(order)
        np.random.shuffle(order)
        return ((kuai.tensor(i),) for i in order)


@pytest.mark.parametrize(
    "options",
    [dict(sampler=Drawing, batch_size=3), dict(batch_sampler=lambda: Drawing(4)), {}],
    ids=["sampler", "batch sampler", "stream"],
)
@pytest.mark.parametrize("stop", [0, 1, 5])
def test_orders_that_the_program_draws_itself(options, stop):
    def start(seed):
        kuai.manual_seed(seed), random.seed(seed), np.random.seed(seed)
        made = {name: v() if callable(v) else v for name, v in options.items()}
        dataset = data.TensorDataset(kuai.arange(10)) if made else Stream()
        return data.DataLoader(dataset, **(made or {"batch_size": 3}))

    def batches(loader, count):
        """So many, and where the pass stands."""
        found = []
        while True:
            for (batch,) in loader:
                if len(found) == count:
                    return found
                found.append(batch.tolist())

    whole = batches(start(0), 11)
    first, done = start(0), []
    while len(done) < stop or not stop:
        arriving = iter(first)
        done += [b.tolist() for (b,) in itertools.islice(arriving, stop - len(done))]
        if not stop:
            break
    state = first.state_dict(), kuai.get_rng_state(), random.getstate(), np.random.get_state()
    second = start(9)
    second.load_state_dict(state[0])
    kuai.set_rng_state(state[1]), random.setstate(state[2]), np.random.set_state(state[3])
    assert done + batches(second, 11 - stop) == whole


class Marked(data.Sampler):
    """A sampler that knows where it stands."""

    def __init__(self):
        self.at = 0

    def __iter__(self):
        while self.at < 10:
            self.at += 1
            yield self.at - 1
        self.at = 0

    def __len__(self):
        return 10

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]


def test_before_the_first_batch_of_workers_nothing_counts_as_handed_out():
    first = make(shuffle=None, own=False, sampler=Marked(), num_workers=1)
    begun = iter(first)  # its worker has been asked for several batches
    state = first.state_dict()
    second = make(shuffle=None, own=False, sampler=Marked())
    second.load_state_dict(state)
    assert [batch.tolist() for (batch,) in second][0] == [0, 1, 2]
    begun._shutdown_workers()
