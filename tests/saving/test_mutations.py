"""Files with something changed: they load, or there is one of Kuai's errors that names the file.

KUAI_MUTATIONS sets how many for each kind; the seeds are fixed, so that a failure comes again.
No file may take more than a small multiple of its size in memory, or long.
"""

import json
import os
import random
import shutil
import time
import tracemalloc

import pytest

import kuai
from kuai.errors import CheckpointError, FileFormatError
from tests.saving import mutations

COUNT = int(os.environ.get("KUAI_MUTATIONS", "100"))
SECONDS = 5
MEMORY = 4 << 20  # and 16 times the file


def tensors() -> dict:
    x = kuai.arange(6.0).view(2, 3)
    return {"x": x, "view": x.t(), "flag": kuai.tensor([True]), "half": kuai.ones(2).bfloat16()}


def training() -> dict:
    """What a run saves: a module, an optimizer with its state, a scheduler, numbers, a place."""
    net = kuai.nn.Sequential(kuai.nn.Linear(2, 2), kuai.nn.BatchNorm1d(2))
    optimizer = kuai.optim.AdamW(net.parameters())
    scheduler = kuai.optim.lr_scheduler.StepLR(optimizer, 2)
    net(kuai.ones(3, 2)).sum().backward()
    optimizer.step()
    scheduler.step()
    states = {"model": net, "optimizer": optimizer, "scheduler": scheduler}
    return {
        **{name: thing.state_dict() for name, thing in states.items()},
        "parameters": list(net.parameters()),
        "epoch": 3,
        "losses": [0.5, 0.25],
        "random": kuai.get_rng_state(),
        "plain": (1 << 70, b"\x00\xff", 1 + 2j, {1, 2}, "块", kuai.float16, kuai.Size([1])),
    }


def check(path, contents) -> int:
    """Load each of the contents; the number of those that were refused."""
    refused = 0
    tracemalloc.start()
    try:
        for number, content in enumerate(contents):
            path.write_bytes(content)
            tracemalloc.reset_peak()
            before, start = tracemalloc.get_traced_memory()[0], time.process_time()
            try:
                kuai.load(path)
            except FileFormatError as error:
                assert path.name in str(error) or "data location" in str(error), f"seed {number}"
                refused += 1
            assert time.process_time() - start < SECONDS, f"seed {number} took too long"
            taken = tracemalloc.get_traced_memory()[1] - before
            assert taken < MEMORY + 16 * len(content), f"seed {number} took {taken} bytes"
    finally:
        tracemalloc.stop()
    return refused


def saved(folder, name: str, make) -> bytes:
    kuai.save(make(), folder / name)
    return (folder / name).read_bytes()


def mutants(content: bytes, mutate):
    return (mutate(content, random.Random(seed)) for seed in range(COUNT))


TORCH = {
    "bytes": mutations.any_bytes,
    "headers": mutations.zip_fields,
    "instructions": mutations.with_instructions,
    "storages": mutations.with_storages,
}


@pytest.mark.parametrize("kind", TORCH)
@pytest.mark.parametrize("make", [tensors, training])
def test_torch_files(kind, make, tmp_path):
    content = saved(tmp_path, "model.pt", make)
    refused = check(tmp_path / "model.pt", mutants(content, TORCH[kind]))
    assert refused > COUNT // 10


@pytest.mark.parametrize("kind", ["bytes", "header"])
def test_safetensors_files(kind, tmp_path):
    content = saved(tmp_path, "model.safetensors", tensors)
    mutate = {"bytes": mutations.any_bytes, "header": mutations.with_header}[kind]
    assert check(tmp_path / "model.safetensors", mutants(content, mutate)) > COUNT // 10


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_cut_off_and_spliced_files(name, tmp_path):
    content = saved(tmp_path, name, tensors)
    other = saved(
        tmp_path, name, lambda: {"x": kuai.ones(5, dtype=kuai.int64), "other": kuai.ones(2)}
    )

    def mutate(content, chance):
        return mutations.cut_or_spliced(content, chance, other)

    assert check(tmp_path / name, mutants(content, mutate)) > COUNT // 4


