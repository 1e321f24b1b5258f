"""The comparisons of replays: those in C give what those in Python give."""

import collections
import os
import pathlib

import pytest

from kuai.engine.compile import comparing

_SOURCE = pathlib.Path(comparing.__file__).read_text()


class Looking(dict):
    """A dict whose own code must not run."""

    def __getitem__(self, key):
        raise AssertionError

    __contains__ = get = __missing__ = __getitem__


def in_python():
    """The functions as they are where no compiler was there."""
    names: dict = {}
    exec(_SOURCE.partition("\ntry:\n")[0], names)
    return names


def ways():
    """The functions in use, those in C where they have been built; and those in Python."""
    return [vars(comparing), in_python()]


def test_they_are_in_c_where_that_is_required():
    if os.environ.get("KUAI_KERNELS") == "required":
        assert type(comparing.has_entries).__name__ == "builtin_function_or_method"


@pytest.mark.parametrize("way", ways(), ids=["in use", "in Python"])
def test_what_they_say(way):
    one, value = {"a": None, 1: 2.0}, 1000.5
    has, lacks, sizes = way["has_entries"], way["lacks_entries"], way["has_sizes"]
    assert has((), (), ()) and lacks((), ()) and sizes((), ())
    assert has((one, one), ("a", 1), (None, one[1]))
    assert not has((one,), ("b",), (None,)), "None is not the lack of an entry"
    assert not has(({"a": value},), ("a",), (float("1000.5"),)), "equal is not the same"
    assert lacks((one, {}), ("b", "a")) and not lacks(({}, one), ("a", "a"))
    assert sizes((one, [1], "abc"), (2, 1, 3)) and not sizes((one, [1]), (2, 2))


@pytest.mark.parametrize("way", ways(), ids=["in use", "in Python"])
def test_dicts_are_read_as_they_are(way):
    looking, counting = Looking(a=1), collections.defaultdict(list)
    assert way["has_entries"]((looking,), ("a",), (1,))
    assert way["lacks_entries"]((looking, counting), ("b", "b"))
    assert not way["has_entries"]((counting,), ("b",), (1,)) and not counting
    with pytest.raises(TypeError):
        way["has_entries"](([],), (0,), (0,))
    with pytest.raises(TypeError):
        way["has_entries"](({},), ([],), (0,))
