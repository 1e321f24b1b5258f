"""The command line where things are missing, closed, full, narrow or stopped."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import kuai
from kuai.cli.main import main
from kuai.errors import CheckpointError, FileFormatError, UnsavableObjectError, printable
from kuai.saving.refusals import Refused
from kuai.saving.shards import bytes_of
from tests.cli.test_cli import one_line
from tests.saving.hostile import OPEN, archive, name

ROOT = pathlib.Path(__file__).parents[2]
ESCAPES = "\x1b[31mred\x07\u202e\n"


def command(*arguments, **options):
    """The command itself, as it is installed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    environment |= {"PYTHONPATH": str(ROOT / "src"), **options.pop("environment", {})}
    line = [sys.executable, "-m", "kuai_command", *map(str, arguments)]
    return subprocess.Popen(line, stderr=subprocess.PIPE, env=environment, **options)


def run(*arguments, **options) -> tuple[int, str, str]:
    process = command(*arguments, stdout=options.pop("stdout", subprocess.PIPE), **options)
    out, err = process.communicate(timeout=120)
    return process.returncode, (out or b"").decode(), err.decode()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.pt"
    kuai.save({"块\x1b[31m": kuai.ones(2), "k" * 1000: kuai.ones(3)}, path)
    return path


# Streams ------------------------------------------------------------------------------------------


def test_streams_that_cannot_take_every_character(file):
    status, out, err = run("inspect", file, environment={"PYTHONIOENCODING": "latin-1"})
    assert (status, err) == (0, "")
    assert r"\u5757\x1b[31m" in out and r"k\u2026k" in out


def test_closed_streams(file):
    for closed in ((1,), (1, 2)):
        script = f"""
import os, runpy, sys
for number in {closed}:
    os.close(number)
os.execv(sys.executable, [sys.executable, "-m", "kuai_command", "inspect", {str(file)!r}])
"""
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no such device here")
def test_a_full_disk(file):
    with open("/dev/full", "wb") as full:
        status, _, err = run("inspect", file, stdout=full)
    assert status == 1
    one_line(err, "No space left on device")


def test_a_reader_that_has_gone(file):
    process = command("inspect", file, stdout=subprocess.PIPE)
    process.stdout.close()
    with process.stderr as errors:
        assert errors.read() == b""
    assert process.wait() == 141


@pytest.mark.parametrize("columns", ["0", "-1", "7", "²", "99999999999", "wide", ""])
def test_widths_that_are_none(columns, file, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", columns)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["inspect", str(file)]) == 0
    out = capsys.readouterr().out
    assert "float32" in out and max(map(len, out.splitlines())) < 400


def test_on_a_terminal_without_a_width(file):
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    process = command("inspect", file, stdout=theirs, environment={"COLUMNS": "0"})
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 1 << 16):
            shown += part
    except OSError:
        assert shown  # Linux says that the other side is closed by an error
    assert process.wait() == 0 and "float32" in shown.decode()
    process.stderr.close()
    os.close(ours)


# Signals ------------------------------------------------------------------------------------------


def test_ctrl_c_while_starting(tmp_path):
    """Nothing is printed, and nothing goes on, whenever it comes."""
    for wait in (0.1, 0.3, 0.5):
        process = command("train", "lenet", "--out", tmp_path / "run", stdout=subprocess.PIPE)
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode in (-signal.SIGINT, 130)
        assert b"Traceback" not in out + err and b"Ignored" not in err


def test_ctrl_c_while_the_command_line_is_read(monkeypatch, capsys):
    def stopped(text):
        raise KeyboardInterrupt

    monkeypatch.setattr("kuai.cli.train.devices.jax_device", stopped)
    assert main(["train", "lenet", "--device", "cpu"]) == 130
    one_line(capsys.readouterr().err, "stopped")


# Arguments ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [19, 1000, 10_000])
def test_sizes_of_very_many_digits(digits, file, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["convert", str(file), "b.safetensors", "--max-shard-size", "9" * digits])
    assert exit_.value.code == 2
    err = capsys.readouterr().err
    one_line(err, "--max-shard-size", "a number of bytes")
    assert len(err) < 500


@pytest.mark.parametrize("flag", ["--epochs", "--batch-size", "--seed", "--lr"])
def test_numbers_of_very_many_digits(flag, capsys):
    for digits in (1000, 10_000):
        with pytest.raises(SystemExit):
            main(["train", "lenet", flag, "9" * digits])
        err = capsys.readouterr().err
        one_line(err, flag)
        assert len(err) < 500


def test_sizes():
    assert bytes_of("9" * 18) == 10**18 and bytes_of("1.5KB") == 1500
    with pytest.raises(ValueError, match="a number of bytes"):
        bytes_of("0.0001")


# Text from files ----------------------------------------------------------------------------------


def test_printable():
    assert printable("plain 块") == "plain 块"
    assert printable(ESCAPES) == r"\x1b[31mred\x07\u202e\n"
    assert printable("a" * 300 + "b" * 300, 9) == "aaaaaa…bb"
    assert len(printable("\x00" * 10**7, 100)) == 397


@pytest.mark.parametrize("kind", [CheckpointError, FileFormatError, Refused, UnsavableObjectError])
def test_errors_about_files_are_escaped_and_cut(kind):
    text = str(kind(f"file: {ESCAPES * 10**5} was not loaded: convert it"))
    assert text.isprintable() and len(text) < 20_000
    assert text.startswith("file: ") and text.endswith("was not loaded: convert it")


def test_a_name_of_three_megabytes(tmp_path, capsys):
    path = tmp_path / "model.pt"
    path.write_bytes(archive(OPEN + name("os.\x1b[31mred" + "x" * 3_000_000) + b"."))
    assert main(["inspect", str(path)]) == 1
    err = capsys.readouterr().err
    one_line(err, r"asks for os.\x1b[31mred")
    assert len(err) < 2500
    with pytest.raises(FileFormatError) as raised:
        kuai.load(path)
    causes = [raised.value, raised.value.__cause__]
    assert all(str(cause).isprintable() and len(str(cause)) < 2500 for cause in causes)


def test_names_on_the_way_into_a_module():
    net = kuai.nn.Linear(1, 1)
    for count in (1, 50):
        state = {f"{ESCAPES}{k}" + "x" * 10_000: kuai.ones(1) for k in range(count)}
        with pytest.raises(RuntimeError) as raised:
            net.load_state_dict(net.state_dict() | state)
        text = str(raised.value).replace("\n", "").replace("\t", "")
        assert text.isprintable() and len(text) < 5000


def test_settings_of_a_run_that_a_stranger_wrote(tmp_path, capsys):
    notes = {"settings": {"data": ESCAPES * 1000, "epochs": 1}}
    kuai.Checkpointer(tmp_path / "checkpoints", asynchronous=False).save(1, notes=notes)
    assert main(["train", "lenet", "--resume", str(tmp_path), "--data", "digits"]) == 2
    err = capsys.readouterr().err
    one_line(err, "--data", r"\x1b[31mred")
    assert len(err) < 15_000
