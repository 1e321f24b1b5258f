"""Checkpointer: what is kept, what is found, and what is said when something does not fit."""

import os
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

import kuai
from kuai import nn
from kuai.errors import (
    CheckpointError,
    CheckpointWarning,
    CheckpointWriteError,
    CompileError,
    FileFormatError,
    KuaiError,
)
from kuai.saving import BrokenFileError, safetensors_file
from kuai.saving.checkpoints import arrays, checkpointer as module


def make(folder, asynchronous=False, **options):
    return kuai.Checkpointer(folder, asynchronous=asynchronous, **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# What is kept -------------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [True, False])
def test_the_last_and_the_best_are_kept(tmp_path, asynchronous):
    checkpoints = make(tmp_path, asynchronous, keep=2, model=nn.Linear(2, 2))
    assert (checkpoints.steps(), checkpoints.latest, checkpoints.best) == ([], None, None)
    metrics = {1: 0.1, 2: 0.9, 3: float("nan"), 4: None, 5: kuai.tensor(0.5), 6: 0.9, 7: 0.2}
    kept = []
    for step, metric in metrics.items():
        checkpoints.save(step, metric=metric)
        kept.append(checkpoints.steps())
    assert kept == [[1], [1, 2], [2, 3], [2, 3, 4], [2, 4, 5], [5, 6], [6, 7]]
    assert (checkpoints.latest, checkpoints.best) == (7, 6)
    assert (make(tmp_path).best, make(tmp_path, mode="min").best) == (6, 7)
    assert names(tmp_path) == ["step-00000006.safetensors", "step-00000007.safetensors"]


def test_all_are_kept(tmp_path):
    checkpoints = make(tmp_path, keep=None, model=nn.Linear(1, 1))
    for step in range(0, 50, 7):
        checkpoints.save(step)
    assert checkpoints.steps() == list(range(0, 50, 7))
    assert repr(checkpoints) == (
        f"Checkpointer({str(tmp_path)!r}, keep=all: model; steps 0, 7, …, 35, 42, 49)"
    )


def test_the_same_step_again(tmp_path):
    values = [1]
    checkpoints = make(tmp_path, values=values)
    checkpoints.save(5, metric=1)
    values[0] = 2
    checkpoints.save(5, metric=3)
    values[0] = 0
    assert checkpoints.restore() == 5
    assert values == [2] and checkpoints.best == 5


def test_an_old_run_is_not_overrun(tmp_path):
    make(tmp_path, values=[1]).save(70)
    checkpoints = make(tmp_path, values=[1])
    with pytest.raises(CheckpointError, match=r"later than step 1 \(70\).*call restore\(\) first"):
        checkpoints.save(1)
    checkpoints.delete(70)
    checkpoints.save(1)
    with pytest.raises(CheckpointError, match="no checkpoint of step 70"):
        checkpoints.delete(70)


def test_deleting_waits_for_the_new_one_to_be_on_the_disk(tmp_path, monkeypatch):
    order = []
    fsync, unlink = os.fsync, module.Folder.delete
    monkeypatch.setattr(os, "fsync", lambda number: (order.append("sync"), fsync(number)))
    monkeypatch.setattr(
        module.Folder, "delete", lambda self, step: (order.append(f"-{step}"), unlink(self, step))
    )
    checkpoints = make(tmp_path, keep=1, values=[1])
    checkpoints.save(1)
    checkpoints.save(2)
    assert order == ["sync", "sync", "sync", "sync", "-1"]  # a file and its folder, twice


def test_notes_and_file(tmp_path):
    net = nn.Linear(2, 3)
    checkpoints = make(tmp_path, model=net)
    assert checkpoints.notes() is None
    path = checkpoints.save(3, notes={"epoch": 1, "names": ["a", None]})
    assert checkpoints.notes() == checkpoints.notes(3) == {"epoch": 1, "names": ["a", None]}
    assert path == checkpoints.path(3)
    tensors = kuai.load_file(path)  # any reader of safetensors finds the weights
    np.testing.assert_array_equal(tensors["model.weight"].numpy(), net.weight.detach().numpy())
    with pytest.raises(CheckpointError, match="notes must be numbers, strings"):
        checkpoints.save(4, notes={"net": net})


# What is wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, error, text",
    [
        (dict(keep=0), ValueError, "keep must be at least 1"),
        (dict(mode="best"), ValueError, "mode must be 'max' or 'min'"),
        (dict(random=[1]), ValueError, "the name 'random' is taken"),
        (dict(epoch=3), CheckpointError, "epoch is a int, which cannot take a state back"),
        (dict(model=nn.Linear), CheckpointError, "model is a type"),
    ],
)
def test_wrong_options(tmp_path, options, error, text):
    with pytest.raises(error, match=text):
        make(tmp_path, **options)


