"""PyTorch's format before 1.6: read and written beside PyTorch, refused where it asks for more."""

import io
import pickle
import struct

import numpy as np
import pytest
import torch

import kuai
from kuai import nn
from kuai.cli.main import main
from kuai.errors import BrokenFileError, FileFormatError, UnsafeFileError
from kuai.saving.listing import list_file

TORCH_DTYPES = [
    torch.float16,
    torch.bfloat16,
    torch.float64,
    torch.int8,
    torch.uint8,
    torch.bool,
    torch.complex64,
]


def old(obj, **options) -> io.BytesIO:
    """What PyTorch wrote."""
    file = io.BytesIO()
    torch.save(obj, file, _use_new_zipfile_serialization=False, **options)
    return io.BytesIO(file.getvalue())


def ours(obj) -> io.BytesIO:
    file = io.BytesIO()
    kuai.save(obj, file, _use_new_zipfile_serialization=False)
    return io.BytesIO(file.getvalue())


def base() -> torch.Tensor:
    return torch.arange(12.0).reshape(3, 4)


OBJECTS = {
    "values": {"n": 3, "big": 2**70, "text": "é", "list": [1.5, None, (True,)]},
    "views": {"a": (x := base()), "b": x.t(), "c": x[1:, 2:]},
    "dtypes": [torch.ones(3).to(kind) for kind in TORCH_DTYPES],
    "state": torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).state_dict(),
    "parameter": torch.nn.Parameter(torch.ones(2)),
    "empty": [torch.empty(0, 3), torch.tensor(5)],
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", OBJECTS)
def test_both_ways(name, protocol):
    loaded = kuai.load(old(OBJECTS[name], pickle_protocol=protocol))
    assert str(loaded) == str(OBJECTS[name])
    assert str(torch.load(ours(loaded))) == str(OBJECTS[name])
    assert str(kuai.load(ours(loaded))) == str(OBJECTS[name])


def test_tensors_go_on_sharing_their_storage():
    loaded = kuai.load(old(OBJECTS["views"]))
    loaded["a"][1, 2] = 77.0
    assert (loaded["b"][2, 1], loaded["c"][0, 0]) == (77.0, 77.0)
    loaded = torch.load(ours(loaded))
    loaded["a"][1, 2] = 78.0
    assert (loaded["b"][2, 1], loaded["c"][0, 0]) == (78.0, 78.0)


def test_modules_of_trusted_files(tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    loaded = kuai.load(old(net), weights_only=False)
    assert isinstance(loaded, nn.Sequential)
    theirs = {name: value.tolist() for name, value in net.state_dict().items()}
    assert {name: value.tolist() for name, value in loaded.state_dict().items()} == theirs
    with pytest.raises(UnsafeFileError, match="Sequential"):
        kuai.load(old(net))


def test_a_path_that_is_listed_and_not_mapped(tmp_path, capsys):
    path = tmp_path / "old.pt"
    kuai.save({"w": kuai.ones(2, 3)}, path, _use_new_zipfile_serialization=False)
    assert kuai.load(path)["w"].shape == (2, 3)
    assert [(row.name, row.shape) for row in list_file(path).tensors] == [("w", (2, 3))]
    assert main(["inspect", str(path)]) == 0
    assert "w" in capsys.readouterr().out
    with pytest.raises(FileFormatError, match="mmap can only be used with"):
        kuai.load(path, mmap=True)


# Files from before 1.0, as they were written then -------------------------------------------------


def parts(objects: bytes, keys: list, storages: bytes, little: bool = True) -> io.BytesIO:
    system = {"protocol_version": 1001, "little_endian": little, "type_sizes": {}}
    made = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    return io.BytesIO(b"".join([*made, objects, pickle.dumps(keys, 2), storages]))


FOUR = struct.pack("<q4f", 4, 1, 2, 3, 4)
STORAGE = b"(U\x07storagectorch\nFloatStorage\nU\x0212U\x03cpuK\x04"


def tensor(part: bytes) -> bytes:
    """Two elements from the second on of a storage, or of a part of it, by Python 2."""
    return b"ctorch._utils\n_rebuild_tensor\n(" + STORAGE + part + b"tQK\x01K\x02\x85K\x01\x85tR"


def test_strings_and_dicts_of_python_2():
    code = b"\x80\x02ccollections\nOrderedDict\n]](U\x01a" + tensor(b"N") + b"ea\x85R."
    loaded = kuai.load(parts(code, ["12"], FOUR))
    assert {name: value.tolist() for name, value in loaded.items()} == {"a": [2.0, 3.0]}


def test_a_part_of_a_storage():
    inside = b"(U\x0213K\x01K\x03t"
    loaded = kuai.load(parts(b"\x80\x02" + tensor(inside) + b".", ["12"], FOUR))
    assert loaded.tolist() == [3.0, 4.0]
    for wrong in (b"(U\x0213K\x02K\x03t", b"(U\x0213K\x01t", b"K\x01"):
        with pytest.raises(UnsafeFileError, match="part"):
            kuai.load(parts(b"\x80\x02" + tensor(wrong) + b".", ["12"], FOUR))


def test_encoding():
    code = b"\x80\x02U\x02\xc3\xa9."
    assert kuai.load(parts(code, [], b"")) == "é"
    assert kuai.load(parts(code, [], b""), encoding="latin1") == "\xc3\xa9"
    assert kuai.load(parts(code, [], b""), encoding="bytes") == b"\xc3\xa9"
    with pytest.raises(UnsafeFileError, match=r'encoding="latin1"'):
        kuai.load(parts(b"\x80\x02U\x01\xe9.", [], b""))


# What is refused ----------------------------------------------------------------------------------


def test_what_does_not_fit_together():
    code = b"\x80\x02" + tensor(b"N") + b"."
    assert kuai.load(parts(code, ["12"], FOUR)).tolist() == [2.0, 3.0]
    wrong = struct.pack("<q3f", 3, 1, 2, 3)
    for keys, storages, error in [
        ([], b"", BrokenFileError),  # a storage that is not there
        (["12"], FOUR[:-1], BrokenFileError),
        (["12"], FOUR[:4], BrokenFileError),
        (["12"], wrong, UnsafeFileError),
        (["12"], struct.pack("<q", -4), BrokenFileError),
        (["12"], struct.pack("<q", 2**62), BrokenFileError),
        (["12", "12"], FOUR * 2, UnsafeFileError),
        (["13"], FOUR, UnsafeFileError),
        ([12], FOUR, UnsafeFileError),
    ]:
        with pytest.raises(error):
            kuai.load(parts(code, keys, storages))
    with pytest.raises(UnsafeFileError, match="big-endian"):
        kuai.load(parts(code, ["12"], FOUR, little=False))


def test_changed_and_cut_files_are_refused_or_loaded():
    """Whatever is changed: an error of a file, or objects; nothing else."""
    whole = old(OBJECTS["views"]).getvalue()
    for end in range(0, len(whole), 7):
        with pytest.raises(FileFormatError):
            kuai.load(io.BytesIO(whole[:end]))
    random = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(whole)
        for place in random.integers(0, len(whole), random.integers(1, 4)):
            changed[place] = random.integers(0, 256)
        try:
            kuai.load(io.BytesIO(bytes(changed)))
        except FileFormatError:
            continue
