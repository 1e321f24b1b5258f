"""Pipes of a program's own, and the names of the surface of `utils.data`."""

import pytest
import torch.utils.data as theirs

from kuai.errors import UnavailableError
from kuai.standin.refused_paths import module_of
from kuai.utils import data as ours

DATA = {"kuai": ours, "torch": theirs}


def test_all_names_are_there():
    assert sorted(ours.__all__) == sorted(theirs.__all__)
    assert not [name for name in ours.__all__ if not hasattr(ours, name)]


def program(data, suffix):
    """Pipes put behind one another by the name of a function."""

    class Counter(data.IterDataPipe):
        def __iter__(self):
            return iter(range(3))

    @data.functional_datapipe(f"doubled_{suffix}")
    class Doubler(data.IterDataPipe):
        def __init__(self, source, by=2):
            self.source, self.by = source, by

        def __iter__(self):
            return (x * self.by for x in self.source)

    pipe = getattr(Counter(), f"doubled_{suffix}")(by=3)
    return list(pipe), hasattr(pipe, "nothing"), isinstance(pipe, data.IterableDataset)


def test_pipes_of_ones_own():
    assert program(ours, "here") == program(theirs, "here")


@pytest.mark.parametrize("name", DATA)
def test_a_name_is_taken_once(name):
    program(DATA[name], f"once_{name}")
    with pytest.raises(Exception, match="already taken"):
        program(DATA[name], f"once_{name}")


def test_a_loader_takes_pipes():
    class Counter(ours.IterDataPipe):
        def __iter__(self):
            return iter(range(3))

    assert [batch.tolist() for batch in ours.DataLoader(Counter(), 2)] == [[0, 1], [2]]


def test_a_chunk():
    for data in DATA.values():
        chunk = data.DataChunk([1, 2])
        assert chunk.as_str("  ") == "  [1, 2]" and list(chunk.raw_iterator()) == chunk == [1, 2]


def test_pytorchs_own_pipes_say_what_to_write():
    module = module_of("torch.utils.data.datapipes.iter")
    with pytest.raises(UnavailableError, match="IterableDataset"):
        module.IterableWrapper([1])
