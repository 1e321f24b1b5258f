"""Sparse tensors in files, pickles, copies and batches; each reads the other's files."""

import copy
import io
import pickle

import pytest
import torch

import kuai
from kuai.errors import UnsafeFileError
from kuai.utils.data import default_collate

pytestmark = pytest.mark.filterwarnings("ignore")

MADE = {
    "coo": lambda t: t.sparse_coo_tensor([[1, 0, 1], [0, 2, 0]], [1.0, 2.0, 3.0], (2, 3)),
    "coalesced": lambda t: MADE["coo"](t).coalesce(),
    "hybrid": lambda t: t.sparse_coo_tensor([[1, 0]], [[1, 2], [3, 4]], (3, 2)),
    "empty": lambda t: t.sparse_coo_tensor((2, 3)),
    "csr": lambda t: MADE["coo"](t).to_sparse_csr(),
    "csc": lambda t: MADE["coo"](t).to_sparse_csc(),
}


def through_file(obj, save, load):
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return load(file)


@pytest.mark.parametrize("kind", MADE)
def test_files(kind):
    ours, theirs = MADE[kind](kuai), MADE[kind](torch)
    assert repr(through_file({"x": [ours]}, kuai.save, kuai.load)["x"][0]) == repr(ours)
    assert repr(through_file([ours], kuai.save, torch.load)[0]) == repr(theirs)
    read = through_file({"a": theirs, "b": torch.ones(2)}, torch.save, kuai.load)["a"]
    assert repr(read) == repr(ours) and type(read) is type(ours)
    if kind.startswith("co"):
        assert read.is_coalesced() == theirs.is_coalesced()


@pytest.mark.parametrize("kind", MADE)
def test_pickles_and_copies(kind):
    x = MADE[kind](kuai)
    for made in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), copy.copy(x), x.clone()):
        assert repr(made) == repr(x) and made is not x
    x._values().zero_()
    first, second = copy.deepcopy([x, x])
    assert first is second


@pytest.mark.parametrize("kind", ["coo", "hybrid", "csr"])
def test_conversion_to_pytorch_and_back(kind):
    x = MADE[kind](kuai)
    assert repr(kuai.to_torch(x)) == repr(MADE[kind](torch))
    assert repr(kuai.from_torch(MADE[kind](torch))) == repr(x)


BROKEN = {
    "index outside": (torch.tensor([[5], [0]]), torch.ones(1), (2, 3), False),
    "negative index": (torch.tensor([[-1], [0]]), torch.ones(1), (2, 3), False),
    "other count": (torch.tensor([[0, 1], [0, 1]]), torch.ones(1), (2, 3), False),
    "not in order": (torch.tensor([[1, 0], [0, 1]]), torch.ones(2), (2, 3), True),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_files_with_wrong_places_are_refused(fault):
    indices, values, size, coalesced = BROKEN[fault]
    good = torch.sparse_coo_tensor(torch.zeros_like(indices), torch.ones(indices.shape[1]), size)

    class Broken:
        def __reduce__(self):
            function, parts, *_ = good.__reduce_ex__(2)
            layout = parts[0]
            return function, (layout, (indices, values, torch.Size(size), coalesced))

    with pytest.raises(UnsafeFileError, match="a sparse tensor in it is not well formed"):
        through_file([Broken()], torch.save, kuai.load)


def test_batches():
    x = MADE["coo"](kuai)
    made = default_collate([x, x])
    assert made.layout == kuai.sparse_coo and made.shape == (2, 2, 3)
    with pytest.raises(kuai.errors.UnsavableObjectError, match="layout torch.sparse_coo"):
        kuai.save_file({"x": x}, "/dev/null")