@pytest.mark.parametrize("step", [-1, 1.0, "7", True, None])
def test_wrong_steps(tmp_path, step):
    with pytest.raises(ValueError, match="step must be a whole number"):
        make(tmp_path).save(step)


def test_what_a_file_cannot_hold_is_named(tmp_path):
    checkpoints = make(tmp_path, history=[{"at": 1}, {"best": nn.Linear(1, 1)}])
    with pytest.raises(TypeError, match=r"history\.1\.best is a kuai\.nn\.modules\.linear\.Linear"):
        checkpoints.save(1)
    with pytest.raises(TypeError, match=r"texts.0 is an array of <U1"):
        make(tmp_path, texts=[np.array(["a"])]).save(1)
    with pytest.raises(TypeError, match=r"model\.weight has no values yet.*Call the module once"):
        make(tmp_path, model=nn.LazyLinear(2)).save(1)
    assert names(tmp_path) == []


def test_inside_a_compiled_step(tmp_path):
    net = nn.Linear(2, 2)
    checkpoints = make(tmp_path, model=net)

    def step(number):
        with kuai.no_grad():
            net.weight.fill_(number)
        checkpoints.save(number)

    compiled = kuai.compile(step)
    for number in (1, 2):
        compiled(number)
    with kuai.no_grad():
        net.weight.zero_()
    checkpoints.restore(1)
    assert net.weight.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    with pytest.raises(CompileError, match="needs a concrete value at .*checkpoints.save"):
        kuai.compile(step, fullgraph=True)(3)


def test_nothing_to_restore(tmp_path):
    checkpoints = make(tmp_path / "new" / "folder", model=nn.Linear(1, 1))
    assert checkpoints.restore() is None
    with pytest.raises(CheckpointError, match="no checkpoint of step 5; there are: none"):
        checkpoints.restore(5)


def test_missing_and_extra_objects(tmp_path):
    net = nn.Linear(2, 2)
    sgd = kuai.optim.SGD(net.parameters(), lr=0.1)
    make(tmp_path, model=net, optimizer=sgd).save(1)
    before = net.weight.tolist()
    adam = kuai.optim.Adam(net.parameters())
    other = nn.Linear(2, 2)
    checkpoints = make(tmp_path, model=other, average=nn.Linear(2, 2), optimizer=adam)
    unchanged = other.weight.tolist()
    with pytest.raises(CheckpointError) as error:
        checkpoints.restore()
    for text in ("it has no 'average'", "'optimizer' is of a SGD, not of a Adam", "Nothing was"):
        assert text in str(error.value)
    assert other.weight.tolist() == unchanged
    with pytest.raises(CheckpointError, match="nothing here takes its 'optimizer'"):
        make(tmp_path, model=other).restore()
    assert make(tmp_path, model=other, average=nn.Linear(2, 2)).restore(strict=False) == 1
    assert other.weight.tolist() == before


@pytest.mark.parametrize(
    "other, text",
    [
        (nn.Linear(2, 3), "size mismatch for weight"),
        (nn.Linear(2, 2, bias=False), "Unexpected key.*bias"),
        (nn.BatchNorm1d(2), "Missing key.*running_mean"),
    ],
)
def test_a_module_that_does_not_fit(tmp_path, other, text):
    make(tmp_path, model=nn.Linear(2, 2)).save(1)
    with pytest.raises(CheckpointError, match=rf"(?s)model does not take its state from .*{text}"):
        make(tmp_path, model=other).restore()


