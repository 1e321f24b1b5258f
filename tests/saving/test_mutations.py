"""Files with a few bytes changed, cut out or doubled: they load, or there is one of Kuai's errors.

KUAI_MUTATIONS sets how many for each format; the seed is fixed, so that a failure comes again.
"""

import os
import random
import zipfile

import pytest

import kuai
from kuai.errors import FileFormatError
from tests.saving.hostile import archive

COUNT = int(os.environ.get("KUAI_MUTATIONS", "300"))


def example() -> dict:
    x = kuai.arange(6.0).view(2, 3)
    return {"x": x, "view": x.t(), "flag": kuai.tensor([True]), "half": kuai.ones(2).bfloat16()}


def mutated(content: bytes, chance: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(made))
        kind = chance.randrange(5)
        if kind == 0:
            made[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            made[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif kind == 2:
            del made[place : place + chance.randint(1, 8)]
        elif kind == 3:
            start = chance.randrange(len(made))
            made[place:place] = made[start : start + chance.randint(1, 16)]
        else:
            made[place : place + 4] = chance.choice([b"\xff" * 4, b"\0" * 4, b"\0\0\0\x80"])
    return bytes(made) or b"\0"


def load_mutations(path, make):
    refused = 0
    for seed in range(COUNT):
        path.write_bytes(make(random.Random(seed)))
        try:
            kuai.load(path)
        except FileFormatError as error:
            assert path.name in str(error) or "data location" in str(error)
            refused += 1
    return refused


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_mutated_files(suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    kuai.save(example(), path)
    content = path.read_bytes()
    refused = load_mutations(path, lambda chance: mutated(content, chance))
    assert refused > COUNT // 4


def test_mutated_instructions(tmp_path):
    """The checksums of the archive are right here, so that every mutation reaches the reader."""
    path = tmp_path / "model.pt"
    kuai.save(example(), path)
    with zipfile.ZipFile(path) as entries:
        code = entries.read("archive/data.pkl")
        keys = [name.split("/")[2] for name in entries.namelist() if "/data/" in name]
        storages = {key: entries.read(f"archive/data/{key}") for key in keys}
    refused = load_mutations(path, lambda chance: archive(mutated(code, chance), storages))
    assert refused > COUNT // 2
