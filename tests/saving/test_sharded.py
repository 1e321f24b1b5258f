"""Checkpoints of several safetensors files with an index."""

import json
import os

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

import kuai
from kuai.errors import BrokenFileError, FileFormatError, UnsafeFileError
from kuai.saving import drafts, load_metadata, safetensors_file, safetensors_source, shards
from kuai.saving.shards import bytes_of

INDEX = "model.safetensors.index.json"


def tensors(count=6) -> dict:
    return {f"layer.{k}.weight": kuai.full((4, 4), float(k)) for k in range(count)}


def write(folder, found=None, size=128, **options):
    kuai.save_file(tensors() if found is None else found, folder, max_shard_size=size, **options)


def read_index(folder) -> dict:
    return json.loads((folder / INDEX).read_text(encoding="utf-8"))


def change(folder, **parts):
    (folder / INDEX).write_text(json.dumps({**read_index(folder), **parts}), encoding="utf-8")


def same(found, expected):
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype is tensor.dtype and found[name].shape == tensor.shape
        assert np.asarray(found[name]).tobytes() == np.asarray(tensor).tobytes()


def test_written_as_the_hubs_publish_them(tmp_path):
    write(tmp_path, metadata={"format": "pt"})
    names = [f"model-0000{k}-of-00003.safetensors" for k in (1, 2, 3)]
    assert sorted(os.listdir(tmp_path)) == [*names, INDEX]
    index = read_index(tmp_path)
    save = index["metadata"].pop("kuai.save")
    assert index["metadata"] == {"total_size": 6 * 64}
    assert list(index["weight_map"]) == list(tensors())
    for name, file in index["weight_map"].items():
        with safetensors.safe_open(tmp_path / file, framework="pt") as opened:
            assert opened.metadata() == {"format": "pt", "kuai.save": save}
            assert opened.get_tensor(name).tolist() == tensors()[name].tolist()
    assert load_metadata(tmp_path) == {"format": "pt"}


@pytest.mark.parametrize("mmap", [False, True])
def test_both_ways(tmp_path, mmap):
    write(tmp_path)
    for path in (tmp_path, tmp_path / INDEX, str(tmp_path)):
        same(kuai.load(path, mmap=mmap), tensors())
        same(kuai.load_file(path, mmap=mmap), tensors())


def test_files_of_the_library_load(tmp_path):
    expected = {"a": torch.arange(3), "b/块.0": torch.ones(2, 2).bfloat16()}
    for k, (name, tensor) in enumerate(expected.items()):
        safetensors.torch.save_file({name: tensor}, tmp_path / f"part{k}.safetensors")
    weights = {name: f"part{k}.safetensors" for k, name in enumerate(expected)}
    text = json.dumps({"metadata": {"total_size": 0.5}, "weight_map": weights})
    (tmp_path / INDEX).write_text(text)
    found = kuai.load(tmp_path)
    assert {name: t.tolist() for name, t in found.items()} == {
        name: t.tolist() for name, t in expected.items()
    }


AWKWARD = {
    "nothing": {},
    "a scalar": {"": kuai.tensor(1.5)},
    "no elements": {"a": kuai.zeros(0, 3), "b": kuai.ones(3), "c": kuai.zeros(0)},
    "names": {"a.b": kuai.ones(2), "a/b": kuai.zeros(2), "../块\n\0": kuai.ones(1).bool()},
}


@pytest.mark.parametrize("kind", AWKWARD)
@pytest.mark.parametrize("name", ["", "model.safetensors", INDEX])
def test_awkward_tensors(kind, name, tmp_path):
    write(tmp_path / name, AWKWARD[kind], size=8)
    same(kuai.load(tmp_path), AWKWARD[kind])
    assert (tmp_path / INDEX).exists() == (name == INDEX or kind in ("no elements", "names"))


def test_all_dtypes(tmp_path):
    from kuai.saving.safetensors_format import CODES

    found = {kind.name: kuai.tensor([0, 1, 1]).to(kind) for kind in CODES.values()}
    write(tmp_path, found, size=8)
    same(kuai.load(tmp_path), found)
    same(kuai.load(tmp_path, mmap=True), found)


def test_tied_tensors_over_files(tmp_path):
    w = kuai.arange(4)
    write(tmp_path, {"a": w, "b": kuai.ones(4), "c": w}, size=32)
    assert set(read_index(tmp_path)["weight_map"]) == {"a", "b"}
    found = kuai.load(tmp_path)
    found["c"].zero_()
    assert found["a"].tolist() == [0, 0, 0, 0]


def test_one_file_where_one_suffices(tmp_path):
    write(tmp_path, size="1GB")
    assert os.listdir(tmp_path) == ["model.safetensors"]
    write(tmp_path)
    assert "model.safetensors" not in os.listdir(tmp_path)
    write(tmp_path, size="1GB")
    assert os.listdir(tmp_path) == ["model.safetensors"]
    same(kuai.load(tmp_path), tensors())