def test_broken_and_foreign_files(tmp_path):
    checkpoints = make(tmp_path, keep=None, values=[1, 2, 3])
    for step in range(4):
        checkpoints.save(step, metric=step)
    path = checkpoints.path(3)
    path.write_bytes(path.read_bytes()[:-10])
    kuai.save_file({"a": kuai.ones(1)}, checkpoints.path(2))
    text = '{"version": 1, "metric": null, "notes": 0, "kinds": {}, "arrays": null, "state": '
    for number, state in enumerate(('{"values": {"$tensor": "none"}}}', "[", '{"values": 3}}')):
        step = 4 + number
        kuai.save_file({}, checkpoints.path(step), {"kuai.checkpoint": text + state})
        error = CheckpointError if number == 2 else BrokenFileError
        with pytest.raises(error, match=f"step-0000000{step}"):
            checkpoints.restore(step, strict=False)
    for step, complaint in ((3, "not a complete safetensors file"), (2, "holds tensors only")):
        with pytest.raises(BrokenFileError, match=f"step-0000000{step}.*{complaint}"):
            checkpoints.restore(step)
    assert checkpoints.best == 1  # what cannot be read has no metric
    assert checkpoints.restore(1) == 1


def test_a_file_cannot_name_a_folder_that_is_not_its_own(tmp_path):
    (tmp_path / "precious").mkdir()
    checkpoints = make(tmp_path / "run", keep=1, values=[1])
    path = checkpoints.save(1)
    text = safetensors_file.load_metadata(path)["kuai.checkpoint"]
    hostile = text.replace('"arrays": null', '"arrays": "../precious"')
    assert hostile != text
    kuai.save_file(kuai.load_file(path), path, {"kuai.checkpoint": hostile})
    with pytest.raises(BrokenFileError, match="broken checkpoint"):
        checkpoints.restore()
    checkpoints.save(2)  # which deletes the first one
    assert names(tmp_path) == ["precious", "run"]
    assert names(tmp_path / "run") == ["step-00000002.safetensors"]


def test_changed_files_are_errors_of_kuai(tmp_path):
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    optimizer = kuai.optim.SGD(net.parameters(), lr=0.1)
    checkpoints = make(tmp_path, model=net, optimizer=optimizer, values=[(1, 2.5), {3: "a"}])
    path = checkpoints.save(1, metric=0.5, notes={"a": 1})
    content, chances = path.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(content)
        for place in chances.integers(0, len(content), chances.integers(1, 4)):
            changed[place] = chances.integers(0, 256)
        path.write_bytes(changed)
        try:
            checkpoints.restore()
            checkpoints.notes()
        except KuaiError as error:
            assert str(path) in str(error)


def make_three(folder, **options):
    """Three checkpoints of [step]."""
    values = [0]
    checkpoints = make(folder, values=values, **options)
    for step in (1, 2, 3):
        values[0] = step
        checkpoints.save(step, notes=step)
    return checkpoints, values


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("part", ["header", "tensors"])
def test_every_flipped_bit_is_noticed(tmp_path, part):
    checkpoints = make(tmp_path, python_random=False, model=nn.Linear(2, 2), values=[1, 2.5])
    path = checkpoints.save(1)
    content = path.read_bytes()
    base = 8 + int.from_bytes(content[:8], "little")
    padding = range(len(content[:base].rstrip()), base)
    places = range(8, base, 7) if part == "header" else range(base, len(content))
    for place in places:
        if place not in padding:
            flip(path, place)
            with pytest.raises(BrokenFileError, match="step-00000001"):
                checkpoints.restore()
            flip(path, place)
    assert checkpoints.restore() == 1


def test_a_broken_newest_one_gives_way(tmp_path):
    checkpoints, values = make_three(tmp_path)
    flip(checkpoints.path(3), -1)
    checkpoints, values = make(tmp_path, keep=1, values=[0]), None
    values = checkpoints.objects["values"]
    text = r"step-00000003\.safetensors .*; the checkpoint of step 2 is taken instead of that of 3"
    with pytest.warns(CheckpointWarning, match=text):
        assert checkpoints.restore() == 2
    assert values == [2]
    with pytest.raises(BrokenFileError, match="step-00000003"):
        checkpoints.restore(3)
    flip(checkpoints.path(2), -1)
    with pytest.warns(CheckpointWarning) as said:
        assert checkpoints.restore() == 1
    assert len(said) == 2
    checkpoints.save(2)  # earlier than the broken one, and in place of the other
    assert names(tmp_path) == ["step-00000002.safetensors", "step-00000003.safetensors.broken"]
    assert checkpoints.restore() == 2 and values == [1]


