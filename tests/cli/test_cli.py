"""The command line: what it prints, its exit statuses, one line when something is wrong."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import kuai
from kuai.cli.main import main

COMMAND = [sys.executable, "-c", "import sys; from kuai.cli.main import main; sys.exit(main())"]
ROOT = pathlib.Path(__file__).parents[2]


def kuai_command(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"kuai {kuai.__version__}\n"


def test_without_arguments_help_is_printed(capsys):
    assert main([]) == 0
    assert "usage: kuai" in capsys.readouterr().out


BAD_FLAGS = [
    ("--epochs", "0"),
    ("--epochs", "many"),
    ("--batch-size", "-3"),
    ("--lr", "fast"),
    ("--lr", "-1"),
    ("--lr", "nan"),
    ("--seed", "-1"),
    ("--device", "abacus"),
    ("--device", "cuda:77"),
    ("--speed", "9"),
]


@pytest.mark.parametrize("flags", BAD_FLAGS)
def test_bad_flags(flags, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["train", "lenet", *flags])
    assert exit_.value.code == 2
    one_line(capsys.readouterr().err, flags[0])


def one_line(text, *words):
    assert text.endswith("\n") and text.count("\n") == 1, text
    assert text.startswith("kuai"), text
    assert "Traceback" not in text
    for word in words:
        assert word in text, text


@pytest.mark.parametrize("arguments", [["fly"], ["train"], ["train", "alexnet"]])
def test_bad_commands(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    one_line(capsys.readouterr().err)


def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["train", "lenet", "--out", str(tmp_path / "file" / "run")]) == 1
    one_line(capsys.readouterr().err, str(tmp_path / "file"))


def test_a_broken_data_file(tmp_path, capsys):
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(b"broken")
    assert main(["train", "lenet", "--data", str(path), "--out", str(tmp_path / "run")]) == 1
    one_line(capsys.readouterr().err, str(path))


def test_nothing_to_resume(tmp_path, capsys):
    assert main(["train", "lenet", "--resume", str(tmp_path)]) == 1
    one_line(capsys.readouterr().err, str(tmp_path), "No such file")


def test_a_broken_checkpoint(tmp_path, capsys):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-00000007.safetensors").write_bytes(b"broken")
    assert main(["train", "lenet", "--resume", str(tmp_path)]) == 1
    one_line(capsys.readouterr().err, str(tmp_path), "not a complete safetensors file")


def test_ctrl_c_and_on(tmp_path, capsys):
    """The whole way, in a process of its own: stop with SIGINT, go on, and finish."""
    process = kuai_command("train", "lenet", "--epochs", 1000, "--out", tmp_path)
    for line in process.stdout:
        if line.startswith("epoch   2"):
            process.send_signal(signal.SIGINT)
            break
    started = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - started < 30
    assert process.returncode == 130, err
    assert f"kuai train lenet --resume {tmp_path}" in out
    assert "Traceback" not in err
    assert main(["train", "lenet", "--resume", str(tmp_path), "--lr", "3"]) == 2
    one_line(capsys.readouterr().err, "--lr", "0.05")


def test_kill_and_on(tmp_path):
    """A run that is killed outright goes on from its last epoch, and ends as any other."""
    flags = ["--epochs", "4", "--batch-size", "128"]
    process = kuai_command("train", "lenet", *flags, "--out", tmp_path / "killed")
    for line in process.stdout:
        if line.startswith("epoch   2"):
            process.kill()
            break
    process.communicate(timeout=60)
    assert main(["train", "lenet", "--resume", str(tmp_path / "killed")]) == 0
    assert main(["train", "lenet", *flags, "--out", str(tmp_path / "whole")]) == 0
    for name in ("metrics.jsonl", "model.safetensors"):
        killed, whole = ((tmp_path / run / name).read_bytes() for run in ("killed", "whole"))
        assert killed == whole, name


def test_a_finished_run_is_left_alone(tmp_path, capsys):
    out = ["train", "lenet", "--epochs", "1", "--batch-size", "512", "--out", str(tmp_path)]
    assert main(out) == 0
    capsys.readouterr()
    assert main(out) == 1
    one_line(capsys.readouterr().err, "a finished run (1 of 1 epochs)", "--resume", "--overwrite")
    assert main([*out, "--overwrite"]) == 0
    with pytest.raises(SystemExit):
        main([*out, "--overwrite", "--resume"])
    one_line(capsys.readouterr().err, "not allowed with")
    newest = sorted((tmp_path / "checkpoints").iterdir())[-1]
    content = newest.read_bytes()
    newest.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert main(["train", "lenet", "--resume", str(tmp_path)]) == 0
    one_line(capsys.readouterr().err, newest.name, "the checkpoint of step 0 is taken")
