"""Small files that would become large, or take long: refused while they are still small."""

import itertools
import tracemalloc

import numpy as np
import pytest

import kuai
from kuai.cli.main import main
from kuai.errors import UnsafeFileError
from kuai.saving import interpreter, keys, strided
from kuai.saving.budget import Budget
from kuai.saving.converting import convert
from kuai.saving.limits import DESCRIPTION_MULTIPLE
from kuai.saving.listing import list_file
from tests.cli.test_cli import one_line
from tests.saving.hostile import OPEN, archive, name, storage, tensor, value
from tests.saving.mutations import redescribed

FLOATS = 1 << 18  # in a storage of 1 MB
SIDE = 1 << 9
FREE = 1 << 18  # bytes that every description may take up, here


def written(folder, code: bytes, storages=None):
    path = folder / "model.pt"
    path.write_bytes(archive(OPEN + code + b".", storages))
    return path


def peak(function) -> int:
    """The most memory that Python had in use for what the function did."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(folder, code: bytes, reason: str, storages=None):
    path = written(folder, code, storages)
    for read in (kuai.load, list_file, lambda p: convert(p, folder / "other.pt")):
        with pytest.raises(UnsafeFileError, match=r"model\.pt was not loaded: .*" + reason):
            read(path)
    assert [found.name for found in folder.iterdir()] == ["model.pt"]


# Views --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strides", [(0, 1), (1, SIDE), (1, 0)])
def test_views_of_the_shape_of_their_base(strides, tmp_path):
    of = storage(length=FLOATS)
    base = tensor((SIDE, SIDE), (SIDE, 1), of=of)
    views = tensor((SIDE, SIDE), strides, of=of) * 4000
    refused(tmp_path, b"](" + base + views + b"e", "many times larger", {"0": bytes(4 * FLOATS)})


def test_small_views_are_made_in_one_step_each(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        strided, "from_array", lambda *given: made.append(given) or from_array(*given)
    )
    from_array = kuai.engine.tensor.from_array
    of = storage(length=FLOATS)
    views = [tensor((2, 3), (1, 2), offset=n, of=of) for n in range(50)]
    base = tensor((SIDE, SIDE), (SIDE, 1), of=of)
    path = written(tmp_path, b"](" + base + b"".join(views) + b"e", {"0": bytes(4 * FLOATS)})
    found = kuai.load(path)
    assert len(made) == 50
    found[0].view(-1)[4] = 7.0  # element (0, 2), (1, 1) or (2, 0) of the windows there
    assert found[1][0, 2].item() == found[3][0, 1].item() == found[5][0, 0].item() == 7.0
    found[2][1, 1] = 5.0
    assert found[0].view(-1)[4].item() == 5.0 == found[5][0, 0].item()


# Descriptions -------------------------------------------------------------------------------------


def many_tensors(count: int) -> bytes:
    """A list of views; what they are made of is remembered, so each takes few bytes."""
    remembered = [name("torch._utils._rebuild_tensor_v2"), storage(), b"K\1\x85"]
    remembered.append(name("collections.OrderedDict"))
    marks = b"defg"
    pairs = zip(remembered, marks, strict=True)
    code = b"".join(part + b"q" + bytes([mark]) for part, mark in pairs)
    one = b"hd(heK\0hfhf\x89hg)RtR"
    return b"(" + code + b"](" + one * count + b"et"


DESCRIPTIONS = {
    "empty sets": b"](" + b"\x8f" * 10_000 + b"e",
    "empty dicts": b"](" + b"}" * 20_000 + b"e",
    "dicts with a number as key": b"](" + b"}K\1Ns" * 20_000 + b"e",
    "pairs in pairs": b"](" + b"N\x85\x85" * 20_000 + b"e",
    "tensors": many_tensors(1000),
}


@pytest.mark.parametrize("kind", DESCRIPTIONS)
def test_descriptions_that_would_become_large(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(interpreter, "DESCRIPTION_BYTES", FREE)
    path = written(tmp_path, DESCRIPTIONS[kind], {"0": bytes(16)})
    limit = FREE + DESCRIPTION_MULTIPLE * len(DESCRIPTIONS[kind])

    def load():
        with pytest.raises(UnsafeFileError, match="its objects would take up more than"):
            kuai.load(path)

    load()  # what is imported or compiled the first time is not the file's
    assert peak(load) < limit


ROWS = {
    "empty sets": lambda n: [set() for _ in range(n)],
    "empty dicts": lambda n: [{} for _ in range(n)],
    "pairs": lambda n: [(k, k) for k in range(n)],
    "dicts of a number": lambda n: [{k: None} for k in range(n)],
    "a dict of numbers": lambda n: {k: float(k) for k in range(n)},
    "names": lambda n: {f"layer.{k}": k for k in range(n)},
    "rows": lambda n: list(kuai.arange(10.0 * n).view(n, 10).unbind()),
    "parameters": lambda n: [kuai.nn.Parameter(row) for row in ROWS["rows"](n)],
    "tensors": lambda n: [kuai.ones(1) for _ in range(n)],
}


@pytest.mark.parametrize("kind", ROWS)
def test_honest_files_stay_below_the_multiple(kind, tmp_path, monkeypatch):
    """Even without the bytes that are free for everybody; so whatever was saved can be loaded."""
    monkeypatch.setattr(interpreter, "DESCRIPTION_BYTES", 0)
    obj = ROWS[kind](600)
    kuai.save(obj, tmp_path / "model.pt")
    assert len(kuai.load(tmp_path / "model.pt")) == len(obj)


def test_a_budget_is_spent_once():
    budget = Budget(10, "too much")
    budget.take(10)
    with pytest.raises(interpreter.Refused, match="too much"):
        budget.take(1)


# Keys and names -----------------------------------------------------------------------------------


def test_long_tuples_as_keys_over_and_over(tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "MAX_PICKLE_BYTES", 1 << 20)
    long = value(("x",) * 1000) + b"\x94"
    refused(tmp_path, long[:-1] + b"q\x09](" + b"}h\x09Ns" * 200 + b"e\x86", "long tuples")
    make_set = name("__builtin__.set") + b"q\x08](h\x09e\x85R"
    sets = b"h\x08](h\x09e\x85R" * 200
    refused(tmp_path, long[:-1] + b"q\x09](" + make_set + sets + b"e\x86", "long tuples")
    with pytest.raises(TypeError, match="long tuples"):
        kuai.save([{("x",) * 1000: None} for _ in range(200)], tmp_path / "other.pt")


@pytest.mark.parametrize("item", [b"N", tensor((1,), (1,))])
def test_a_long_name_before_many_names(item, tmp_path, capsys):
    """Each value's name begins with the name of what it stands in."""
    inner = b"}(" + b"".join(value(f"a{n}") + item for n in range(400)) + b"u"
    path = written(tmp_path, b"}" + value("k" * 100_000) + inner + b"s", {"0": bytes(16)})
    for command in (["inspect"], ["convert", "--tensors-only"]):
        target = [str(tmp_path / "b.safetensors")] * (command[0] == "convert")
        assert peak(lambda c=command, t=target: main([*c, str(path), *t])) < 150 << 20
        one_line(capsys.readouterr().err, "model.pt", "the names of its values come to more than")
    assert len(kuai.load(path)["k" * 100_000]) == 400