def test_all_broken(tmp_path):
    checkpoints, _ = make_three(tmp_path)
    for step in (1, 2, 3):
        flip(checkpoints.path(step), -1)
    with pytest.raises(BrokenFileError, match="step-00000003"):
        checkpoints.restore()
    with pytest.raises(BrokenFileError, match="step-00000003"):
        make(tmp_path, values=[1]).restore()


def test_notes_of_a_broken_newest_one(tmp_path):
    checkpoints, _ = make_three(tmp_path)
    checkpoints.path(3).write_bytes(b"broken")
    with pytest.warns(CheckpointWarning, match="step 2 is taken"):
        assert checkpoints.notes() == 2


def test_what_a_later_version_wrote_is_left_alone(tmp_path):
    checkpoints, values = make_three(tmp_path)
    path = checkpoints.path(3)
    text = safetensors_file.load_metadata(path)["kuai.checkpoint"]
    kuai.save_file({}, path, {"kuai.checkpoint": text.replace('"version": 2', '"version": 3')})
    with pytest.raises(FileFormatError, match="later version of Kuai"):
        checkpoints.restore()
    kuai.save_file({}, path, {"kuai.checkpoint": text})
    with pytest.raises(BrokenFileError, match="checksums are missing"):
        checkpoints.restore(3)


