"""What is neither a tensor nor a plain value: NumPy's values, and objects of other classes."""

import argparse
import dataclasses
import enum
import io
import types

import numpy as np
import pytest
import torch

import kuai
from kuai.errors import UnsafeFileError, UnsavableObjectError


@dataclasses.dataclass
class Settings:
    """Settings of a run, as programs save them."""

    rate: float
    weights: object = None


class Kind(enum.Enum):
    """A choice."""

    FIRST = 1


class Node:
    """Refers to itself."""

    def __init__(self):
        self.me, self.many = self, [self]


def saved(value):
    file = io.BytesIO()
    kuai.save(value, file)
    file.seek(0)
    return file


ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6).reshape(2, 3)),
    np.array(True),
    np.zeros((0, 3), np.float32),
    np.array([1 + 2j]),
    np.float16([1.5]),
    np.array([[1, 2], [3, 4]], np.uint8)[:, 1],
]


@pytest.mark.parametrize("array", ARRAYS, ids=str)
def test_arrays_come_back(array):
    found = kuai.load(saved({"a": array}))["a"]
    assert type(found) is np.ndarray and found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_numbers_and_random_states_come_back():
    assert kuai.load(saved(np.float32(1.5))) == np.float32(1.5)
    name, keys, *rest = kuai.load(saved(np.random.get_state()))
    assert name == "MT19937" and rest == list(np.random.get_state()[2:])
    np.testing.assert_array_equal(keys, np.random.get_state()[1])


def test_pytorch_opens_arrays_and_kuai_opens_pytorchs():
    core = np._core.multiarray
    allowed = [core._reconstruct, np.ndarray, np.dtype, type(np.dtype("f8"))]
    with torch.serialization.safe_globals(allowed):
        np.testing.assert_array_equal(torch.load(saved(ARRAYS[0])), ARRAYS[0])
    file = io.BytesIO()
    torch.save([ARRAYS[0], np.int64(3)], file)
    file.seek(0)
    array, number = kuai.load(file)
    np.testing.assert_array_equal(array, ARRAYS[0])
    assert number == 3 and type(number) is np.int64


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.array(["a"]), "elements that are no numbers"),
        (np.array([1], ">i4"), "big-endian"),
        (np.array([None]), "elements that are no numbers"),
        (np.zeros(1, [("x", "f4")]), "elements that are no numbers"),
    ],
    ids=str,
)
def test_arrays_of_other_things_are_not_opened(value, text):
    with pytest.raises(UnsafeFileError, match=text):
        kuai.load(saved(value))


@pytest.mark.parametrize(
    "value",
    [Settings(0.1, kuai.ones(2)), Kind.FIRST, types.SimpleNamespace(a=[1]), Settings, len],
    ids=str,
)
def test_other_objects_are_saved_for_pytorch_and_not_opened(value):
    with pytest.raises(UnsafeFileError, match="asks for"):
        kuai.load(saved(value))
    found = torch.load(saved(value), weights_only=False)
    if isinstance(value, Settings):
        assert found.rate == 0.1 and found.weights.tolist() == [1.0, 1.0]
    else:
        assert found == value


def test_arguments_of_a_program_go_both_ways():
    arguments = argparse.Namespace(lr=0.1, layers=[1, 2], start=kuai.ones(2))
    found = torch.load(saved({"args": arguments}), weights_only=False)["args"]
    assert vars(found) | {"start": 0} == {"lr": 0.1, "layers": [1, 2], "start": 0}
    again = kuai.load(saved({"args": arguments}), weights_only=False)["args"]
    assert again.lr == 0.1 and again.start.tolist() == [1.0, 1.0]
    file = io.BytesIO()
    torch.save(argparse.Namespace(a=None, b=torch.ones(1)), file)
    file.seek(0)
    assert kuai.load(file).b.tolist() == [1.0]


def test_an_object_that_refers_to_itself():
    found = torch.load(saved(Node()), weights_only=False)
    assert found.me is found and found.many[0] is found


@pytest.mark.parametrize(
    "value",
    [lambda: 0, {"deep": [open]}],
    ids=["lambda", "inside"],
)
def test_what_is_refused(value):
    if isinstance(value, dict):
        value["deep"][0] = (x for x in ())
    with pytest.raises(UnsavableObjectError, match="cannot save a"):
        kuai.save(value, io.BytesIO())


@pytest.mark.parametrize("name", ["strided", "sparse_coo", "sparse_csr", "jagged"])
def test_layouts_are_values(name):
    both = torch, kuai
    for writer, reader in [both, both[::-1], (kuai, kuai)]:
        file = io.BytesIO()
        writer.save({"layout": getattr(writer, name)}, file)
        file.seek(0)
        found = reader.load(file, weights_only=True)
        assert found == {"layout": getattr(reader, name)}


def test_quantization_schemes_are_values():
    file = io.BytesIO()
    torch.save([torch.per_channel_affine], file)
    file.seek(0)
    assert kuai.load(file, weights_only=True) == [kuai.per_channel_affine]
    assert kuai.load(saved(kuai.per_tensor_symmetric)) is kuai.per_tensor_symmetric