def test_indices(tmp_path):
    kuai.save_file(
        {"a": kuai.ones(40), "b": kuai.ones(40)}, tmp_path / "m.safetensors", max_shard_size=200
    )
    path = tmp_path / "m.safetensors.index.json"
    index = json.loads(path.read_bytes())

    def mutate(content, chance):
        if chance.random() < 0.3:
            return mutations.any_bytes(content, chance)
        return mutations.json_text(index, chance)

    assert check(path, mutants(path.read_bytes(), mutate)) > COUNT // 10


def test_parts_of_an_index(tmp_path):
    """The index is right; one of its files is not."""
    kuai.save_file(
        {"a": kuai.ones(40), "b": kuai.ones(40)}, tmp_path / "m.safetensors", max_shard_size=200
    )
    part = tmp_path / "m-00001-of-00002.safetensors"
    content, refused = part.read_bytes(), 0
    for seed in range(COUNT):
        chance = random.Random(seed)
        mutate = chance.choice([mutations.any_bytes, mutations.with_header])
        part.write_bytes(mutate(content, chance))
        try:
            kuai.load(tmp_path / "m.safetensors.index.json")
        except FileFormatError as error:
            assert "m.safetensors.index.json" in str(error) or part.name in str(error)
            refused += 1
    assert refused > COUNT // 4


def run() -> dict:
    net = kuai.nn.Sequential(kuai.nn.Linear(2, 2), kuai.nn.BatchNorm1d(2))
    optimizer = kuai.optim.AdamW(net.parameters())
    scheduler = kuai.optim.lr_scheduler.StepLR(optimizer, 2)
    return {"model": net, "optimizer": optimizer, "scheduler": scheduler}


def test_checkpoints(tmp_path):
    """Mostly the description is changed, which stands as JSON in the metadata of the file."""
    things, fresh = run(), run()
    things["model"](kuai.ones(3, 2)).sum().backward()
    things["optimizer"].step()
    saved = kuai.Checkpointer(tmp_path, **things)
    saved.save(1)
    path = saved.path(saved.latest)
    content, refused = path.read_bytes(), 0
    for seed in range(COUNT):
        path.write_bytes(mutations.with_description(content, random.Random(seed)))
        try:
            kuai.Checkpointer(tmp_path, **fresh).restore(1)
        except (FileFormatError, CheckpointError) as error:
            assert path.name in str(error)
            refused += 1
    assert refused > COUNT // 4


INTRUDERS = {
    "nothing": lambda path: path.write_bytes(b""),
    "a page": lambda path: path.write_bytes(b"<html>" + bytes(100)),
    "a PyTorch file": lambda path: path.write_bytes(b"PK\3\4" + bytes(26) + b"archive/data.pkl"),
    "tensors only": lambda path: kuai.save_file({"w": kuai.ones(1)}, path),
    "another checkpoint": lambda path: shutil.copy(
        path.with_name("step-00000001.safetensors"), path
    ),
}


@pytest.mark.parametrize("kind", INTRUDERS)
def test_checkpoint_folders(kind, tmp_path):
    """One file is not what its name says: it is named, and the others serve as before."""
    kuai.Checkpointer(tmp_path, **run(), asynchronous=False).save(1, metric=1.0)
    path = tmp_path / "step-00000002.safetensors"
    INTRUDERS[kind](path)
    checkpoints = kuai.Checkpointer(tmp_path, **run(), asynchronous=False)
    if kind != "another checkpoint":  # which is whole
        with pytest.raises(FileFormatError, match=path.name):
            checkpoints.restore(2)
    assert checkpoints.restore(1) == 1 and checkpoints.best in (1, 2)
    assert checkpoints.save(3, metric=2.0).exists() and checkpoints.best == 3


def test_the_same_seed_gives_the_same_file(tmp_path):
    content = saved(tmp_path, "model.pt", tensors)
    for mutate in (mutations.any_bytes, mutations.zip_fields):
        assert mutate(content, random.Random(7)) == mutate(content, random.Random(7))