def test_many_tensors_that_overflow_are_one_note(tmp_path):
    kuai.save({f"w{n}": kuai.tensor([1e30]) for n in range(50)}, tmp_path / "a.pt")
    made = convert(tmp_path / "a.pt", tmp_path / "b.safetensors", dtype=kuai.float16)
    (note,) = made.notes
    assert "'w4' and 45 more have values too large for float16" in note


# Checkpoints --------------------------------------------------------------------------------------


def changed_checkpoint(folder, state, **tensors):
    """A checkpoint of a dict `d`, whose description says `state` of it."""
    checkpoints = kuai.Checkpointer(folder, d={"w": kuai.ones(1), **tensors}, asynchronous=False)
    path = checkpoints.save(1)

    def change(description):
        return {**description, "state": {**description["state"], "d": state}}

    path.write_bytes(redescribed(path.read_bytes(), change))
    return path


COLLIDING = [number * ((1 << 61) - 1) for number in range(1, 100)]


@pytest.mark.parametrize(
    "state",
    [
        {"$set": COLLIDING},
        {"$frozenset": COLLIDING},
        {"$dict": [[number, None] for number in COLLIDING]},
        {"$Counter": [[number, 1] for number in COLLIDING]},
        {"$set": [{"$tuple": list(pair)} for pair in itertools.product((-1, -2), repeat=8)]},
    ],
)
def test_keys_of_one_hash_in_a_checkpoint(state, tmp_path):
    changed_checkpoint(tmp_path, {"a": state})
    with pytest.raises(UnsafeFileError, match=r"step-00000001.*was not loaded: d: .*same hash"):
        kuai.Checkpointer(tmp_path, d={}).restore()


def test_an_array_of_a_checkpoint_is_not_copied_over_and_over(tmp_path):
    state = {"a": [{"$numpy": "d.large"}] * 400}
    changed_checkpoint(tmp_path, state, large=kuai.ones(FLOATS))
    with pytest.raises(UnsafeFileError, match="its arrays are copied too often"):
        kuai.Checkpointer(tmp_path, d={}).restore()


def test_keys_of_every_kind_come_back(tmp_path):
    given = {(1, (2, 3)): 1, frozenset({4}): 2, 5: {6, 7}, None: (8,), 2.5: "x"}
    kuai.Checkpointer(tmp_path, d=dict(given), asynchronous=False).save(1)
    found = {}
    kuai.Checkpointer(tmp_path, d=found).restore()
    assert found == given


def test_complex_numbers_come_back_each_with_its_own(tmp_path):
    """They are put together from parts; the whole has to live as long as its identity counts."""
    given = {f"c{n}": kuai.ones(3, dtype=kuai.complex128) * n for n in range(20)}
    kuai.Checkpointer(tmp_path, d=dict(given), asynchronous=False).save(1)
    found = {}
    kuai.Checkpointer(tmp_path, d=found).restore()
    for name_, wanted in given.items():
        np.testing.assert_array_equal(found[name_].numpy(), wanted.numpy())