def test_saved_again_and_again(tmp_path):
    (tmp_path / "model-of-mine.safetensors").write_bytes(b"another's")
    for count in (6, 6, 4, 6):
        write(tmp_path, tensors(count))
        same(kuai.load_file(tmp_path / INDEX), tensors(count))
        assert len(os.listdir(tmp_path)) == count // 2 + 2
    kuai.save_file(kuai.load_file(tmp_path / INDEX, mmap=True), tmp_path, max_shard_size=64)
    same(kuai.load_file(tmp_path / INDEX), tensors())


@pytest.mark.parametrize("place", ["a file", "the index"])
def test_interrupted(place, tmp_path, monkeypatch):
    write(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    calls = []

    def fail(*arguments, **options):
        calls.append(arguments)
        if place == "the index" or len(calls) == 3:
            raise OSError("no space left")
        return original(*arguments, **options)

    name = "write_pieces" if place == "a file" else "write_atomically"
    original = getattr(shards, name)
    monkeypatch.setattr(shards, name, fail)
    with pytest.raises(OSError, match="no space left"):
        write(tmp_path, {name: t + 1 for name, t in tensors().items()})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# What is deleted, and what is not -----------------------------------------------------------------


def contents(folder) -> dict:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_that_no_index_names_stay(tmp_path):
    """Those of a download without its index, say, however much they look like ours."""
    others = ["model-00001-of-00003.safetensors", "model-v2-00001-of-00003.safetensors"]
    for name in [*others, ".model-00001-of-00003.safetensors.a1b2c3_4"]:
        (tmp_path / name).write_bytes(b"precious")
    before = contents(tmp_path)
    for size in (128, "1GB", 128, 64):
        write(tmp_path, size=size)
        found = contents(tmp_path)
        assert {name: found[name] for name in before} == before
    assert len(contents(tmp_path)) == len(before) + 7


def test_an_index_takes_its_own_files_only(tmp_path):
    write(tmp_path / "model.safetensors")
    for name in ("copy" + INDEX[5:], "other.bin.index.json"):  # they name the same files
        (tmp_path / name).write_bytes((tmp_path / INDEX).read_bytes())
    before = contents(tmp_path)
    write(tmp_path / "model.safetensors", tensors(4))
    found = contents(tmp_path)
    assert {name: found[name] for name in before if name != INDEX} == {
        name: content for name, content in before.items() if name != INDEX
    }
    same(kuai.load(tmp_path / ("copy" + INDEX[5:])), tensors())
    same(kuai.load(tmp_path / INDEX), tensors(4))


def test_names_that_an_index_gives_are_not_taken(tmp_path):
    """An index whose files are still to come must not find ours under their names."""
    weights = {"a": "model-00001-of-00003.safetensors"}
    (tmp_path / ("other" + INDEX[5:])).write_text(json.dumps({"weight_map": weights}))
    write(tmp_path)
    assert not (tmp_path / weights["a"]).exists()
    same(kuai.load(tmp_path / INDEX), tensors())


def test_a_single_file_beside_an_index_that_was_asked_for_stays(tmp_path):
    kuai.save_file({"a": kuai.ones(1)}, tmp_path / "model.safetensors")
    write(tmp_path / INDEX)
    assert list(kuai.load(tmp_path / "model.safetensors")) == ["a"]
    broken(tmp_path, "several checkpoints", FileFormatError)


def test_a_private_checkpoint_stays_private(tmp_path):
    write(tmp_path, size="1GB")
    (tmp_path / "model.safetensors").chmod(0o600)
    for size in (128, 64, "1GB", 128):
        write(tmp_path, size=size)
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_failure_leaves_no_files(tmp_path):
    (tmp_path / INDEX).mkdir()
    with pytest.raises(IsADirectoryError):
        write(tmp_path / "model.safetensors")
    assert os.listdir(tmp_path) == [INDEX]
    with pytest.raises(FileNotFoundError, match=r"nowhere/m\.safetensors"):
        write(tmp_path / "nowhere" / "m.safetensors")


def test_a_hostile_index_or_journal_deletes_nothing_elsewhere(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    precious = tmp_path / "precious.safetensors"
    precious.write_bytes(b"precious")
    stamp = [getattr(precious.stat(), f"st_{what}") for what in ("ino", "size", "mtime_ns")]
    journal = folder / f".kuai-{drafts.digest_of(INDEX)}.journal"
    for name in ("../precious.safetensors", str(precious)):
        (folder / INDEX).write_text(json.dumps({"weight_map": {"a": name}}))
        record = {"changing": [INDEX, None], "made": [name], "save": "", "replaced": {name: stamp}}
        journal.write_text(json.dumps(record))
        write(folder)
        assert precious.read_bytes() == b"precious"
        same(kuai.load(folder), tensors())
    count = len(os.listdir(folder))
    for text in ("[", "[]", '{"replaced": 1}', '{"replaced": {}, "changing": 3}'):
        journal.write_text(text)
        write(folder)
        assert len(os.listdir(folder)) == count


# Two saves ----------------------------------------------------------------------------------------


def test_a_mixture_of_two_saves_is_an_error(tmp_path):
    write(tmp_path)
    part = tmp_path / "model-00002-of-00003.safetensors"
    old = part.read_bytes()
    (tmp_path / "again").mkdir()
    write(tmp_path / "again", {name: t + 1 for name, t in tensors().items()})
    part.write_bytes((tmp_path / "again" / part.name).read_bytes())
    for read in (kuai.load, kuai.saving.safe_open, kuai.saving.load_metadata):
        with pytest.raises(BrokenFileError, match=r"model-00002-of-00003.* is of another save"):
            read(tmp_path)
    part.write_bytes(old)
    same(kuai.load(tmp_path), tensors())


def test_the_same_tensors_give_the_same_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_replaced_while_it_is_being_opened(tmp_path, monkeypatch):
    """What no longer fits together is looked at again."""
    write(tmp_path)
    read_index = safetensors_source.read_index
    left = [1, 2]

    def slow(*arguments):
        found = read_index(*arguments)
        if left:
            write(tmp_path, tensors(4 + left.pop()))
        return found

    monkeypatch.setattr(safetensors_source, "read_index", slow)
    same(kuai.load(tmp_path), tensors(5))
    assert not left


def test_changed_while_it_is_being_read(tmp_path):
    path = tmp_path / "a.safetensors"
    kuai.save_file({"a": kuai.zeros(4)}, path)
    with safetensors_source.open_source(path) as source:
        path.write_bytes(path.read_bytes()[:-1] + b"!")  # by a program that does not replace
        with pytest.raises(BrokenFileError, match="changed while it was being read"):
            safetensors_file.tensors_of(source)


def test_more_files_than_may_be_open(tmp_path, monkeypatch):
    monkeypatch.setattr(safetensors_source, "_OPEN", 1)
    write(tmp_path)
    same(kuai.load(tmp_path), tensors())
    with safetensors_source.open_source(tmp_path) as source:
        last = source.parts[-1].path
        last.write_bytes(last.read_bytes())
        with pytest.raises(BrokenFileError, match="changed"):
            safetensors_file.tensors_of(source)


def broken(folder, match, kind=BrokenFileError):
    with pytest.raises(kind, match=match):
        kuai.load(folder)


def test_broken_indexes(tmp_path):
    write(tmp_path)
    weights = read_index(tmp_path)["weight_map"]
    for text, reason in {
        "{": "not a complete",
        "[]": "no JSON object",
        "{}": "weight_map",
        '{"weight_map": {"a": 1}}': "weight_map",
        '{"weight_map": {"a": "b.safetensors", "a": "c.safetensors"}}': "twice",
        '{"weight_map": ' + '{"a":' * 5000: "not a complete",
    }.items():
        (tmp_path / INDEX).write_text(text)
        broken(tmp_path, rf"index\.json .*{reason}")
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": weights}))
    first, last = list(weights)[0], list(weights)[-1]
    change(tmp_path, weight_map={**weights, "more": weights[first]})
    broken(tmp_path, r"'more' does not stand in model-00001")
    change(tmp_path, weight_map={**weights, last: weights[first]})
    broken(tmp_path, r"stands in model-00003.*says model-00001")
    change(tmp_path, weight_map={k: v for k, v in weights.items() if k != last})
    broken(tmp_path, "does not know")
    change(tmp_path, weight_map=weights, metadata={"kuai.aliases": '{"x": "y"}'})
    broken(tmp_path, "alias")


@pytest.mark.parametrize(
    "name", ["../a.safetensors", "/a.safetensors", "a\\b.safetensors", "C:a.safetensors", "a.pt"]
)
def test_an_index_names_files_beside_it_only(name, tmp_path):
    write(tmp_path)
    change(tmp_path, weight_map={"a": name})
    broken(tmp_path, r"index\.json was not loaded: it names the file", UnsafeFileError)


def test_missing_and_cut_files(tmp_path):
    write(tmp_path)
    part = tmp_path / "model-00002-of-00003.safetensors"
    content = part.read_bytes()
    part.write_bytes(content[:-1])
    broken(tmp_path, r"model-00002.*not a complete")
    part.unlink()
    broken(tmp_path, r"index\.json.*model-00002-of-00003\.safetensors is missing")
    (tmp_path / INDEX).unlink()
    broken(tmp_path, "parts of a checkpoint")


def test_folders(tmp_path):
    broken(tmp_path, "no safetensors file", FileFormatError)
    for name in ("b", "c"):
        kuai.save_file({name: kuai.ones(1)}, tmp_path / f"{name}.safetensors")
    broken(tmp_path, r"several checkpoints; name one: b\.safetensors, c\.", FileFormatError)
    kuai.save_file({"m": kuai.ones(1)}, tmp_path / "model.safetensors")
    assert list(kuai.load(tmp_path)) == ["m"]


def test_sizes():
    assert bytes_of("5GB") == 5 * 10**9
    for text in ("5XB", "", "-1", 0, "GB", "1e3"):
        with pytest.raises(ValueError, match="a size has to be"):
            bytes_of(text)
    with pytest.raises(ValueError, match="has to be a folder or end in"):
        kuai.save_file(tensors(), "weights.bin", max_shard_size="1GB")