def test_a_run_may_take_the_place_of_another(tmp_path, monkeypatch):
    checkpoints, values = make_three(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    values[0] = 7

    def full(number):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(CheckpointWriteError):
            checkpoints.save(0, overwrite=True)
    assert checkpoints.steps() == [1, 2, 3]
    checkpoints.save(0, overwrite=True)
    assert names(tmp_path) == ["notes.txt", "step-00000000.safetensors"]
    assert checkpoints.restore() == 0 and values == [7]


def test_deleted_while_it_is_being_restored(tmp_path, monkeypatch):
    """A writer beside the reader keeps one only."""
    writer, values = make_three(tmp_path, keep=1)
    reader = make(tmp_path, values=[0])
    opened, left = module.Folder.open, [5, 4]

    def slow(self, step):
        if left:
            values[0] = left[-1]
            writer.save(left.pop())
        return opened(self, step)

    monkeypatch.setattr(module.Folder, "open", slow)
    assert reader.restore() == 5
    assert reader.objects["values"] == [5]


# A disk that refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_full_disk_harms_nothing(tmp_path, monkeypatch, asynchronous):
    values = [1]
    checkpoints = make(tmp_path, asynchronous, keep=1, values=values)
    checkpoints.save(1)
    checkpoints.wait()
    values[0] = 2

    def full(number):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(CheckpointWriteError) as error:
            checkpoints.save(2)
            checkpoints.wait()
    assert error.value.errno == 28
    for text in ("step 2 could not be written: No space left", "MB free", "are whole: 1"):
        assert text in str(error.value)
    assert names(tmp_path) == ["step-00000001.safetensors"]
    checkpoints.wait()  # it is said once
    assert checkpoints.restore() == 1 and values == [1]
    checkpoints.save(2)
    assert checkpoints.steps() == [2]


LIMITED = """
import atexit, resource, sys
atexit.register(lambda: print("told last", file=sys.stderr, flush=True))
import kuai
net = kuai.nn.Linear(100, 100)
checkpoints = kuai.Checkpointer(sys.argv[1], model=net)
checkpoints.save(1)
checkpoints.wait()
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
checkpoints.save(2)
try:
    checkpoints.wait()
except OSError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
print(checkpoints.steps(), checkpoints.restore())
checkpoints.save(3)
"""


def test_a_limit_on_files_and_an_error_at_exit(tmp_path):
    """The system itself refuses; the program's last error, never waited for, is still told."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert "step 2 could not be written: File too large" in found.stdout, found.stderr
    assert "[1] 1" in found.stdout
    assert "step 3 could not be written: File too large" in found.stderr
    assert found.stderr.endswith("told last\n") and found.returncode == 120
    assert names(tmp_path) == ["step-00000001.safetensors"]


def test_only_our_own_leftovers_are_cleaned(tmp_path):
    ours = [f".kuai-{'0123456789' * 2}-{number}.tmp" for number in (0, 12)]
    theirs = [
        f".kuai-{'0123456789' * 2}-0.tmp.bak",
        ".step-00000003.safetensors.bak",
        ".hidden",
        "step-1.safetensors.abcdefgh",
        "notes.txt",
        ".other.safetensors.abcdefgh",
    ]
    for name in ours + theirs:
        (tmp_path / name).write_text("x")
    (tmp_path / "step-00000009.arrays").mkdir()
    (tmp_path / "step-00000009.arrays.orbax-checkpoint-tmp-1").mkdir()
    (tmp_path / "step-00000009.mine").mkdir()
    checkpoints = make(tmp_path, values=[1])
    assert checkpoints.restore() is None
    assert set(ours) < set(names(tmp_path))  # who only reads leaves a running writer alone
    checkpoints.save(1)
    expected = [*theirs, "step-00000009.mine", "step-00000001.safetensors"]
    assert names(tmp_path) == sorted(expected)


# The thread ---------------------------------------------------------------------------------------


def test_one_at_a_time(tmp_path, monkeypatch):
    """`save` returns at once; the next one waits for it."""
    go_on, begun, alive = threading.Event(), [], []
    write_tensors = safetensors_file.write_tensors

    def slow(*arguments, **options):
        begun.append(threading.current_thread())
        alive.append(sum(thread.name == "kuai-checkpoint" for thread in threading.enumerate()))
        assert go_on.wait(10)
        write_tensors(*arguments, **options)

    monkeypatch.setattr(module, "write_tensors", slow)
    values = [1]
    with make(tmp_path, asynchronous=True, values=values) as checkpoints:
        checkpoints.save(1)
        values[0] = 2
        assert "writing" in repr(checkpoints) and names(tmp_path) == []
        threading.Timer(0.2, go_on.set).start()
        checkpoints.save(2)
        assert go_on.is_set() and "step-00000001.safetensors" in names(tmp_path)
    assert make(tmp_path, values=values).restore(1) == 1 and values == [1]
    assert alive == [1, 1] and threading.main_thread() not in begun


def test_another_checkpointer_waits_too(tmp_path):
    first, second = (make(tmp_path, asynchronous=True, model=nn.Linear(9, 9)) for _ in range(2))
    for step in range(5):
        first.save(step)
        assert second.latest == step


@pytest.mark.parametrize("call", ["save", "wait", "close", "restore", "__exit__"])
def test_an_error_in_the_thread_surfaces(tmp_path, monkeypatch, call):
    checkpoints = make(tmp_path, asynchronous=True, values=[1])

    def fail(*_, **options):
        raise OSError(5, "Broken")

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_tensors", fail)
        checkpoints.save(1)
        checkpoints._background._thread.join()
    arguments = {"save": (2,), "__exit__": (None, None, None)}.get(call, ())
    with pytest.raises(CheckpointWriteError, match="step 1 could not be written: Broken"):
        getattr(checkpoints, call)(*arguments)
    checkpoints.save(2)
    assert checkpoints.latest == 2


ENDING = """
import sys, kuai
kuai.Checkpointer(sys.argv[1], model=kuai.nn.Linear(500, 500)).save(1)
assert not {"orbax", "tensorstore"} & set(sys.modules)
"""


def test_a_program_that_ends_writes_to_the_end_and_needs_no_orbax(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", ENDING, str(tmp_path)], check=True, env=environment)
    assert make(tmp_path, model=nn.Linear(500, 500)).restore() == 1


def test_without_orbax(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(arrays, "importlib", types.SimpleNamespace(import_module=missing))
    with pytest.raises(CheckpointError, match=r"pip install 'kuai-nn\[orbax\]'"):
        arrays.save_arrays(None, {})
