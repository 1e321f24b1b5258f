"""The training job, on a few digits: its files, its repeatability, going on after a stop."""

import gzip
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import kuai
from kuai.errors import OccupiedFolderError
from kuai.saving import BrokenFileError, load_file
from kuai.train import curves, occupied, run
from kuai.train.progress import RunProgress
from kuai.vision.models import LeNet

SMALL = dict(epochs=3, batch_size=16)


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory):
    """A file with the first hundred digits."""
    origin = pathlib.Path(importlib.util.find_spec("sklearn").origin).parent
    lines = gzip.decompress((origin / "datasets/data/digits.csv.gz").read_bytes()).splitlines()
    path = tmp_path_factory.mktemp("data") / "few.csv.gz"
    path.write_bytes(gzip.compress(b"\n".join(lines[:100])))
    return str(path)


@pytest.fixture(scope="session")
def finished(few_digits, tmp_path_factory):
    """A run that nothing has interrupted."""
    folder = tmp_path_factory.mktemp("finished")
    run.train_lenet(run.Settings(data=few_digits, **SMALL), folder)
    return folder


def metrics(folder):
    return (folder / "metrics.jsonl").read_text()


def test_the_files_of_a_run(finished):
    names = ["checkpoints", "curves.png", "metrics.jsonl", "model.safetensors"]
    assert sorted(path.name for path in finished.iterdir()) == names
    lines = [json.loads(line) for line in metrics(finished).splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines[2]["train_loss"] < lines[0]["train_loss"]
    assert (finished / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_weights_fit_the_model(finished):
    model = LeNet()
    result = model.load_state_dict(load_file(finished / "model.safetensors"))
    assert not result.missing_keys and not result.unexpected_keys


def test_same_seed_same_result(finished, few_digits, tmp_path):
    run.train_lenet(run.Settings(data=few_digits, **SMALL), tmp_path)
    assert metrics(tmp_path) == metrics(finished)
    weights = [load_file(folder / "model.safetensors") for folder in (tmp_path, finished)]
    for name, tensor in weights[0].items():
        np.testing.assert_array_equal(tensor.numpy(), weights[1][name].numpy())


def test_another_seed_another_result(finished, few_digits, tmp_path):
    run.train_lenet(run.Settings(data=few_digits, seed=1, **SMALL), tmp_path)
    assert metrics(tmp_path) != metrics(finished)


def test_eager_is_the_same_training(finished, few_digits, tmp_path):
    settings = run.Settings(data=few_digits, compiled=False, **SMALL)
    history = run.train_lenet(settings, tmp_path)
    compiled = [json.loads(line) for line in metrics(finished).splitlines()]
    for ours, theirs in zip(history, compiled, strict=True):
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-3)


@pytest.mark.parametrize("batches", [0, 1, 5, 7, 12])
def test_a_stopped_run_goes_on_as_if_it_had_not(
    batches, finished, few_digits, tmp_path, monkeypatch
):
    settings = run.Settings(data=few_digits, **SMALL)
    _stop_after(batches, monkeypatch)
    assert run.train_lenet(settings, tmp_path) is None
    monkeypatch.undo()
    assert not (tmp_path / "curves.png").exists()
    run.train_lenet(run.saved_settings(tmp_path), tmp_path, resume=True)
    assert metrics(tmp_path) == metrics(finished)
    weights = [load_file(folder / "model.safetensors") for folder in (tmp_path, finished)]
    for name, tensor in weights[0].items():
        np.testing.assert_array_equal(tensor.numpy(), weights[1][name].numpy())


def _stop_after(batches, monkeypatch):
    """Ask the run to stop, as Ctrl-C does, after some batches."""
    done = 0

    class Stop(run.StopRequest):
        def __enter__(self):
            self.wanted = batches == 0
            requests.append(self)
            return self

    requests = []
    batch_done = RunProgress.batch_done

    def count(self, size, meter):
        nonlocal done
        batch_done(self, size, meter)
        done += 1
        requests[0].wanted = done >= batches

    monkeypatch.setattr(run, "StopRequest", Stop)
    monkeypatch.setattr(RunProgress, "batch_done", count)


def test_equal_runs_give_equal_checkpoints(finished, few_digits, tmp_path):
    run.train_lenet(run.Settings(data=few_digits, **SMALL), tmp_path)
    ours, theirs = (sorted((f / run.CHECKPOINTS).iterdir()) for f in (tmp_path, finished))
    assert [path.name for path in ours] == [path.name for path in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.read_bytes().replace(b" ", b"") == other.read_bytes().replace(b" ", b"")


def test_the_last_epochs_and_the_best_are_kept(finished):
    checkpoints = kuai.Checkpointer(finished / run.CHECKPOINTS)
    steps = 100 // 5 * 4 // 16  # in an epoch: four fifths of the digits are for training
    assert checkpoints.latest == 3 * steps
    assert set(checkpoints.steps()) == {checkpoints.best, 2 * steps, 3 * steps}
    assert run.saved_settings(finished).epochs == 3


def test_a_new_run_takes_the_place_of_an_old_one(few_digits, tmp_path):
    (tmp_path / run.CHECKPOINTS).mkdir()
    (tmp_path / run.CHECKPOINTS / "notes.txt").write_text("mine")
    for epochs in (2, 1):
        settings = run.Settings(data=few_digits, epochs=epochs, batch_size=16)
        run.train_lenet(settings, tmp_path, overwrite=True)
    assert run.saved_settings(tmp_path).epochs == 1
    assert len(metrics(tmp_path).splitlines()) == 1
    assert (tmp_path / run.CHECKPOINTS / "notes.txt").exists()


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("batches, words", [(1000, "finished.* .3 of 3"), (7, "stopped .1 of 3")])
def test_a_folder_with_a_run_is_left_alone(batches, words, few_digits, tmp_path, monkeypatch):
    settings = run.Settings(data=few_digits, **SMALL)
    _stop_after(batches, monkeypatch)
    run.train_lenet(settings, tmp_path)
    before = contents(tmp_path)
    with pytest.raises(OccupiedFolderError, match=rf"{words} epochs.*--resume.*--out.*--overwrite"):
        run.train_lenet(settings, tmp_path)
    assert contents(tmp_path) == before


def test_the_files_of_a_run_are_left_alone(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"precious")
    with pytest.raises(OccupiedFolderError, match=r"the files of a run \(model\.safetensors\)"):
        run.train_lenet(run.Settings(), tmp_path)


def test_what_a_file_says_of_its_run_is_escaped(tmp_path):
    notes = {"settings": {"epochs": 2}, "epochs_done": "\x1b[31m1"}
    kuai.Checkpointer(tmp_path / "checkpoints", asynchronous=False).save(1, notes=notes)
    with pytest.raises(OccupiedFolderError) as error:
        run.train_lenet(run.Settings(), tmp_path)
    assert r"(\x1b[31m1 of 2 epochs)" in str(error.value) and str(error.value).isprintable()


def test_the_old_run_stays_until_the_new_one_is_there(few_digits, tmp_path, monkeypatch):
    settings = run.Settings(data=few_digits, **SMALL)
    run.train_lenet(settings, tmp_path)
    before = contents(tmp_path)

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        run.train_lenet(settings, tmp_path, overwrite=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("ways", [{}, {"resume": True}, {"overwrite": True}])
def test_one_run_at_a_time(ways, tmp_path):
    with occupied.claimed(tmp_path):
        text = rf"a run that is going on \(process {os.getpid()}\)"
        with pytest.raises(OccupiedFolderError, match=text):
            run.train_lenet(run.Settings(), tmp_path, **ways)
    assert list(tmp_path.iterdir()) == []


def test_a_dead_process_keeps_nobody_out(tmp_path):
    program = (
        "import os, pathlib, sys; from kuai.train import occupied\n"
        "with occupied.claimed(pathlib.Path(sys.argv[1])): os._exit(9)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=environment)
    assert found.returncode == 9
    with occupied.claimed(tmp_path):
        assert len(list(tmp_path.iterdir())) == 1


def test_a_checkpoint_of_something_else(tmp_path):
    folder = tmp_path / run.CHECKPOINTS
    kuai.Checkpointer(folder, asynchronous=False, model=LeNet()).save(1)
    with pytest.raises(BrokenFileError, match="holds no run"):
        run.saved_settings(tmp_path)


def test_a_run_of_an_earlier_version(tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"old")
    with pytest.raises(BrokenFileError, match="by an earlier version"):
        run.saved_settings(tmp_path)


def test_curves_of_one_epoch(tmp_path):
    numbers = {"epoch": 1, "lr": 0.1}
    numbers |= {
        f"{part}_{what}": 0.5 for part in ("train", "test") for what in ("loss", "accuracy")
    }
    curves.draw_curves([numbers], tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 1000
